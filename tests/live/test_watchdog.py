"""The watchdog: whatever holds the hub is named in the log, and a worker that hangs is replaced."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import select
import signal
from pathlib import Path

import pytest

from tests.support.control import operated, wait_status
from tests.support.databases import Database
from tests.support.server import serve

REQUEST = r"GET /\?{} HTTP/1\.1"


@pytest.mark.parametrize("app", ["spins", "waits_in_c"])
def test_what_holds_the_hub_is_named_once_with_its_request_while_it_lasts(app: str) -> None:
    with serve(f"tests.apps.blocking:{app}", workers=1) as server, server.connect() as client:
        client.send(b"GET /?2 HTTP/1.1\r\nHost: test\r\nAuthorization: secret\r\n\r\n")
        server.wait_line(
            r"WARNING wsgisrv\.worker: the hub is blocked, for 0\.\d\d s by now, by "
            + REQUEST.format(2)
            + r" \(\d\.\d\d s old, request id req-of-the-test\)$"
        )
        server.wait_line(rf'^  File ".*/tests/apps/blocking\.py", line \d+, in {app}$')
        assert client.response().status == 200
        server.wait_line(r"WARNING wsgisrv\.worker: the hub was blocked for [12]\.\d\d s$")
        assert len([line for line in server.lines if "the hub is blocked" in line]) == 1
        assert "secret" not in server.log


@pytest.mark.parametrize(
    ("app", "remedy"),
    [
        (
            "queries_sqlite",
            r"^remedy for sqlite3\.Connection\.execute: wsgisrv\.blocking\.dbapi runs",
        ),
        ("sleeps_natively", r"^remedy for time\.sleep: a time\.sleep\(\) of before the patching"),
        (
            "waits_on_a_socket",
            r"^remedy for _socket\.socket\.recv: a socket of before the patching",
        ),
        (
            "spins",
            r"^remedy: what waits in C code goes to .*in_thread, what computes to in_process$",
        ),
        ("waits_for_a_process", r"^remedy for posix\.waitpid: wsgisrv\.blocking\.in_thread takes"),
        ("waits_for_a_shell", r"^remedy for posix\.system: wsgisrv\.blocking\.in_thread takes"),
    ],
)
def test_what_holds_the_hub_comes_with_what_serves_instead(app: str, remedy: str) -> None:
    with serve(f"tests.apps.blocking:{app}", workers=1) as server, server.connect() as client:
        client.send(b"GET /?2 HTTP/1.1\r\nHost: test\r\n\r\n")
        server.wait_line(r"the hub is blocked, for 0\.\d\d s by now, by " + REQUEST.format(2))
        server.wait_line(remedy)
        assert client.response().status == 200


@pytest.mark.parametrize(
    ("app", "database", "remedy"),
    [
        (
            "queries_mysql", "mariadb_server",
            r"^remedy for MySQLdb\.connections: wsgisrv\.blocking\.mysql is .*mysql\+wsgisrv://",
        ),
        (
            "queries_postgresql", "postgresql_server",
            r"^remedy for psycopg2\.extensions\.connection\.cursor: .*make_psycopg_green\(\) sets it again$",
        ),
    ],
)  # fmt: skip
def test_a_plain_driver_that_holds_the_hub_is_named_with_the_green_one(
    app: str,
    database: str,
    remedy: str,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if app == "queries_postgresql":
        pytest.importorskip("psycopg2", exc_type=ImportError)
    known: Database = request.getfixturevalue(database)
    facts = dataclasses.asdict(dataclasses.replace(known, _keeper=None))
    monkeypatch.setenv("TEST_DATABASE", json.dumps(facts))
    with serve(f"tests.apps.blocking:{app}", workers=1) as server, server.connect() as client:
        client.send(b"GET /?2 HTTP/1.1\r\nHost: test\r\n\r\n")
        server.wait_line(r"the hub is blocked, for 0\.\d\d s by now, by " + REQUEST.format(2))
        server.wait_line(rf'^  File ".*/tests/apps/blocking\.py", line \d+, in {app}$')
        server.wait_line(remedy)
        assert client.response().status == 200


def test_code_that_holds_the_interpreter_is_named_by_the_master_while_it_lasts() -> None:
    with (
        serve("tests.apps.blocking:holds_the_gil", workers=1) as server,
        server.connect() as client,
    ):
        client.send(b"GET /?5 HTTP/1.1\r\nHost: test\r\n\r\n")
        server.wait_line(
            r"WARNING wsgisrv\.master: worker 1 \(pid \d+\): its hub is blocked, for \d\.\d\d s by"
            r" now, and so is its interpreter; in flight: " + REQUEST.format(5)
        )
        server.wait_line(r'^  File ".*/tests/apps/blocking\.py", line \d+ in holds_the_gil$')
        assert client.response().status == 200
        server.wait_line(r"WARNING wsgisrv\.worker: the hub was blocked for [45]\.\d\d s$")
        stacks = [line for line in server.lines if "in holds_the_gil" in line]
        assert len(stacks) == 1


def test_code_that_held_the_interpreter_for_a_short_time_is_named_after_it() -> None:
    with (
        serve("tests.apps.blocking:holds_the_gil", workers=1) as server,
        server.connect() as client,
    ):
        client.get("/?0.9")
        server.wait_line(r"WARNING wsgisrv\.worker: the hub was blocked for 0\.\d\d s$")
        server.wait_line(r'^  File ".*/tests/apps/blocking\.py", line \d+ in holds_the_gil$')


def test_a_hub_that_is_free_is_not_reported_and_0_never_reports() -> None:
    with (
        serve("tests.apps.blocking:waits_in_c", workers=1, blocked_warning=0) as server,
        server.connect() as client,
    ):
        client.get("/?0.8")
        client.get("/")
    assert "blocked" not in server.log
    with (
        serve("tests.apps.basic:slow", workers=1, blocked_warning=0.5) as server,
        server.connect() as client,
    ):
        client.get("/?1.5")  # a green sleep
    assert "blocked" not in server.log


@pytest.mark.parametrize("app", ["waits_in_c", "holds_the_gil"])
def test_a_worker_that_hangs_leaves_its_stacks_and_is_replaced_beside_the_others(
    app: str,
) -> None:
    with serve(f"tests.apps.blocking:{app}", workers=2, worker_timeout=2) as server:
        pids = server.wait_ready()
        with server.connect() as client:
            client.send(b"GET /?60 HTTP/1.1\r\nHost: test\r\n\r\n")
            server.wait_line(r"worker \d has not beaten for \d s")
            stuck = server.wait_line(
                r"ERROR wsgisrv\.master: worker \d \(pid (\d+)\) stands still; in flight: "
                + REQUEST.format(60)
            )
            if app == "waits_in_c":  # Python can run: greenlets, places and memory are told, too
                server.wait_line(rf"ERROR .* worker \d \(pid {stuck[1]}\): its last dump$")
                server.wait_line(r"^  pool: 1 of \d+ running, 0 waiting; \d connections$")
                server.wait_line(r"^  GET /\?60 HTTP/1\.1 \(\d\.\d\d s old")
            server.wait_line(rf"ERROR .* worker \d \(pid {stuck[1]}\): its last stacks$")
            server.wait_line(r"^Fatal Python error: Aborted$")
            server.wait_line(rf"worker \d \(pid {stuck[1]}\) was killed by SIGABRT after")
        (other,) = set(pids) - {int(stuck[1])}
        seen: set[int] = set()
        while len(seen) < 2:
            with server.connect() as client:
                seen.add(int(client.get().body))
        assert other in seen
        assert int(stuck[1]) not in seen


def test_a_master_that_was_stopped_kills_nobody(tmp_path: Path) -> None:
    with operated("tests.apps.basic:slow", tmp_path, workers=1, worker_timeout=1) as (server, path):
        before = server.wait_ready()
        server.signal(signal.SIGSTOP)
        with server.connect() as client:
            assert client.get("/?2").status == 200  # longer than worker_timeout
        server.signal(signal.SIGCONT)
        found = wait_status(path, lambda found: found["workers"][0]["requests"])
        assert [worker["pid"] for worker in found["workers"]] == before


def test_a_machine_that_was_suspended_kills_nobody(tmp_path: Path) -> None:
    """Master and workers stand still together, for longer than worker_timeout.

    That is what a worker has for its first beat afterwards, so it is long enough for a busy machine.
    """
    with operated("tests.apps.basic:pid", tmp_path, workers=2, worker_timeout=3) as (server, path):
        before = server.wait_ready()
        with contextlib.ExitStack() as stack:
            descriptors = [os.pidfd_open(pid) for pid in before]
            for descriptor in descriptors:
                stack.callback(os.close, descriptor)
            for pid in (server.pid, *before):
                os.kill(pid, signal.SIGSTOP)
            assert select.select(descriptors, [], [], 3.5)[0] == []
            for pid in (server.pid, *before):  # the master is the first to look
                os.kill(pid, signal.SIGCONT)
            assert select.select(descriptors, [], [], 3.5)[0] == [], server.log
        found = wait_status(path, lambda _: True)
        assert [worker["pid"] for worker in found["workers"]] == before
        # The master has slept as well: what it blames a worker for is at most what came afterwards.
        blamed = re.findall(r"its hub is blocked, for (\d+\.\d\d) s", server.log)
        assert all(float(seconds) < 1.7 for seconds in blamed), server.log


def test_a_worker_that_was_stopped_for_less_than_worker_timeout_lives_on(tmp_path: Path) -> None:
    with operated("tests.apps.basic:pid", tmp_path, workers=1) as (server, path):
        (pid,) = server.wait_ready()
        os.kill(pid, signal.SIGSTOP)
        wait_status(path, lambda found: found["workers"][0]["hub_lag"] > 0.5)
        os.kill(pid, signal.SIGCONT)
        found = wait_status(path, lambda found: found["workers"][0]["hub_lag"] < 0.2)
        assert found["workers"][0]["pid"] == pid
