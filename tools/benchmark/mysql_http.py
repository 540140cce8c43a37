"""``tools/bench mysql-http``: what 50 clients see of one worker whose app asks a MariaDB.

Each way to reach it is a server of its own. A round asks each of them, one after the other: 50 requests
of SLEEP(1) at once, while another client asks for /healthz all the time, and then as many as go of SELECT 1
and of 1,000 rows. That takes a minute and more, since one of them answers the 50 one after the other.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from benchmark import load, report
from benchmark.load import Result
from benchmark.mysql import on_cores, started
from benchmark.mysql_app import CLIENTS
from benchmark.scenarios import Scenario
from benchmark.servers import HOST, Running, free_port, serving
from tests.support.databases import Database

WAYS = {
    "wsgisrv": ("mysql+wsgisrv", ""),
    "direct": ("mysql+mysqldb", ""),
    "pymysql": ("mysql+pymysql", ""),
    "threads": ("mysql+mysqldb", "threads = yes"),
}
RATES = ("/select", "/rows")
PROBE_SECONDS = 0.005
LONGEST_SECONDS = 120.0  # directly, 50 x SLEEP(1) take 50 s

_Rounds = dict[tuple[str, str], list[Result]]


def run(rounds: int, seconds: int) -> None:
    """Measures, and prints a table for each figure."""
    cores = sorted(os.sched_getaffinity(0))
    measured: _Rounds = {}
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wsgisrv-bench-")))
        with on_cores({cores[-1]}):
            database = stack.enter_context(started())
        servers = {
            way: stack.enter_context(_served(way, database, directory / way, {cores[0]}))
            for way in WAYS
        }
        for number in range(1, rounds + 1):
            for way, server in servers.items():
                with on_cores({cores[-1]}):
                    took, worst = _sleep_and_probe(server.port)
                _keep(measured, "s for 50 x SLEEP(1)", way, took)
                _keep(measured, "ms /healthz at p99 meanwhile", way, worst)
                for path in RATES:
                    scenario = Scenario(about="", path=path, connections=CLIENTS)
                    at = dataclasses.replace(server, url=f"http://{HOST}:{server.port}{path}")
                    got = load.measure_rate(at, scenario, seconds, {cores[-1]})
                    measured.setdefault((f"{path} requests/s", way), []).append(got)
                print(f"  round {number} {way}: {took:.2f} s, /healthz {worst:.1f} ms", flush=True)
    for unit in dict.fromkeys(unit for unit, _ in measured):
        rows = [report.Row(way, tuple(measured[unit, way])) for way in WAYS]
        print(f"\n{report.table(Scenario(about='', measures=unit), rows)}", flush=True)


def _keep(measured: _Rounds, unit: str, way: str, value: float) -> None:
    measured.setdefault((unit, way), []).append(Result(value, 0))


@contextlib.contextmanager
def _served(way: str, database: Database, directory: Path, cores: set[int]) -> Iterator[Running]:
    scheme, more = WAYS[way]
    directory.mkdir()
    url = database.url(scheme).replace("%", "%%")
    paste = directory / "api-paste.ini"
    paste.write_text(
        f"[app:main]\npaste.app_factory = benchmark.mysql_app:app_factory\nurl = {url}\n{more}\n"
    )
    port = free_port()
    command = [str(Path(sys.prefix) / "bin/wsgisrv"), "serve", str(paste), "--workers", "1"]
    command += ["--access-log", "off", "--bind", f"{HOST}:{port}", "--worker-timeout", "300"]
    command += ["--blocked-warning", "0"]
    url = f"http://{HOST}:{port}/healthz"
    with serving(command, url, directory, cores) as process:
        yield Running(way, url, port, process.pid)


def _sleep_and_probe(port: int) -> tuple[float, float]:
    """Returns in how many seconds all were answered, and the 99th percentile of /healthz in ms."""
    waiting = [threading.Thread(target=_get, args=(port, "/sleep")) for _ in range(CLIENTS)]
    begin = time.monotonic()
    for thread in waiting:
        thread.start()
    seen = []
    while any(thread.is_alive() for thread in waiting):
        asked = time.perf_counter()
        _get(port, "/healthz")
        seen.append((time.perf_counter() - asked) * 1e3)
        time.sleep(PROBE_SECONDS)
    took = time.monotonic() - begin
    return took, statistics.quantiles(seen, n=100)[98] if len(seen) > 1 else seen[0]


def _get(port: int, path: str) -> None:
    connection = http.client.HTTPConnection(HOST, port, timeout=LONGEST_SECONDS)
    with contextlib.closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        if answer.status != 200:
            raise load.LoadError(f"{path}: {answer.status}")
        answer.read()
