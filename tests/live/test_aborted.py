"""SIGABRT to a worker, by whomever: it tells all it can and dies of it, whatever holds it."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

import pytest

from tests.support.control import answer_of, operated, wait_status
from tests.support.server import Server, serve, wait_gone

DUMP = r"ERROR wsgisrv\.master: worker 1 \(pid {}\): its last dump$"


def begin_request(stack: contextlib.ExitStack, server: Server, target: str) -> None:
    client = stack.enter_context(server.connect())
    client.send(f"GET {target} HTTP/1.1\r\nHost: test\r\nAuthorization: s3cret\r\n\r\n".encode())


def wait_death(server: Server, pid: int) -> list[str]:
    """Waits until the worker's end is in the log, and returns its lines."""
    server.wait_line(rf"worker 1 \(pid {pid}\): its last stacks$")
    server.wait_line(r"^Fatal Python error: Aborted$")
    server.wait_line(rf"worker 1 \(pid {pid}\) was killed by SIGABRT after")
    return server.lines


def test_a_worker_whose_hub_runs_leaves_a_whole_dump(tmp_path: Path) -> None:
    with (
        operated("tests.apps.basic:slow", tmp_path, workers=1, pool_size=7) as (server, path),
        contextlib.ExitStack() as stack,
    ):
        (pid,) = server.wait_ready()
        for number in range(3):
            begin_request(stack, server, f"/{number}?600")
        wait_status(path, lambda found: found["workers"][0]["in_flight"] == 3)
        os.kill(pid, signal.SIGABRT)
        lines = wait_death(server, pid)
        server.wait_line(DUMP.format(pid))
        begins = lines.index(f"worker 1 (pid {pid})")  # its hub has answered
        dump = lines[begins : next(i for i, line in enumerate(lines) if "last stacks" in line)]
        text = "\n".join(dump)
        assert "  pool: 3 of 7 running, 0 waiting; 3 connections" in dump
        for fact in ("  calls in threads: ", "  descriptors: ", "  memory: ", "  options: "):
            assert f"\n{fact}" in text
        assert "pool_size = 7" in text
        at = dump.index("3 greenlets:")
        for number in range(3):
            assert dump[at + 1 + number].startswith(f"  GET /{number}?600 HTTP/1.1 (")
            assert dump[at + 1 + number].endswith(" s old): sleeps 600 s")
        assert ", in slow" in text
        assert "s3cret" not in server.log
        wait_status(
            path, lambda found: found["workers"] and found["workers"][0]["state"] == "ready"
        )
        for number in range(3):
            server.wait_line(rf"worker 1 \(pid {pid}\): cut GET /{number}\?600 HTTP/1\.1 \(")


@pytest.mark.parametrize("app", ["spins", "waits_in_c"])
def test_a_worker_whose_hub_is_blocked_leaves_a_whole_dump(app: str, tmp_path: Path) -> None:
    with (
        operated(f"tests.apps.blocking:{app}", tmp_path, workers=1) as (server, path),
        contextlib.ExitStack() as stack,
    ):
        (pid,) = server.wait_ready()
        begin_request(stack, server, "/?600")
        wait_status(path, lambda found: found["workers"][0]["oldest_request"])
        os.kill(pid, signal.SIGABRT)
        lines = wait_death(server, pid)
        server.wait_line(DUMP.format(pid))
        begins = lines.index(f"worker 1 (pid {pid}): its hub is blocked")
        text = "\n".join(lines[begins:])
        assert "\n  GET /?600 HTTP/1.1 (" in text
        assert "\n  pool: 1 of " in text
        assert f", in {app}\n" in text


def test_a_worker_whose_interpreter_is_held_leaves_its_plain_stacks(tmp_path: Path) -> None:
    with (
        operated("tests.apps.blocking:holds_the_gil", tmp_path, workers=1) as (server, path),
        contextlib.ExitStack() as stack,
    ):
        (pid,) = server.wait_ready()
        begin_request(stack, server, "/?600")
        wait_status(path, lambda found: found["workers"][0]["oldest_request"])
        os.kill(pid, signal.SIGABRT)
        wait_death(server, pid)
        server.wait_line(r'^  File ".*/tests/apps/blocking\.py", line \d+ in holds_the_gil$')
        assert "its last dump" not in server.log


def test_c_code_that_calls_abort_ends_its_worker_with_its_stacks(tmp_path: Path) -> None:
    with serve("tests.apps.blocking:aborts", workers=1) as server, contextlib.ExitStack() as stack:
        (pid,) = server.wait_ready()
        begin_request(stack, server, "/?1")
        wait_death(server, pid)
        server.wait_line(r'^  File ".*/tests/apps/blocking\.py", line \d+ in aborts$')
        assert "its last dump" not in server.log


def test_a_process_that_an_app_forks_dies_of_abort_alone() -> None:
    with (
        serve("tests.apps.blocking:forks_what_aborts", workers=1) as server,
        server.connect() as client,
    ):
        (pid,) = server.wait_ready()
        assert client.get("/?1").body == str(pid).encode()
        assert client.get("/").body == str(pid).encode()
        assert "Aborted" not in server.log


def test_without_a_master_it_dies_as_well() -> None:
    with serve("tests.apps.basic:slow", workers=1) as server, contextlib.ExitStack() as stack:
        (pid,) = server.wait_ready()
        begin_request(stack, server, "/?600")
        server.signal(signal.SIGKILL)
        server.wait_line("the master is gone; draining")
        os.kill(pid, signal.SIGABRT)
        wait_gone(pid)


def test_a_dump_of_an_earlier_block_is_not_taken_for_the_last(tmp_path: Path) -> None:
    """The hub stood for most of worker_timeout and came back; later the worker is killed."""
    with (
        operated("tests.apps.blocking:waits_in_c", tmp_path, workers=1, worker_timeout=4) as (
            server, path,
        ),
        server.connect() as client,
    ):  # fmt: skip
        (pid,) = server.wait_ready()
        assert client.get("/?3.4").status == 200
        assert answer_of(path, "dump")["workers"][0]["answered_by"] == "hub"
        os.kill(pid, signal.SIGKILL)
        server.wait_line(rf"worker 1 \(pid {pid}\) was killed by SIGKILL after")
        assert "its last dump" not in server.log
