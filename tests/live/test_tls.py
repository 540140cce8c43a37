"""TLS as a client sees it: certificates and their renewal, names, client certificates, stalls, ends."""

from __future__ import annotations

import contextlib
import re
import select
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import Certificates, split
from tests.support.http import DEADLINE, Client
from tests.support.server import Server, run, serve

NAME = "api.test"


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


@contextlib.contextmanager
def encrypted(
    server: Server, context: ssl.SSLContext, name: str = NAME, session: object = None
) -> Iterator[Client]:
    with server.connect() as client:
        client.socket = context.wrap_socket(
            client.socket,
            server_hostname=name,
            session=session,  # type: ignore[arg-type]
        )
        yield client


def tls_of(client: Client) -> ssl.SSLSocket:
    assert isinstance(client.socket, ssl.SSLSocket)
    return client.socket


def serial_seen(server: Server, context: ssl.SSLContext, name: str = NAME) -> str:
    with encrypted(server, context, name) as client:
        assert client.get().status == 200
        peer = tls_of(client).getpeercert()
        assert peer is not None
        return str(peer["serialNumber"])


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_connection_is_encrypted_and_kept(
    certificates: Certificates, version: ssl.TLSVersion
) -> None:
    own = certificates.issue(NAME)
    context = certificates.trusting()
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        serve("tests.apps.basic:echo", tls_certificate=own, workers=1) as server,
        encrypted(server, context) as client,
    ):
        assert tls_of(client).selected_alpn_protocol() == "http/1.1"
        for _ in range(3):
            environ = client.get().json()["environ"]
            assert environ["wsgi.url_scheme"] == "https"
            assert environ["HTTPS"] == "on"
            assert environ["SSL_PROTOCOL"] == tls_of(client).version()
            assert environ["SSL_CIPHER"]
            assert environ["SSL_CLIENT_VERIFY"] == "NONE"


def test_an_old_version_is_refused(certificates: Certificates) -> None:
    context = certificates.trusting()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    own = certificates.issue(NAME)
    with serve(
        "tests.apps.basic:hello", tls_certificate=own, tls_min_version="1.3", workers=1
    ) as server:
        with pytest.raises(ssl.SSLError, match=r"(?i)version"), encrypted(server, context):
            pass
        assert serial_seen(server, certificates.trusting())


def test_a_client_gets_the_certificate_of_the_name_it_asks_for(certificates: Certificates) -> None:
    first = certificates.issue(NAME)
    exact = certificates.issue("other.test")
    chain, key = split(certificates.issue("*.wild.test"))
    args = ["--tls-certificate", str(exact), "--tls-certificate", f"{chain}:{key}"]
    context = certificates.trusting()
    with serve("tests.apps.basic:hello", tls_certificate=first, args=args, workers=1) as server:
        seen = {name: serial_seen(server, context, name) for name in (NAME, "Other.test")}
        seen["any"] = serial_seen(server, context, "any.wild.test")
        assert len(set(seen.values())) == 3
        context.check_hostname = False
        for name in ("unknown.test", "two.labels.wild.test", "wild.test"):
            assert serial_seen(server, context, name) == seen[NAME]


def test_a_client_certificate_is_required_and_named(certificates: Certificates) -> None:
    own = certificates.issue(NAME)
    theirs = certificates.issue("client.test", common_name='Smith, "Jo"')
    strangers = Certificates(certificates.ca.parent / "strangers")
    with serve(
        "tests.apps.basic:echo", tls_certificate=own, tls_client_ca=certificates.ca, workers=1
    ) as server:
        with encrypted(server, certificates.trusting(theirs)) as client:
            environ = client.get("/", "SSL-Client-S-DN: CN=forged").json()["environ"]
        assert environ["SSL_CLIENT_VERIFY"] == "SUCCESS"
        assert 'CN=Smith\\, \\"Jo\\"' in environ["SSL_CLIENT_S_DN"]
        assert environ["SSL_CLIENT_S_DN_CN"] == 'Smith\\, \\"Jo\\"'
        assert "O=trustme" in environ["SSL_CLIENT_I_DN"]
        for own_of_client in (None, strangers.issue("client.test")):
            with (
                pytest.raises((ssl.SSLError, ConnectionError, AssertionError)),
                encrypted(server, certificates.trusting(own_of_client)) as client,
            ):
                client.get()


def test_a_client_certificate_may_be_optional(certificates: Certificates) -> None:
    own = certificates.issue(NAME)
    theirs = certificates.issue("client.test")
    with serve(
        "tests.apps.basic:echo",
        tls_certificate=own,
        tls_client_ca=certificates.ca,
        tls_client_verify="optional",
        workers=1,
    ) as server:
        for certificate, verify in ((None, "NONE"), (theirs, "SUCCESS")):
            with encrypted(server, certificates.trusting(certificate)) as client:
                assert client.get().json()["environ"]["SSL_CLIENT_VERIFY"] == verify


def test_long_bodies_pass_both_ways(certificates: Certificates) -> None:
    own = certificates.issue(NAME)
    body = bytes(range(256)) * 4 * 4096
    with serve("tests.apps.basic:echo", tls_certificate=own, workers=1) as server:
        for _ in range(2):
            with encrypted(server, certificates.trusting()) as client:
                head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
                client.send(head.encode(), body)
                assert client.response().json()["body"] == body.decode("latin-1")
                assert client.get().status == 200


def test_a_client_that_reads_late_gets_all_of_it(certificates: Certificates) -> None:
    own = certificates.issue(NAME)
    with (
        serve("tests.apps.streams:whole", tls_certificate=own, workers=1) as server,
        server.connect(receive_buffer=4096) as client,
    ):
        client.socket = certificates.trusting().wrap_socket(client.socket, server_hostname=NAME)
        request = b"GET /?%d HTTP/1.1\r\nHost: x\r\n\r\n"
        sizes = [1, 5_000_000, 60_000, 70_000, 300_000, 17]
        client.send(b"".join(request % size for size in sizes))
        for size in sizes:
            assert client.response().body == b"x" * size


def test_a_file_is_sent_encrypted(certificates: Certificates) -> None:
    own = certificates.issue(NAME)
    with (
        serve("tests.apps.files:files", tls_certificate=own, workers=1) as server,
        encrypted(server, certificates.trusting()) as client,
    ):
        for _ in range(2):
            body = client.get().body
            assert body == b"".join(bytes([number]) * 1024 * 1024 for number in range(3))


def test_a_body_that_breaks_off_has_no_proper_end(certificates: Certificates) -> None:
    own = certificates.issue(NAME)
    context = certificates.trusting()
    with serve("tests.apps.files:files", tls_certificate=own, workers=1) as server:
        server.may_log_traceback = True
        with server.connect() as client:
            client.socket = context.wrap_socket(
                client.socket, server_hostname=NAME, suppress_ragged_eofs=False
            )
            client.send(b"GET /broken HTTP/1.0\r\n\r\n")
            with pytest.raises((ssl.SSLEOFError, ConnectionResetError)):
                client.raw_until_eof()
    with (
        serve("tests.apps.basic:hello", tls_certificate=own, workers=1) as server,
        server.connect() as client,
    ):
        # Told by close_notify: a cut would raise SSLEOFError here.
        client.socket = context.wrap_socket(
            client.socket, server_hostname=NAME, suppress_ragged_eofs=False
        )
        assert client.get("/", "Connection: close").status == 200
        client.assert_eof()


def test_a_handshake_may_come_byte_by_byte(certificates: Certificates) -> None:
    own = certificates.issue(NAME)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = certificates.trusting().wrap_bio(incoming, outgoing, server_hostname=NAME)
    with (
        serve("tests.apps.basic:hello", tls_certificate=own, workers=1) as server,
        server.connect() as client,
    ):
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                client.send(*(bytes([byte]) for byte in outgoing.read()))
                incoming.write(client.socket.recv(65536))
        tls.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        client.send(*(bytes([byte]) for byte in outgoing.read()))
        incoming.write(client.raw_until_eof())
        assert tls.read().startswith(b"HTTP/1.1 200 OK\r\n")


def test_handshakes_that_stall_hold_nobody_up_and_are_ended(certificates: Certificates) -> None:
    own = certificates.issue(NAME)
    context = certificates.trusting()
    outgoing = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=NAME).do_handshake()
    hello = outgoing.read()
    with (
        serve("tests.apps.basic:hello", tls_certificate=own, header_timeout=1, workers=1) as server,
        contextlib.ExitStack() as stalled,
    ):
        clients = [stalled.enter_context(server.connect()) for _ in range(60)]
        for number, client in enumerate(clients):
            client.send(hello[: number * 9])  # some nothing, some a piece, some all of it
        assert serial_seen(server, context)
        for client in clients:
            client.raw_until_eof()
        assert serial_seen(server, context)


def test_plain_http_on_a_tls_port_is_told_so(certificates: Certificates) -> None:
    own = certificates.issue(NAME)
    with serve("tests.apps.basic:hello", tls_certificate=own, workers=1) as server:
        with server.connect() as client:
            response = client.get()
            assert (response.status, response.body) == (400, b"this port speaks TLS\n")
            client.assert_eof()
        for garbage in (b"\x00" * 100, b"\x16\x03\x01\xff\xff" + b"x" * 100, b"SSH-2.0-x\r\n"):
            with server.connect() as client:
                client.send(garbage)
                client.end()
                with contextlib.suppress(ConnectionResetError):
                    client.raw_until_eof()
        assert serial_seen(server, certificates.trusting())


def test_a_renewed_certificate_is_taken_up_and_connections_stay(
    certificates: Certificates,
) -> None:
    own = certificates.issue(NAME)
    chain, key = split(own)
    context = certificates.trusting()
    with serve("tests.apps.basic:hello", tls_certificate=f"{chain}:{key}", workers=2) as server:
        before = serial_seen(server, context)
        with encrypted(server, context) as kept:
            assert kept.get().status == 200
            # Half of it first, as a careless tool writes it: refused, in one line.
            certificates.issue(NAME)
            renewed = own.read_text()
            begin = renewed.index("-----BEGIN CERTIFICATE-----")
            seen = len(server.lines)
            chain.write_text(renewed[begin:])
            server.wait_line("key is not the certificate's; the certificates stay", after=seen)
            assert serial_seen(server, context) == before
            key.write_text(renewed[:begin])
            server.wait_line("certificates renewed in 2 workers", after=seen)
            wait_until_serial_is_not(server, context, before)
            assert kept.get().status == 200
            after = serial_seen(server, context)
            certificates.issue(NAME)
            chain_again, key_again = split(own)
            assert (chain_again, key_again) == (chain, key)
            server.signal(signal.SIGHUP)
            server.wait_line("generation 2", after=seen)
            wait_until_serial_is_not(server, context, after)


def test_a_renewed_certificate_that_is_wrong_is_told_with_its_place(
    certificates: Certificates, tmp_path: Path
) -> None:
    own = certificates.issue(NAME)
    conf = tmp_path / "wsgisrv.conf"
    conf.write_text(f"[wsgisrv]\ntls_certificate = {own}\n")
    with serve("tests.apps.basic:hello", config_file=conf, workers=1) as server:
        own.write_text("nothing")
        where = re.escape(f"{conf}: [wsgisrv] tls_certificate = {own}: ")
        server.wait_line(rf"ERROR wsgisrv\.tls: {where}.*; the certificates stay as they were$")


def wait_until_serial_is_not(server: Server, context: ssl.SSLContext, serial: str) -> None:
    """The message to the workers is on its way: each soon takes it up, but not at once."""
    until = time.monotonic() + DEADLINE
    other = 0
    while other < 20:  # either worker may be the one that answers
        other = other + 1 if serial_seen(server, context) != serial else 0
        assert time.monotonic() < until


def test_sessions_are_resumed_by_any_worker(certificates: Certificates) -> None:
    own = certificates.issue(NAME)
    context = certificates.trusting()
    with serve("tests.apps.basic:pid", tls_certificate=own, workers=2) as server:
        pids: set[bytes] = set()
        with encrypted(server, context) as client:
            first = client.get().body
            session = tls_of(client).session
        until = time.monotonic() + DEADLINE
        while not pids - {first}:
            with encrypted(server, context, session=session) as client:
                pids.add(client.get().body)
                assert tls_of(client).session_reused
            assert time.monotonic() < until, "the other worker never answered"


def test_a_drained_worker_tells_idle_clients(certificates: Certificates) -> None:
    own = certificates.issue(NAME)
    with (
        serve("tests.apps.basic:hello", tls_certificate=own, workers=1) as server,
        server.connect() as client,
    ):
        client.socket = certificates.trusting().wrap_socket(
            client.socket, server_hostname=NAME, suppress_ragged_eofs=False
        )
        assert client.get().status == 200
        server.signal(signal.SIGTERM)
        client.assert_eof()
        assert server.wait_exit() == 0


def test_a_unix_socket_stays_plain(certificates: Certificates, tmp_path: Path) -> None:
    own = certificates.issue(NAME)
    path = tmp_path / "api.sock"
    ini = tmp_path / "api-paste.ini"
    ini.write_text("[app:main]\npaste.app_factory = tests.apps.basic:factory\napp = echo\n")
    command = [
        "serve", str(ini), "--bind", f"unix:{path}", "--bind", "127.0.0.1:0", "--workers", "1",
        "--tls-certificate", str(own),
    ]  # fmt: skip
    with run(command, address=str(path)) as server:
        server.wait_ready()
        server.wait_line(r"ready: unix:\S+, https://127\.0\.0\.1:\d+,")
        with server.connect() as client:
            assert client.get().json()["environ"]["wsgi.url_scheme"] == "http"


ENCRYPTED_KEY = """\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgSKPeexXNoIQICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEA5oP/Fn8O/7fk9YiepQLjgEgZDV
e23iKW0/s101hTLOzUqAQol1VeccfIo20nG4eW4cE6V0b57+yQC08TbotxcKt40D
gH7YZl09O632Sz6E+1i0MyUWFRTY9I/pqgBqnxkBNyMbt0CNjgE2mcH5WdmWBr1Y
WcmyRPYmO++jnK2jxnZB8IHgbxHHGEPH4w6azpZ+0HjUko5OGZH2FArqJe9qVv4=
-----END ENCRYPTED PRIVATE KEY-----
"""

BAD = {
    "missing": ("{dir}/none.pem", "none.pem: No such file"),
    "not PEM": ("{dir}/garbage", "no PEM certificate with its private key"),
    "another key": ("{dir}/api.crt:{dir}/other.key", "the key is not the certificate's"),
    "no key": ("{dir}/api.crt", "no PEM certificate with its private key"),
    "encrypted key": ("{dir}/api.crt:{dir}/encrypted.key", "the key is encrypted"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_wrong_certificate_is_one_line(
    certificates: Certificates, tmp_path: Path, what: str
) -> None:
    split(certificates.issue(NAME, file="api.pem"))
    split(certificates.issue("other.test", file="other.pem"))
    (tmp_path / "garbage").write_text("no certificate\n")
    (tmp_path / "encrypted.key").write_text(ENCRYPTED_KEY)
    option, says = BAD[what]
    certificate = option.format(dir=tmp_path)
    refused(certificates, f"[wsgisrv] tls_certificate = {certificate}", says, certificate)


def test_a_wrong_ca_or_cipher_is_one_line(certificates: Certificates, tmp_path: Path) -> None:
    own = str(certificates.issue(NAME))
    garbage = tmp_path / "garbage"
    garbage.write_text("x")
    refused(certificates, "tls_ciphers = NONE", "knows none", own, "--tls-ciphers", "NONE")
    refused(certificates, "tls_client_ca", "no PEM", own, "--tls-client-ca", str(garbage))
    refused(certificates, "tls_client_ca", "needs a tls_certificate", "", "--tls-client-ca", own)


def refused(
    certificates: Certificates, where: str, says: str, certificate: str, *args: str
) -> None:
    ini = certificates.ca.with_name("api-paste.ini")
    ini.write_text("[app:main]\npaste.app_factory = tests.apps.basic:factory\napp = hello\n")
    command = ["serve", str(ini), "--bind", "127.0.0.1:0", *args]
    if certificate:
        command += ["--tls-certificate", certificate]
    with run(command) as server:
        assert server.wait_exit() == 78
        assert len(server.lines) == 1
        assert where in server.log
        assert says in server.log


def test_a_certificate_that_clients_will_not_like_is_named_in_the_log(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    own = certificates.issue("someone@api.test")
    with serve("tests.apps.basic:hello", tls_certificate=own, workers=1) as server:
        server.wait_line(r"tls_certificate = \S+: clients will refuse it: it names no host")


def test_many_small_records_are_read_in_order(certificates: Certificates) -> None:
    own = certificates.issue(NAME)
    with (
        serve("tests.apps.basic:echo", tls_certificate=own, workers=1) as server,
        encrypted(server, certificates.trusting()) as client,
    ):
        client.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
        body = b"0123456789" * 200
        client.send(f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode())
        for byte in body:
            client.send(bytes([byte]))
        assert client.response().json()["body"] == body.decode()
        assert not select.select([client.socket], [], [], 0)[0]
