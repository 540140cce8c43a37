"""``tools/bench mysql``: ways to reach a MariaDB from 20 greenlets, over TCP, in one run.

The ways are wsgisrv's driver, mysqlclient called directly (which stops the hub), PyMySQL and mysqlclient
in threads (tpool). Each is a process that lives the whole time; a round measures all of them, one after
the other, each with 20 connections of its own. MariaDB stands on the last core that we may use, the ways on
the first.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from benchmark import report
from benchmark.load import Result
from benchmark.scenarios import Scenario
from tests.support.databases import Database, MissingError, mariadb

WAYS = ("wsgisrv", "direct", "pymysql", "tpool")
ROWS = "SELECT seq, CONCAT('name-', seq), seq * 2 FROM seq_1_to_1000"
STATEMENTS = {
    "SELECT 1": ("SELECT 1", 1_000_000_000),
    "20 x SLEEP(0.2)": ("SELECT SLEEP(0.2)", 1),
    "1,000 rows": (ROWS, 1_000_000_000),
}
"""What each client runs, and how often at most."""

KEPT = ("host", "port", "user", "password")


@dataclasses.dataclass(frozen=True, slots=True)
class _Way:
    """A process that measures; see mysql_client."""

    name: str
    process: subprocess.Popen[str]

    def measure(self, statement: str, seconds: float, times: int) -> dict[str, float]:
        assert self.process.stdin is not None  # noqa: S101 -- for mypy
        assert self.process.stdout is not None  # noqa: S101 -- for mypy
        self.process.stdin.write(json.dumps([statement, seconds, times]) + "\n")
        self.process.stdin.flush()
        measured: dict[str, float] = json.loads(self.process.stdout.readline())
        return measured


def run(rounds: int, seconds: int) -> None:
    """Measures, and prints two tables a statement: how fast, and how late the hub was.

    Raises:
        SystemExit: when there is no MariaDB, or a driver is missing.
    """
    cores = sorted(os.sched_getaffinity(0))
    with contextlib.ExitStack() as stack:
        with on_cores({cores[-1]}):
            server = stack.enter_context(started())
        with on_cores({cores[0]}):
            ways = [stack.enter_context(_running(name, server)) for name in WAYS]
        measured: dict[tuple[str, str], list[dict[str, float]]] = {}
        for number in range(rounds + 1):
            for title, (statement, times) in STATEMENTS.items():
                for way in ways:
                    got = way.measure(statement, seconds, times)
                    if number:  # the first round warms up
                        measured.setdefault((title, way.name), []).append(got)
                        print(
                            f"  round {number} {title}, {way.name}: {got['rate']:,.0f}/s",
                            flush=True,
                        )
    for title in STATEMENTS:
        rounds_of = {name: measured[title, name] for name in WAYS}
        print(f"\n{title}\n{_table('statements/s', rounds_of, 'rate')}")
        print(f"\n{title}\n{_table('ms hub lag at p99', rounds_of, 'lag')}", flush=True)


def _table(unit: str, rounds_of: dict[str, list[dict[str, float]]], key: str) -> str:
    rows = [
        report.Row(name, tuple(Result(got[key], 0) for got in rounds))
        for name, rounds in rounds_of.items()
    ]
    return report.table(Scenario(about="", measures=unit), rows)


@contextlib.contextmanager
def started() -> Iterator[Database]:
    """A private MariaDB.

    Raises:
        SystemExit: when it is not installed.
    """
    try:
        with mariadb() as server:
            yield server
    except MissingError as error:
        raise SystemExit(f"bench: {error}") from None


@contextlib.contextmanager
def on_cores(cores: set[int]) -> Iterator[None]:
    """What is started in the block runs on these cores."""
    ours = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, ours)


@contextlib.contextmanager
def _running(name: str, server: Database) -> Iterator[_Way]:
    address: dict[str, Any] = {key: getattr(server, key) for key in KEPT}
    command = [sys.executable, "-m", "benchmark.mysql_client", name]
    with subprocess.Popen(
        [*command, json.dumps({**address, "database": server.name})],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None  # noqa: S101 -- for mypy
        assert process.stdout is not None  # noqa: S101 -- for mypy
        if process.stdout.readline() != "ready\n":
            raise SystemExit(
                f"bench: {name} does not come up; the drivers need libmariadb-dev and pkg-config to be built"
            )
        try:
            yield _Way(name, process)
        finally:
            process.stdin.close()
