"""Behind proxies: the PROXY protocol, Forwarded and X-Forwarded-*, and who is not believed."""

from __future__ import annotations

import contextlib
import signal
import ssl
from pathlib import Path

import pytest

from tests.support.certificates import Certificates
from tests.support.proxy_headers import tls_tlv, v1, v2
from tests.support.server import Server, run, serve

ECHO = "tests.apps.basic:echo"
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
CLIENT, ADDRESS = ("203.0.113.7", 4711), ("198.51.100.1", 443)


def environ_behind(server: Server, header: bytes, *, at_once: bool = True) -> dict[str, str]:
    with server.connect() as client:
        if at_once:
            client.send(header + REQUEST)
        else:
            client.send(*(bytes([byte]) for byte in header), REQUEST)
        environ: dict[str, str] = client.response().json()["environ"]
        assert client.get().json()["environ"]["REMOTE_ADDR"] == environ["REMOTE_ADDR"]
    return environ


@pytest.mark.parametrize("header", [v1(CLIENT, ADDRESS), v2(CLIENT, ADDRESS, [tls_tlv("jo")])])
@pytest.mark.parametrize("at_once", [True, False])
def test_a_connection_is_the_client_s_that_the_header_names(header: bytes, at_once: bool) -> None:
    with serve(ECHO, proxy_protocol_from="127.0.0.0/8,::1", workers=1, access_log="-") as server:
        environ = environ_behind(server, header, at_once=at_once)
        assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == ("203.0.113.7", "4711")
        assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("198.51.100.1", "443")
        assert environ["wsgi.url_scheme"] == ("http" if header.startswith(b"PROXY") else "https")
        server.wait_line(r'^203\.0\.113\.7 "GET / HTTP/1\.1" status: 200')


def test_a_proxy_s_own_connection_keeps_its_address() -> None:
    with serve(ECHO, proxy_protocol_from="127.0.0.1", workers=1) as server:
        for header in (v2(None), b"PROXY UNKNOWN\r\n"):
            assert environ_behind(server, header)["REMOTE_ADDR"] == "127.0.0.1"


def test_a_listed_peer_must_send_the_header_and_well_formed() -> None:
    with serve(ECHO, proxy_protocol_from="127.0.0.1", workers=1, header_timeout=1) as server:
        for raw in (REQUEST, b"PROXY TCP4 x y 1 2\r\n" + REQUEST, v2(CLIENT, ADDRESS)[:-1]):
            with server.connect() as client:
                client.send(raw)
                client.assert_eof()
        with server.connect() as client:
            client.assert_eof()
        server.wait_line(r"came in time \(the worker's 4\. such connection\)")
        seen = server.log
        assert "127.0.0.1, listed in proxy_protocol_from: no PROXY protocol header" in seen
        assert "listed in proxy_protocol_from: version 1: " in seen
        assert seen.count("no PROXY protocol header came in time") == 2
        assert environ_behind(server, v1(CLIENT, ADDRESS))["REMOTE_ADDR"] == "203.0.113.7"


def test_the_header_is_not_looked_for_from_others() -> None:
    for args in ((), ("--proxy-protocol-from", "10.0.0.0/8,unix")):
        with serve(ECHO, workers=1, args=args) as server:
            for header in (v1(CLIENT, ADDRESS), v2(CLIENT, ADDRESS)):
                with server.connect() as client:
                    client.send(header + REQUEST)
                    assert client.response().status in (400, 505)
            with server.connect() as client:
                assert client.get().json()["environ"]["REMOTE_ADDR"] == "127.0.0.1"


def test_a_limit_for_each_client_counts_those_behind_the_proxy() -> None:
    with (
        serve(
            ECHO, proxy_protocol_from="127.0.0.1", max_connections_per_client=1, workers=1
        ) as server,
        server.connect() as first,
        server.connect() as second,
        server.connect() as other,
    ):
        first.send(v1(CLIENT, ADDRESS) + REQUEST)
        assert first.response().status == 200
        second.send(v1(CLIENT, ADDRESS) + REQUEST)
        with contextlib.suppress(ConnectionResetError):
            second.assert_eof()
        other.send(v1(("203.0.113.8", 1), ADDRESS) + REQUEST)
        assert other.response().status == 200


def test_tls_begins_behind_the_header(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    own = certificates.issue("api.test")
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with serve(ECHO, proxy_protocol_from="127.0.0.1", tls_certificate=own, workers=1) as server:
        with server.connect() as client:
            client.send(v2(CLIENT, ADDRESS))
            client.socket = certificates.trusting().wrap_socket(
                client.socket, server_hostname="api.test"
            )
            environ = client.get().json()["environ"]
            assert environ["REMOTE_ADDR"] == "203.0.113.7"
            assert environ["wsgi.url_scheme"] == "https"
        with server.connect() as client:  # header and ClientHello in one packet
            tls = certificates.trusting().wrap_bio(incoming, outgoing, server_hostname="api.test")
            with contextlib.suppress(ssl.SSLWantReadError):
                tls.do_handshake()
            client.send(v2(CLIENT, ADDRESS) + outgoing.read())
            while True:
                incoming.write(client.socket.recv(65536))
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    continue


def test_peers_of_unix_sockets_are_named_unix(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    ini = tmp_path / "api-paste.ini"
    ini.write_text("[app:main]\npaste.app_factory = tests.apps.basic:factory\napp = echo\n")
    command = [
        "serve", str(ini), "--bind", f"unix:{path}", "--workers", "1", "--proxy-protocol-from",
        "unix", "--trusted-proxies", "10.0.0.0/8",
    ]  # fmt: skip
    with run(command, address=str(path)) as server:
        server.wait_ready()
        with server.connect() as client:
            client.send(v2(("10.0.0.9", 1), ADDRESS))
            environ = client.get("/", "X-Forwarded-For: 203.0.113.9").json()["environ"]
            assert environ["REMOTE_ADDR"] == "203.0.113.9"


def test_trusted_proxies_say_who_a_request_is_from() -> None:
    fields = [
        "X-Forwarded-For: 198.51.100.66, 203.0.113.7",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: evil.test",
        "X_Forwarded_For: 6.6.6.6",
        "Forwarded: for=6.6.6.6",
    ]
    with (
        serve(ECHO, trusted_proxies="127.0.0.1", workers=1, access_log="-") as server,
        server.connect() as client,
    ):
        environ = client.get("/", *fields).json()["environ"]
        assert environ["REMOTE_ADDR"] == "203.0.113.7"
        assert environ["wsgi.url_scheme"] == "https"
        assert environ["HTTP_HOST"] == "test"
        assert "HTTP_X_FORWARDED_HOST" not in environ
        assert "HTTP_FORWARDED" not in environ
        server.wait_line(r'^203\.0\.113\.7 "GET / HTTP/1\.1" status: 200')
        response = client.get("/", "X-Forwarded-Proto: gopher")
        assert response.status == 400
        client.assert_eof()


def test_nobody_is_believed_by_default_and_the_app_may_see_for_itself() -> None:
    with serve(ECHO, workers=1) as server, server.connect() as client:
        environ = client.get("/", "X-Forwarded-For: 203.0.113.7").json()["environ"]
        assert environ["REMOTE_ADDR"] == "127.0.0.1"
        assert environ["HTTP_X_FORWARDED_FOR"] == "203.0.113.7"


def test_what_untrusted_peers_forward_is_taken_out_where_proxies_are_trusted() -> None:
    with (
        serve(ECHO, trusted_proxies="10.0.0.0/8", workers=1) as server,
        server.connect() as client,
    ):
        environ = client.get("/", "X-Forwarded-For: 203.0.113.7").json()["environ"]
        assert environ["REMOTE_ADDR"] == "127.0.0.1"
        assert "HTTP_X_FORWARDED_FOR" not in environ


def test_a_drain_waits_for_a_header_that_is_on_its_way() -> None:
    with serve(ECHO, proxy_protocol_from="127.0.0.1", workers=1) as server:
        with server.connect() as client, server.connect() as quiet:
            client.send(v1(CLIENT, ADDRESS)[:10])
            quiet.send(b"P")
            assert environ_behind(server, v1(CLIENT, ADDRESS))
            server.signal(signal.SIGTERM)
            server.wait_line("SIGTERM: stopping gracefully")
            client.send(v1(CLIENT, ADDRESS)[10:] + REQUEST)
            assert client.response().status == 200
            client.assert_eof()
            quiet.assert_eof()
        assert server.wait_exit() == 0


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("trusted-proxies", "10.0.0.1/8", "has host bits set; allowed is a network"),
        ("proxy-protocol-from", "localhost", "allowed is a network as 10.0.0.0/8"),
        ("trusted-proxy-headers", "x-real-ip", "allowed are forwarded, x-forwarded-for"),
    ],
)
def test_a_wrong_network_or_header_is_one_line(option: str, value: str, says: str) -> None:
    with run(["serve", "x.ini", f"--{option}", value]) as server:
        assert server.wait_exit() == 2
        assert len(server.lines) == 1
        assert f"--{option} {value}: " in server.log
        assert says in server.log
