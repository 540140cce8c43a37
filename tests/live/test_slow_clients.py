"""Clients that ask for much and take it slowly or not at all: their own responses wait, nobody else's."""

from __future__ import annotations

import contextlib
import signal

import pytest

from tests.support.http import Client
from tests.support.server import Server, serve

WHOLE = "tests.apps.streams:whole"
SIZE = 60_000
MANY = 150
"""Responses of SIZE: more than the kernel's buffers take."""


def ask_for_many(server: Server) -> Client:
    client = server.connect(receive_buffer=4096)
    client.send(b"GET /?%d HTTP/1.1\r\nHost: x\r\n\r\n" % SIZE * MANY)
    with server.connect() as other:
        for _ in range(MANY):  # the hub has met the limits of the first by now
            assert other.get("/?1").body == b"x"
    return client


def read_all(client: Client) -> int:
    """Returns how many whole responses come before the connection ends."""
    for count in range(MANY):
        try:
            assert len(client.response().body) == SIZE
        except (AssertionError, ConnectionResetError):
            return count
    return MANY


def test_pipelined_responses_wait_for_a_slow_client_and_come_whole_and_in_order() -> None:
    with serve(WHOLE, workers=1) as server, ask_for_many(server) as client:
        for _ in range(MANY):
            assert len(client.response().body) == SIZE
        assert client.get("/?2").body == b"xx"


def test_a_client_that_takes_none_of_its_responses_is_dropped_after_write_timeout() -> None:
    with serve(WHOLE, workers=1, write_timeout=0.5) as server, ask_for_many(server) as client:
        with server.connect() as other:
            other.send(b"GET /?%d HTTP/1.0\r\n\r\n" % SIZE)
            other.raw_until_eof()
        client.socket.settimeout(20)
        # It is not read from until the server has given up, which the log of its drain shows.
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0
        assert read_all(client) < MANY


def test_a_graceful_stop_waits_for_a_slow_client_to_take_what_was_answered() -> None:
    with serve(WHOLE, workers=1) as server, ask_for_many(server) as client:
        server.signal(signal.SIGTERM)
        server.wait_line("SIGTERM: stopping gracefully")
        assert read_all(client) > 0
        assert client._buffer == b"", "a response was cut"
        assert server.wait_exit() == 0


def test_long_responses_to_slow_clients_keep_no_place_in_the_pool() -> None:
    size = 8_000_000
    with (
        serve(WHOLE, workers=1, pool_size=2) as server,
        contextlib.ExitStack() as slow,
        server.connect() as other,
    ):
        clients = [slow.enter_context(server.connect(receive_buffer=4096)) for _ in range(6)]
        for client in clients:
            client.send(
                b"GET /?%d HTTP/1.1\r\nHost: x\r\n\r\nGET /?3 HTTP/1.1\r\nHost: x\r\n\r\n" % size
            )
            assert other.get("/?1").body == b"x"
        for client in clients:
            assert client.response().body == b"x" * size
            assert client.response().body == b"xxx"
            assert client.get("/?2").body == b"xx"


def test_a_client_that_takes_nothing_of_a_long_response_is_dropped_after_write_timeout() -> None:
    with (
        serve(WHOLE, workers=1, write_timeout=0.5) as server,
        server.connect(receive_buffer=4096) as client,
    ):
        client.send(b"GET /?8000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0
        with pytest.raises((AssertionError, ConnectionResetError)):
            client.response()


def test_slow_bodies_and_slow_readers_keep_no_place_in_the_pool() -> None:
    """The app runs and waits for its client; as many as the pool has places, and more."""
    head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhe"
    with (
        serve("tests.apps.basic:echo", workers=1, pool_size=2) as server,
        contextlib.ExitStack() as slow,
        server.connect() as other,
    ):
        clients = [slow.enter_context(server.connect()) for _ in range(6)]
        for client in clients:
            client.send(head)
            assert other.get().status == 200
        for client in clients:
            client.send(b"llo")
            assert client.response().json()["body"] == "hello"
    with (
        serve("tests.apps.streams:zeros", workers=1, pool_size=2) as server,
        contextlib.ExitStack() as slow,
        server.connect() as other,
    ):
        clients = [slow.enter_context(server.connect(receive_buffer=4096)) for _ in range(6)]
        for client in clients:
            client.send(b"GET /?8 HTTP/1.1\r\nHost: x\r\n\r\n")
            assert other.get("/?0").status == 200
        for client in clients:
            assert client.response().body == bytes(8 * 1024 * 1024)
        assert other.get("/?0").status == 200
