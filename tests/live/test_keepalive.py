"""Connections: kept, shared out, bounded, and ended in time."""

from __future__ import annotations

import contextlib
import os
import select
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server import Server, serve

ECHO = "tests.apps.basic:echo"
HELLO = "tests.apps.basic:hello"
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def test_many_pipelined_requests_are_answered_in_order() -> None:
    with serve(ECHO, workers=1) as server, server.connect() as client:
        client.send(b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % n for n in range(200)))
        paths = [client.response().json()["environ"]["PATH_INFO"] for _ in range(200)]
        assert paths == [f"/{n}" for n in range(200)]


def test_pipelined_slow_requests_are_answered_in_order() -> None:
    with serve("tests.apps.basic:slow", workers=1) as server, server.connect() as client:
        for seconds in (b"0.1", b"0", b"0.05"):
            client.send(b"GET /?%b HTTP/1.1\r\nHost: x\r\n\r\n" % seconds)
        assert [client.response().status for _ in range(3)] == [200] * 3


def test_a_client_that_ends_its_side_still_gets_its_answer() -> None:
    with serve("tests.apps.basic:slow", workers=1) as server, server.connect() as client:
        client.send(b"GET /?0.1 HTTP/1.1\r\nHost: x\r\n\r\n")
        client.end()
        assert client.response().status == 200
        client.assert_eof()


def test_keepalive_timeout_closes_an_idle_connection_without_a_word() -> None:
    with serve(HELLO, workers=1, keepalive_timeout=0.3) as server, server.connect() as client:
        assert client.get().status == 200
        client.assert_eof()


def test_keepalive_timeout_0_closes_after_each_response() -> None:
    with serve(HELLO, workers=1, keepalive_timeout=0) as server, server.connect() as client:
        assert client.get()["connection"] == "close"
        client.assert_eof()


def test_a_head_that_drips_is_answered_408_header_timeout_after_its_first_byte() -> None:
    with serve(HELLO, workers=1, header_timeout=0.6) as server, server.connect() as client:
        client.socket.settimeout(0.05)
        drips = 0
        try:
            while not client._fill():
                pass
        except TimeoutError:
            pass
        for byte in REQUEST[:-1]:
            client.send(bytes([byte]))
            drips += 1
            try:
                client._fill()
            except TimeoutError:
                continue
            break
        client.socket.settimeout(20)
        assert client.response().status == 408
        assert drips > 2
        client.assert_eof()


def test_a_connection_that_says_nothing_is_closed_without_a_word() -> None:
    with serve(HELLO, workers=1, header_timeout=0.3) as server, server.connect() as client:
        client.assert_eof()


@pytest.mark.parametrize(
    "stopped",
    [
        b"Content-Length: 9\r\n\r\n",
        b"Content-Length: 9\r\n\r\nhalf",
        b"Transfer-Encoding: chunked\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n5",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\r\n",
    ],
)
def test_a_body_that_stops_is_answered_408(stopped: bytes, impatient: Server) -> None:
    with impatient.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\n" + stopped)
        assert client.response().status == 408
        client.assert_eof()


@pytest.fixture(scope="module")
def impatient() -> Iterator[Server]:
    with serve(ECHO, workers=1, body_timeout=0.3) as server:
        yield server


def test_a_body_below_min_body_rate_is_answered_408() -> None:
    with (
        serve(ECHO, workers=1, body_timeout=0.5, min_body_rate=1000) as server,
        server.connect() as client,
    ):
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n")
        client.socket.settimeout(0.1)
        for _ in range(100):
            client.send(b"x")
            try:
                client._fill()
            except TimeoutError:
                continue
            break
        client.socket.settimeout(20)
        assert client.response().status == 408


def test_a_client_that_takes_nothing_is_dropped_after_write_timeout() -> None:
    app = "tests.apps.streams:endless"
    with (
        serve(app, workers=1, write_timeout=0.3) as server,
        server.connect(receive_buffer=4096) as client,
    ):
        client.send(REQUEST)
        server.wait_line(r'"GET / HTTP/1\.1" status: 200')


def test_a_request_beyond_request_timeout_gets_503_and_the_worker_lives_on() -> None:
    with serve("tests.apps.basic:slow", workers=1, request_timeout=0.3) as server:
        with server.connect() as client:
            assert client.get("/?30").status == 503
        with server.connect() as client:
            assert client.get("/?0").status == 200
        server.wait_line(r"GET /\?30 HTTP/1\.1 ran longer than request_timeout \(0\.3 s\)")


def test_a_connection_over_max_connections_is_served_when_another_ends() -> None:
    with (
        serve(HELLO, workers=1, max_connections=1) as server,
        server.connect() as first,
        server.connect() as second,
    ):
        assert first.get().status == 200
        second.send(REQUEST)
        first.end()
        first.assert_eof()
        assert second.response().status == 200


def test_a_connection_over_max_connections_per_client_is_closed() -> None:
    with serve(HELLO, workers=1, max_connections_per_client=1) as server, server.connect() as first:
        assert first.get().status == 200
        with server.connect() as second, pytest.raises((AssertionError, ConnectionResetError)):
            second.get()
        assert first.get().status == 200


def test_more_requests_than_pool_slots_are_served_in_turn() -> None:
    with serve("tests.apps.basic:slow", workers=1, pool_size=2) as server:
        clients = [server.connect() for _ in range(8)]
        for client in clients:
            client.send(b"GET /?0.05 HTTP/1.1\r\nHost: x\r\n\r\n")
        for client in clients:
            with client:
                assert client.response().status == 200


def test_a_client_that_sends_while_it_is_sent_to_costs_the_worker_nothing() -> None:
    """Bytes that nobody wants yet must not wake a writer over and over."""
    app = "tests.apps.streams:endless"
    with serve(app, workers=1) as server, server.connect(receive_buffer=4096) as client:
        (pid,) = server.wait_ready()
        client.send(REQUEST)
        assert client.socket.recv(1000)
        client.send(b"x" * 10)
        with server.connect() as other:
            other.send(REQUEST)
            assert other.socket.recv(1000)  # the hub has seen the bytes by now
        before = cpu_seconds(pid)
        watch = select.poll()
        watch.register(client.socket, 0)  # for an end of the connection, which must not come
        assert watch.poll(500) == []
        assert cpu_seconds(pid) - before < 0.25


def cpu_seconds(pid: int) -> float:
    """Returns what the process has used (proc(5), utime and stime)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_two_workers_share_connections_that_are_made_one_after_another() -> None:
    with serve("tests.apps.basic:pid", workers=2) as server, contextlib.ExitStack() as stack:
        wait_until_both_have_ticked(server)
        clients = [stack.enter_context(server.connect()) for _ in range(64)]
        shares = Counter(client.get().body for client in clients)
        assert min(shares.values()) >= 64 * 0.4, shares


def test_two_workers_share_connections_that_come_as_soon_as_they_are_ready() -> None:
    with serve("tests.apps.basic:pid", workers=2) as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(64)]
        for client in clients:
            client.send(REQUEST)
        shares = Counter(client.response().body for client in clients)
        assert min(shares.values()) >= 64 * 0.4, shares
        assert len(shares) == 2, shares


def wait_until_both_have_ticked(server: Server) -> None:
    """Waits until each of two workers has written its access log: by then they know of each other."""
    pids: set[bytes] = set()
    asked = 0
    with contextlib.ExitStack() as stack:
        while len(pids) < 2:
            pids.add(stack.enter_context(server.connect()).get(f"/tick{asked}").body)
            asked += 1
    for number in range(asked):
        server.wait_line(f"GET /tick{number} ")
