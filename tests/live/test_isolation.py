"""A request sees nothing of another one, although they share greenlets and connections."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.server import Server, serve


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve("tests.apps.isolation:any", workers=1) as server:
        yield server


@pytest.mark.parametrize("path", ["/local", "/context", "/both", "/spawn", "/attribute"])
def test_nothing_is_left_by_the_requests_before(path: str, server: Server) -> None:
    for _ in range(3):
        with server.connect() as client:
            for index in range(20):
                assert client.get(f"{path}?mark{index}").body == b""


def test_nothing_is_left_by_pipelined_requests(server: Server) -> None:
    with server.connect() as client:
        client.send(b"GET /both?m HTTP/1.1\r\nHost: x\r\n\r\n" * 50)
        assert [client.response().body for _ in range(50)] == [b""] * 50


def test_the_name_of_its_thread_ends_with_a_request(server: Server) -> None:
    with server.connect() as client:
        assert [client.get("/name?mark").body for _ in range(20)] == [b""] * 20


def test_threading_keeps_no_greenlet_of_a_request_that_has_ended(server: Server) -> None:
    with server.connect() as client:
        counts = [int(client.get("/threads").body) for _ in range(20)]
    assert counts[-1] <= counts[0] + 1


def test_nothing_is_left_by_a_burst_whose_greenlets_are_parked(server: Server) -> None:
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(100)]
        for turn in range(3):
            for index, client in enumerate(clients):
                mark = f"{turn}-{index}"
                client.send(f"GET /wait?{mark} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            for index, client in enumerate(clients):
                mark = f"{turn}-{index}"
                assert client.response().body == f"{mark}|{mark}".encode()


def test_requests_that_run_at_the_same_time_see_only_their_own(server: Server) -> None:
    def ask(index: int) -> None:
        with server.connect() as client:
            for turn in range(20):
                mark = f"{index}-{turn}"
                assert client.get(f"/wait?{mark}").body == f"{mark}|{mark}".encode()

    with ThreadPoolExecutor(16) as executor:
        list(executor.map(ask, range(16)))


def test_a_timeout_that_a_request_left_running_hits_no_other() -> None:
    # A server of its own: there must be no other parked greenlet that could be taken.
    with serve("tests.apps.isolation:any", workers=1) as server, server.connect() as client:
        for _ in range(5):
            assert client.get("/timeout?x").status == 200
            # Longer than what is left of the timeout, on the same connection.
            assert client.get("/sleep?0.4").body == b"slept"
