"""wsgisrv.blocking.in_thread in a worker: others are served, places are accounted, logging is safe."""

from __future__ import annotations

import collections
import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.control import operated, wait_status
from tests.support.http import Client
from tests.support.server import serve

APP = "tests.apps.threads:any"


@pytest.fixture
def fifo(tmp_path: Path) -> str:
    """What a call waits for in a thread until the test writes to it."""
    path = str(tmp_path / "fifo")
    os.mkfifo(path)
    return path


@contextlib.contextmanager
def waiting(server: Any, target: str, count: int = 1) -> Iterator[list[Client]]:
    """Clients that have asked and have no answer yet."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(count)]
        for client in clients:
            client.send(f"GET {target} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
        yield clients


def threads_when(path: str, **wanted: int) -> Any:
    """Waits until the only worker's threads stand as wanted."""

    def holds(found: Any) -> bool:
        threads = found["workers"][0]["threads"]
        return all(threads[name] == value for name, value in wanted.items())

    return wait_status(path, holds)["workers"][0]["threads"]


def test_others_are_answered_while_a_call_waits_in_a_thread(tmp_path: Path, fifo: str) -> None:
    with (
        operated(APP, tmp_path, workers=1) as (server, path),
        waiting(server, f"/read?{fifo}") as (slow,),
    ):
        assert threads_when(path, running=1, waiting=0)["threads"] == 1
        with server.connect() as client:
            assert client.get("/name").body.startswith(b'"blocking-')
        Path(fifo).write_text("at last")
        assert slow.response().body == b"at last"
        threads_when(path, running=0, calls=2)


def test_a_call_beyond_blocking_threads_waits_and_its_time_is_counted(
    tmp_path: Path, fifo: str
) -> None:
    with operated(APP, tmp_path, workers=1, blocking_threads=1) as (server, path):
        with waiting(server, f"/read?{fifo}"):
            threads_when(path, running=1)
            with waiting(server, "/name") as (second,):
                threads_when(path, running=1, waiting=1, threads=1)
                Path(fifo).write_text("go")
                assert second.response().body == b'"blocking-1"'
        assert threads_when(path, running=0, waiting=0, calls=2)["wait_seconds"] > 0


def test_a_request_that_request_timeout_ends_is_answered_and_its_call_keeps_its_place_to_its_end(
    tmp_path: Path, fifo: str
) -> None:
    with operated(APP, tmp_path, workers=1, blocking_threads=1, request_timeout=0.3) as (
        server,
        path,
    ):
        with waiting(server, f"/read?{fifo}", count=2) as clients:
            assert [client.response().status for client in clients] == [503, 503]
        # One runs on, the other was still in the queue and never runs.
        threads_when(path, running=1, waiting=0, calls=1, dropped=1)
        Path(fifo).write_text("for nobody")
        threads_when(path, running=0, waiting=0, calls=1, dropped=1)
        with server.connect() as client:
            assert client.get("/name").body == b'"blocking-1"'


def test_a_timeout_of_the_app_frees_the_greenlet_at_once(tmp_path: Path, fifo: str) -> None:
    with operated(APP, tmp_path, workers=1) as (server, path), server.connect() as client:
        assert client.get(f"/impatient?{fifo}").body == b"timed out"
        threads_when(path, running=1)
        Path(fifo).write_text("for nobody")
        threads_when(path, running=0)


def test_a_full_queue_is_503_with_retry_after(tmp_path: Path, fifo: str) -> None:
    with operated(APP, tmp_path, workers=1, blocking_threads=1, blocking_queue=1) as (server, path):
        with waiting(server, f"/read?{fifo}"):
            threads_when(path, running=1)
            with waiting(server, "/name") as (second,), server.connect() as third:
                threads_when(path, waiting=1)
                refused = third.get("/name")
                assert (refused.status, refused["retry-after"]) == (503, "1")
                Path(fifo).write_text("go")
                assert second.response().status == 200
        server.wait_line(
            r"WARNING wsgisrv\.app: \[req-\S+\] GET /name HTTP/1\.1: 1 calls wait .*blocking_queue"
        )


def test_a_worker_that_drains_waits_for_the_calls_of_its_requests(
    tmp_path: Path, fifo: str
) -> None:
    with (
        operated(APP, tmp_path, workers=1) as (server, path),
        waiting(server, f"/read?{fifo}") as (slow,),
    ):
        threads_when(path, running=1)
        server.signal(signal.SIGTERM)
        server.wait_line("SIGTERM: stopping gracefully")
        Path(fifo).write_text("the last word")
        assert slow.response().body == b"the last word"
        assert server.wait_exit() == 0


def test_logging_from_8_greenlets_and_8_native_threads_together_loses_no_line(
    tmp_path: Path,
) -> None:
    log = tmp_path / "app.log"
    with (
        serve("tests.apps.threads:any", workers=1, blocked_warning=0) as server,
        server.connect() as client,
    ):
        each, count = client.get(f"/log?{log}").json()
    # By now the log is read to its end.
    stderr = [line for line in server.lines if "test.threads: " in line]
    written = log.read_text().splitlines()
    for lines in (written, [line.partition("test.threads: ")[2] for line in stderr]):
        found = collections.Counter(line.split()[-3] for line in lines)
        assert set(found.values()) == {count}
        assert len(found) == 2 * each
    names = {line.split()[1].partition("-")[0] for line in written}
    assert names == {"GreenThread", "blocking", "Dummy"} or names == {
        "GreenThread",
        "blocking",
        "Thread",
    }
