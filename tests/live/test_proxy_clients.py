"""What a client behind a proxy may try: to be somebody else, or to keep others out."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.proxy_headers import SIGNATURE, v1, v2
from tests.support.server import Server, run, serve

ECHO = "tests.apps.basic:echo"
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
CLIENT, OTHER, ADDRESS = ("203.0.113.7", 4711), ("203.0.113.8", 4712), ("198.51.100.1", 443)
CLIENT6, ADDRESS6 = ("2001:db8::7", 4711), ("2001:db8::1", 443)


@contextlib.contextmanager
def listening(
    directory: Path, bind: str, address: object, args: Sequence[str] = (), fds: Sequence[int] = ()
) -> Iterator[Server]:
    ini = directory / "api-paste.ini"
    ini.write_text("[app:main]\npaste.app_factory = tests.apps.basic:factory\napp = echo\n")
    command = ["serve", str(ini), "--bind", bind, "--workers", "1", *args]
    with run(command, pass_fds=fds, address=address) as server:
        server.wait_ready()
        yield server


def environ_of(server: Server, first: bytes, *fields: str) -> dict[str, str]:
    with server.connect() as client:
        client.send(first)
        environ: dict[str, str] = client.get("/", *fields).json()["environ"]
    return environ


def unix_header(path: bytes) -> bytes:
    block = path.ljust(108, b"\0") + b"/proxy".ljust(108, b"\0")
    return SIGNATURE + struct.pack("!BBH", 0x21, 0x31, len(block)) + block


@pytest.mark.parametrize("header", [v1(CLIENT6, ADDRESS6), v2(CLIENT6, ADDRESS6)])
def test_the_header_and_the_proxy_may_be_of_ipv6(header: bytes, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET6) as listener:
        listener.bind(("::1", 0))
        listener.listen()
        bind = f"fd://{listener.fileno()}"
        args = ["--proxy-protocol-from", "::1", "--trusted-proxies", "2001:db8::/32"]
        address = listener.getsockname()[:2]
        with listening(tmp_path, bind, address, args, [listener.fileno()]) as server:
            environ = environ_of(server, header)
            assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == ("2001:db8::7", "4711")
            assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("2001:db8::1", "443")
            environ = environ_of(server, header, "X-Forwarded-For: [2001:db9::9]:80")
            assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == ("2001:db9::9", "80")


def test_a_client_of_a_proxy_s_unix_socket_is_neither_trusted_nor_an_address(
    tmp_path: Path,
) -> None:
    path = tmp_path / "api.sock"
    args = ["--proxy-protocol-from", "unix", "--trusted-proxies", "unix,10.0.0.1"]
    with listening(tmp_path, f"unix:{path}", str(path), args) as server:
        for name in (b"", b"10.0.0.1"):
            environ = environ_of(server, unix_header(name), "X-Forwarded-For: 6.6.6.6")
            assert environ["REMOTE_ADDR"] == "unix:" + name.decode()
            assert "HTTP_X_FORWARDED_FOR" not in environ
        environ = environ_of(server, v2(None), "X-Forwarded-For: 203.0.113.9")
        assert environ["REMOTE_ADDR"] == "203.0.113.9", "LOCAL: the proxy itself, a peer of ours"
        environ = environ_of(server, b"PROXY UNKNOWN\r\n", "X-Forwarded-For: 6.6.6.6")
        assert environ["REMOTE_ADDR"] == "", "whoever it is, it is not the proxy"


def test_a_client_that_is_closed_for_its_limit_leaves_its_place_to_others() -> None:
    with (
        serve(
            ECHO, proxy_protocol_from="127.0.0.1", workers=1, max_connections=2,
            max_connections_per_client=1,
        ) as server,
        server.connect() as first,
        server.connect() as second,
        server.connect() as third,
    ):  # fmt: skip
        first.send(v1(CLIENT, ADDRESS) + REQUEST)
        assert first.response().status == 200
        second.send(v1(CLIENT, ADDRESS)[:-1])
        third.send(v1(OTHER, ADDRESS) + REQUEST)
        # What the first may still ask shows that the acceptor has met the bound by now.
        assert first.get().status == 200
        second.send(b"\n" + REQUEST)
        with contextlib.suppress(ConnectionResetError):
            second.assert_eof()
        assert third.response().json()["environ"]["REMOTE_ADDR"] == "203.0.113.8"


def test_a_proxy_that_sends_no_header_does_not_fill_the_log() -> None:
    with serve(ECHO, proxy_protocol_from="127.0.0.1", workers=1) as server:
        for _ in range(100):
            with server.connect() as client:
                client.send(REQUEST)
                with contextlib.suppress(ConnectionResetError):
                    client.assert_eof()
        server.wait_line(r"no PROXY protocol header \(the worker's 100\. such connection\)$")
        assert server.log.count("listed in proxy_protocol_from") == 11


def test_forwarded_is_read_over_all_its_lines_and_cannot_be_left_open() -> None:
    with serve(
        ECHO, trusted_proxies="127.0.0.1", trusted_proxy_headers="forwarded", workers=1
    ) as server:
        environ = environ_of(
            server, b"", "Forwarded: for=6.6.6.6;host=evil.test",
            'Forwarded: for="[2001:db8::7]:4711";proto=https;host=api.test',
            "X-Forwarded-For: 6.6.6.6", "X_Forwarded_For: 6.6.6.6",
        )  # fmt: skip
        assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == ("2001:db8::7", "4711")
        assert (environ["wsgi.url_scheme"], environ["HTTP_HOST"]) == ("https", "api.test")
        assert "HTTP_X_FORWARDED_FOR" not in environ
        for lie in ('for=6.6.6.6;by="', 'for="6.6.6.6\\', "for=6.6.6.6;for=10.0.0.1"):
            with server.connect() as client:
                said = client.get("/", f"Forwarded: {lie}", 'Forwarded: for="[2001:db8::7]"')
                assert said.status == 400
                client.assert_eof()


@pytest.mark.parametrize("name", ["X_Forwarded_For", "X-Forwarded_For", "X_Forwarded-For"])
def test_no_spelling_with_an_underscore_adds_to_what_a_proxy_says(name: str) -> None:
    with serve(ECHO, trusted_proxies="127.0.0.1", workers=1) as server:
        for fields in (
            [f"{name}: 6.6.6.6", "X-Forwarded-For: 203.0.113.7"],
            ["X-Forwarded-For: 203.0.113.7", f"{name}: 6.6.6.6"],
            ["X-Forwarded-For: 6.6.6.6", "x-forwarded-for: 203.0.113.7"],
        ):
            assert environ_of(server, b"", *fields)["REMOTE_ADDR"] == "203.0.113.7"
        environ = environ_of(server, b"", f"{name}: 6.6.6.6")
        assert environ["REMOTE_ADDR"] == "127.0.0.1"
        assert "HTTP_X_FORWARDED_FOR" not in environ
