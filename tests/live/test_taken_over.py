"""Connections that an app takes over."""

from __future__ import annotations

import contextlib
import hashlib
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import Certificates
from tests.support.http import Client
from tests.support.server import Server, serve

ASKS = "Connection: Upgrade\r\nUpgrade: lines\r\n"
MIB = 1024 * 1024


def request(fields: str = ASKS, line: str = "GET / HTTP/1.1") -> bytes:
    return f"{line}\r\nHost: test\r\n{fields}\r\n".encode("latin-1")


@contextlib.contextmanager
def upgraded(
    server: Server, target: str = "/", behind: bytes = b"", *, receive_buffer: int = 0
) -> Iterator[Client]:
    """A client whose connection was taken over."""
    with server.connect(receive_buffer=receive_buffer) as client:
        client.send(request(line=f"GET {target} HTTP/1.1") + behind)
        assert client.response().status == 101
        yield client


@pytest.mark.parametrize("hub", ["epolls", "poll", "selects", "asyncio"])
def test_an_app_takes_its_connection_over(hub: str) -> None:
    with serve("tests.apps.taken_over:echo", workers=1, hub=hub) as server:
        with server.connect() as client:
            client.send(request() + b"came behind the head, ")
            response = client.response()
            assert (response.status, response.reason) == (101, "Switching Protocols")
            assert response.fields == (
                ("upgrade", "lines"),
                ("connection", "Upgrade"),
                ("x-lines", "yes"),
            )
            assert client.take(22) == b"came behind the head, "
            for piece in (b"GET / HTTP/1.1\r\n\r\n", b"\x00\xff"):
                client.send(piece)
                assert client.take(len(piece)) == piece
            client.end()
            client.assert_eof()
        server.wait_line(r'"GET / HTTP/1.1" status: 101  len: 42 ')


@pytest.mark.parametrize(
    ("fields", "line", "is_offered"),
    [
        (ASKS, "GET / HTTP/1.1", True),
        (ASKS, "POST / HTTP/1.1", True),
        ("Connection: keep-alive, UPGRADE\r\nUpgrade: a, lines/2\r\n", "GET / HTTP/1.1", True),
        ("Connection: close\r\nConnection: upgrade\r\nUpgrade: lines\r\n", "GET / HTTP/1.1", True),
        (ASKS + "Content-Length: 0\r\n", "POST / HTTP/1.1", True),
        (ASKS, "GET / HTTP/1.0", False),
        ("Upgrade: lines\r\n", "GET / HTTP/1.1", False),
        ("Connection: upgrade\r\n", "GET / HTTP/1.1", False),
        ("Connection: upgraded\r\nUpgrade: lines\r\n", "GET / HTTP/1.1", False),
        ("Connection: upgrade\r\nUpgrade:\r\n", "GET / HTTP/1.1", False),
        ("Connection: upgrade\r\nUpgrade: lines/\r\n", "GET / HTTP/1.1", False),
        ("Connection: upgrade\r\nUpgrade: li nes\r\n", "GET / HTTP/1.1", False),
        ("Connection: upgrade\r\nUpgrade: lines, \r\n", "GET / HTTP/1.1", False),
    ],
)
def test_it_is_offered_to_requests_that_ask_rightly(
    server_of_offers: Server, fields: str, line: str, is_offered: bool
) -> None:
    with server_of_offers.connect() as client:
        client.send(request(fields, line))
        assert client.response().body == str(is_offered).encode()


@pytest.mark.parametrize(
    "framing", ["Content-Length: 1\r\n\r\nx", "Transfer-Encoding: chunked\r\n\r\n0\r\n"]
)
def test_it_is_not_offered_to_a_request_with_a_body(server_of_offers: Server, framing: str) -> None:
    with server_of_offers.connect() as client:
        client.send(request(ASKS + framing, "POST / HTTP/1.1"))
        assert client.response().body == b"False"


@pytest.fixture(scope="module")
def server_of_offers() -> Iterator[Server]:
    with serve("tests.apps.taken_over:offered", workers=1) as server:
        yield server


def test_an_app_that_does_not_care_answers_and_the_connection_is_kept(
    server_of_offers: Server,
) -> None:
    with server_of_offers.connect() as client:
        for _ in range(3):
            client.send(request())
            response = client.response()
            assert (response.status, response.body) == (200, b"True")
            assert "upgrade" not in response
            assert client.get().body == b"False"


def test_a_pipelined_request_is_answered_before_the_takeover() -> None:
    with serve("tests.apps.taken_over:echo", workers=1) as server, server.connect() as client:
        client.send(request("") + request() + b"hello")
        assert client.response().body == b"False"
        assert client.response().status == 101
        assert client.take(5) == b"hello"


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/unasked", "the client did not ask for the protocol 'other'"),
        ("/hop", "hop-by-hop"),
        ("/split", "forbidden character"),
        ("/length", "Content-Length in a 101 response"),
        ("/late", r"an upgrade after start_response\(\)"),
    ],
)
def test_a_wrong_takeover_is_a_500_and_says_why(path: str, reason: str) -> None:
    with serve("tests.apps.taken_over:wrong", workers=1) as server, server.connect() as client:
        client.send(request(line=f"GET {path} HTTP/1.1"))
        assert client.response().status == 500
        client.assert_eof()
        server.wait_line(rf"ERROR wsgisrv\.app: \[req-\S+\] GET {path} HTTP/1.1: .*{reason}")


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("/twice", "a second upgrade"),
        ("/start", r"start_response\(\) was called after an upgrade"),
        ("/body", "a body was written or returned after an upgrade"),
        ("/fails", "failed"),
    ],
)
def test_what_goes_wrong_after_the_takeover_ends_the_connection_behind_what_was_sent(
    path: str, reason: str
) -> None:
    with serve("tests.apps.taken_over:wrong", workers=1) as server:
        with upgraded(server, path) as client:
            assert client.raw_until_eof() == b"taken\n"
        server.wait_line(rf"ERROR wsgisrv\.app: \[req-\S+\] GET {path} HTTP/1.1:? {reason}")
        server.may_log_traceback = path == "/fails"


def test_an_app_may_return_an_empty_piece_after_the_takeover() -> None:
    with serve("tests.apps.taken_over:wrong", workers=1) as server:
        with upgraded(server, "/fine") as client:
            assert client.raw_until_eof() == b"taken\n"
        server.wait_line("status: 101  len: 6 ")
        assert "ERROR" not in server.log


def test_recv_returns_no_more_than_it_was_asked_for() -> None:
    with (
        serve("tests.apps.taken_over:small", workers=1) as server,
        upgraded(server, behind=b"1234567") as client,
    ):
        assert client.take(13) == b"[123][456][7]"


def test_a_receive_times_out_and_the_connection_goes_on_past_request_timeout() -> None:
    with serve("tests.apps.taken_over:patient", workers=1, request_timeout=0.5) as server:
        with upgraded(server) as client:
            assert client.take(15) == b"timeout at once"
            client.send(b"and on")
            assert client.take(6) == b"and on"
            client.assert_eof()
        server.wait_line("status: 101  len: 21 ")


def test_a_greenlet_that_dies_of_its_timeout_takes_nobody_s_deadline_with_it() -> None:
    with (
        serve("tests.apps.taken_over:orphaned", workers=1) as server,
        contextlib.ExitStack() as stack,
    ):
        clients = [stack.enter_context(upgraded(server)) for _ in range(10)]
        for client in clients:
            assert client.take(4) == b"late"
        for client in clients:
            client.send(b"more")
            assert client.take(4) == b"more"
        server.may_log_traceback = True  # eventlet's own, of the greenlets


def test_connections_that_wait_for_their_client_hold_no_place_in_the_pool() -> None:
    with (
        serve("tests.apps.taken_over:echo", workers=1, pool_size=1) as server,
        upgraded(server) as first,
        upgraded(server) as second,
        server.connect() as client,
    ):
        assert client.get().body == b"False"
        for each in (first, second):
            each.send(b"still there")
            assert each.take(11) == b"still there"


def test_a_drain_wakes_who_waits_and_the_worker_ends_with_the_last() -> None:
    with (
        serve("tests.apps.taken_over:echo", workers=2) as server,
        upgraded(server) as first,
        upgraded(server) as second,
    ):
        server.signal(signal.SIGTERM)
        for client in (first, second):
            assert client.raw_until_eof() == b"bye"
        assert server.wait_exit() == 0


def test_a_connection_that_does_not_care_is_cut_at_graceful_timeout() -> None:
    with (
        serve("tests.apps.taken_over:stubborn", workers=1, graceful_timeout=1) as server,
        upgraded(server) as client,
    ):
        server.signal(signal.SIGTERM)
        assert client.take(2) == b"no"
        client.send(b"still served")
        assert client.take(12) == b"still served"
        with contextlib.suppress(ConnectionResetError):
            client.assert_eof()
        server.wait_exit()


def test_a_worker_that_drains_waits_for_an_app_whose_connection_has_closed() -> None:
    with serve("tests.apps.taken_over:slow_end", workers=1) as server:
        with upgraded(server) as client:
            client.end()
            client.assert_eof()
        server.wait_line("^cleaning up")
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0
        assert "cleaned up" in server.lines


def test_closing_wakes_who_receives_and_nothing_can_be_sent_afterwards() -> None:
    with serve("tests.apps.taken_over:closes", workers=1) as server, upgraded(server) as client:
        assert client.raw_until_eof() == b"last words"
        server.wait_line("^received: b''")
        server.wait_line("^sent too late: the connection is closed")
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0


@pytest.mark.parametrize("is_encrypted", [False, True], ids=["plain", "tls"])
def test_both_sides_send_at_once_though_neither_receives(
    tmp_path: Path, is_encrypted: bool
) -> None:
    certificates = Certificates(tmp_path)
    args = ["--tls-certificate", str(certificates.issue("api.test"))] if is_encrypted else []
    sent = bytes(range(256)) * (8 * MIB // 256)
    with (
        serve("tests.apps.taken_over:both_ways", workers=1, args=args) as server,
        server.connect(receive_buffer=65536) as client,
    ):
        if is_encrypted:
            client.socket = certificates.trusting().wrap_socket(
                client.socket, server_hostname="api.test"
            )
        client.send(request(line=f"GET /?{len(sent)} HTTP/1.1"))
        assert client.response().status == 101
        client.send(sent)  # more than any buffer on the way holds
        assert client.take(len(sent)) == b"x" * len(sent)
        assert client.take(64).decode() == hashlib.sha256(sent).hexdigest()
        client.assert_eof()


def test_a_client_that_takes_nothing_is_cut_at_write_timeout() -> None:
    with (
        serve("tests.apps.taken_over:flood", workers=1, write_timeout=0.5) as server,
        upgraded(server, receive_buffer=4096),
    ):
        server.wait_line("^flood ended: the client is gone")
        server.wait_line("^received then: b''")


def test_a_client_that_is_gone_ends_the_sending() -> None:
    with serve("tests.apps.taken_over:flood", workers=1) as server:
        with upgraded(server, receive_buffer=4096) as client:
            client.take(65536)
        server.wait_line("^flood ended: the c")


def test_what_does_not_want_to_wait_is_told_that_the_client_is_slow() -> None:
    with (
        serve("tests.apps.taken_over:soon", workers=1) as server,
        upgraded(server, receive_buffer=4096) as client,
    ):
        unsent = int(server.wait_line(r"^unsent: (\d+)")[1])
        assert 262144 < unsent <= 262144 + 65536
        zeros, _, count = client.raw_until_eof().partition(b".")
        assert zeros == bytes(int(count))


def test_an_upgraded_connection_of_a_client_that_resets_it_ends() -> None:
    with serve("tests.apps.taken_over:echo", workers=1) as server:
        with upgraded(server) as client:
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        server.wait_line("status: 101  len: 0 ")
