"""The drain: proxies are told first, whoever is on the way is answered, and what is cut is named."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.control import operated, refusal_of, wait_status, wsgisrv
from tests.support.http import DEADLINE, Client
from tests.support.server import Server, serve

HELLO = "tests.apps.checked:hello"
SLOW = "tests.apps.checked:slow"
WAITS = "tests.apps.checked:waits"
LONG = 3600


def get(server: Server, target: str) -> int:
    """Returns the status of a request on a connection of its own."""
    with server.connect() as client:
        return client.get(target).status


def begin(server: Server, client: Client, target: str, path: str) -> None:
    """Sends a request and waits until it runs."""
    client.send(f"GET {target} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
    wait_status(path, lambda found: any(w["oldest_request"] for w in found["workers"]))


def leave(server: Server, path: str) -> None:
    """Has the service stop gracefully and waits until it has begun to."""
    server.signal(signal.SIGTERM)
    wait_status(path, lambda found: found["state"] == "stopping")


def has_ended(client: Client) -> bool:
    """Whether the server has closed a connection on which nothing is due."""
    return bool(select.select([client.socket], [], [], 0)[0])


# shutdown_delay


def test_term_fails_readiness_at_once_and_serves_on_for_shutdown_delay(tmp_path: Path) -> None:
    with operated(HELLO, tmp_path, workers=2, shutdown_delay=LONG) as (server, path):
        with server.connect() as kept:
            assert kept.get("/readyz").status == 200
            leave(server, path)
            server.wait_line(r"not ready any more, serving on; draining in 3600 s")
            for _ in range(8):  # of either worker
                with server.connect() as client:
                    answer = client.get("/readyz")
                    assert (answer.status, answer.body) == (503, b"DRAINING")
                    assert "connection" not in answer
                    assert client.get("/livez").status == client.get("/").status == 200
            answer = kept.get("/readyz")
            assert (answer.status, "connection" in answer) == (503, False)
            found = wait_status(path, lambda found: True)
            assert 0 < found["drains_in"] <= LONG
            assert [worker["state"] for worker in found["workers"]] == ["ready", "ready"]
            text = wsgisrv("status", "--control-socket", path).stdout
            assert f"master pid {server.pid}, stopping, drains in " in text
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0


def test_the_drain_begins_when_shutdown_delay_is_over() -> None:
    with serve(HELLO, workers=2, shutdown_delay=1) as server, server.connect() as kept:
        assert kept.get().status == 200
        server.signal(signal.SIGTERM)
        server.wait_line(r"not ready any more, serving on; draining in 1 s")
        server.wait_line("INFO wsgisrv.master: draining$")
        kept.assert_eof()
        assert server.wait_exit() == 0


def test_during_shutdown_delay_a_worker_that_dies_is_replaced_and_its_successor_knows(
    tmp_path: Path,
) -> None:
    with operated(HELLO, tmp_path, workers=1, shutdown_delay=LONG) as (server, path):
        (old,) = server.wait_ready()
        leave(server, path)
        os.kill(old, signal.SIGKILL)
        wait_status(path, lambda found: [w["id"] for w in found["workers"]] == [2])
        assert get(server, "/readyz") == 503
        assert get(server, "/") == 200
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0


def test_during_shutdown_delay_reload_and_scale_are_refused_with_a_line(tmp_path: Path) -> None:
    with operated(HELLO, tmp_path, workers=1, shutdown_delay=LONG) as (server, path):
        leave(server, path)
        at = ("--control-socket", path)
        assert refusal_of("reload", *at) == (1, "reload: the service is stopping")
        assert refusal_of("scale", "2", *at) == (69, "scale: the service is stopping")
        server.signal(signal.SIGHUP)
        server.wait_line("ERROR .* reload: the service is stopping; the settings stay as they were")
        server.signal(signal.SIGTTIN)
        server.wait_line("WARNING .* SIGTTIN: the service is stopping; the workers stay as many")
        assert wait_status(path, lambda found: True)["workers_wanted"] == 1
        server.signal(signal.SIGQUIT)
        assert server.wait_exit() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_second_signal_to_stop_ends_shutdown_delay_and_everything_else(
    number: signal.Signals, tmp_path: Path
) -> None:
    with operated(SLOW, tmp_path, workers=1, shutdown_delay=LONG) as (server, path):
        with server.connect() as client:
            begin(server, client, "/?60", path)
            leave(server, path)
            server.signal(number)
            assert server.wait_exit() == 0
        server.wait_line(rf"{number.name}: stopping now")
        server.wait_line(r"worker 1 \(pid \d+\): cut GET /\?60 HTTP/1\.1 \(\d+\.\d\d s old\)")


def test_a_reload_or_a_worker_that_is_taken_away_neither_waits_nor_fails_readiness() -> None:
    with (
        serve(
            HELLO, workers=2, shutdown_delay=LONG, header_timeout=LONG, log_level="debug"
        ) as server,
        server.connect() as client,
    ):
        old = server.wait_ready()
        client.send(b"GET /readyz HTTP/1.1\r\n")
        with server.connect() as other:
            other.get()  # the connection before it was accepted by now
        seen = len(server.lines)
        server.signal(signal.SIGHUP)
        assert not set(server.wait_ready(after=seen)) & set(old)
        server.wait_line("DEBUG wsgisrv.worker: draining 1 connections")
        client.send(b"Host: test\r\n\r\n")
        answer = client.response()  # of a worker that drains
        assert (answer.status, answer["connection"]) == (200, "close")
        assert get(server, "/readyz") == 200
        server.signal(signal.SIGTTOU)
        server.wait_line("workers wanted: 1")
        assert get(server, "/readyz") == 200
        server.signal(signal.SIGQUIT)
        assert server.wait_exit() == 0


# Who is on the way


def test_a_request_whose_first_bytes_have_come_is_answered_and_told_to_close() -> None:
    options: dict[str, Any] = {"workers": 1, "header_timeout": LONG, "log_level": "debug"}
    with serve(HELLO, **options) as server, server.connect() as client:
        assert client.get().status == 200
        client.send(b"G")
        server.signal(signal.SIGTERM)
        server.wait_line(r"DEBUG wsgisrv\.worker: draining 1 connections")
        client.send(b"ET / HTTP/1.1\r\nHost: test\r\n\r\n")
        answer = client.response()
        assert (answer.status, answer["connection"]) == (200, "close")
        client.assert_eof()
        assert server.wait_exit() == 0


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGHUP, signal.SIGTTOU])
def test_a_proxy_that_keeps_its_connections_busy_sees_no_request_fail(end: signal.Signals) -> None:
    """Each connection sends its next request as soon as it can, until it is told to close.

    Where this process itself is held up, it looks whether the connection has been closed, as a proxy does.
    """
    with serve(HELLO, workers=2) as server:
        failures: list[BaseException] = []
        answered = threading.Semaphore(0)

        def keep_busy() -> None:
            try:
                with server.connect() as client:
                    while "connection" not in (answer := client.get()):
                        assert answer.status == 200
                        since = time.monotonic()
                        answered.release()
                        if time.monotonic() - since > 0.5 and has_ended(client):
                            return
                    assert (answer.status, answer["connection"]) == (200, "close")
                    client.assert_eof()
            except (AssertionError, OSError) as failure:
                failures.append(failure)

        threads = [threading.Thread(target=keep_busy) for _ in range(8)]
        for thread in threads:
            thread.start()
        for _ in range(100):
            assert answered.acquire(timeout=DEADLINE)
        server.signal(end)
        if end != signal.SIGTERM:
            server.wait_line("reload: starting|workers wanted: 1")
            server.wait_line("ready: .* generation 2$|workers wanted: 1")
            server.signal(signal.SIGTERM)
        for thread in threads:
            thread.join(DEADLINE)
        assert server.wait_exit() == 0
    assert not failures


def test_connections_that_wait_to_be_accepted_are_served_before_the_end(tmp_path: Path) -> None:
    with (
        operated(WAITS, tmp_path, workers=1, pool_size=1) as (server, path),
        contextlib.ExitStack() as stack,
    ):
        flag = tmp_path / "answer"
        first = stack.enter_context(server.connect())
        begin(server, first, f"/?{flag}", path)
        waiting = [stack.enter_context(server.connect()) for _ in range(5)]
        for client in waiting:
            client.send(f"GET /?{flag} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
        leave(server, path)
        flag.touch()
        for client in (first, *waiting):
            answer = client.response()
            assert (answer.status, answer["connection"]) == (200, "close")
        assert server.wait_exit() == 0


def test_a_new_connection_is_refused_at_once_while_the_last_requests_finish(
    tmp_path: Path,
) -> None:
    with operated(WAITS, tmp_path, workers=2) as (server, path), server.connect() as client:
        flag = tmp_path / "answer"
        begin(server, client, f"/?{flag}", path)
        server.signal(signal.SIGTERM)
        # A worker without a connection is gone at once.
        wait_status(path, lambda found: [w["state"] for w in found["workers"]] == ["draining"])
        with pytest.raises(ConnectionRefusedError):
            server.connect()
        flag.touch()
        assert client.response().status == 200
        assert server.wait_exit() == 0


def test_a_service_whose_master_was_killed_is_not_ready_any_more() -> None:
    with serve(HELLO, workers=1, header_timeout=LONG) as server, server.connect() as client:
        client.send(b"GET /readyz HTTP/1.1\r\n")
        server.signal(signal.SIGKILL)
        server.wait_line("the master is gone; draining")
        client.send(b"Host: test\r\n\r\n")
        assert client.response().status == 503
        server.wait_exit()


# What is cut


def test_what_graceful_timeout_cuts_is_named_with_its_age(tmp_path: Path) -> None:
    with operated(SLOW, tmp_path, workers=2, graceful_timeout=1) as (server, path):
        with server.connect() as client, server.connect() as other:
            client.send(b"GET /?60 HTTP/1.1\r\nHost: test\r\n\r\n")
            other.send(b"GET /?61 HTTP/1.1\r\nHost: test\r\n\r\n")
            wait_status(path, lambda found: sum(w["in_flight"] for w in found["workers"]) == 2)
            server.signal(signal.SIGTERM)
            assert server.wait_exit() == 0
        for seconds in (60, 61):
            server.wait_line(
                r"WARNING wsgisrv\.master: worker \d \(pid \d+\): cut GET"
                rf" /\?{seconds} HTTP/1\.1 \([12]\.\d\d s old\)$"
            )


def test_a_worker_that_was_killed_is_said_to_have_cut_its_requests(tmp_path: Path) -> None:
    with operated(SLOW, tmp_path, workers=1) as (server, path), server.connect() as client:
        begin(server, client, "/?60", path)
        os.kill(server.wait_ready()[0], signal.SIGKILL)
        server.wait_line(r"worker 1 \(pid \d+\): cut GET /\?60 HTTP/1\.1 \(")
        server.wait_line(r"worker 1 \(pid \d+\) was killed by SIGKILL")
