"""The load: wrk for rates, sockets of our own for idle connections.

The request has nine header fields, as a service behind a proxy sees them: Host, which wrk adds, and those
of ``HEADERS``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import http.client
import os
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from benchmark.scenarios import Scenario
from benchmark.servers import HOST, Running

HEADERS = {
    "User-Agent": "python-requests/2.32.3",
    "Accept": "application/json",
    "Accept-Encoding": "gzip, deflate",
    "Connection": "keep-alive",
    "X-Auth-Token": "gAAAAABm" + "k3Zr9QxT" * 22,
    "X-Request-Id": "req-3f0c6a9e-5b1d-4c58-9a37-d0a4f1c2b7e6",
    "X-Forwarded-For": "203.0.113.7",
    "X-Forwarded-Proto": "https",
}
SCRIPT = Path(__file__).with_name("wrk.lua")
SPARE_SECONDS = 15.0
SETTLE_SECONDS = 0.5
IDLE_FIRST = 1000
ASKED_PER_SECOND = 100
KIB = 1024


class LoadError(Exception):
    """Raised when the load could not be made or the server answered it wrongly."""


@dataclasses.dataclass(frozen=True, slots=True)
class Result:
    """One measurement.

    Args:
        value: in the scenario's unit.
        errors: how many requests failed.
        cpu_us: microseconds of CPU time, user and system, that the server's processes took for a
            request; 0 where that was not measured. It drifts far less than a rate on a machine that
            others use, too.
    """

    value: float
    errors: int
    cpu_us: float = 0.0


def headers_of(scenario: Scenario) -> dict[str, str]:
    return HEADERS | ({"Connection": "close"} if scenario.close else {})


def measure_rate(server: Running, scenario: Scenario, seconds: int, cores: set[int]) -> Result:
    """Lets wrk load the server from the given cores.

    Raises:
        LoadError: when wrk fails.
    """
    script = {
        "BENCH_HEADERS": "".join(f"{k}: {v}\n" for k, v in headers_of(scenario).items()),
        "BENCH_BODY_BYTES": str(scenario.body_bytes),
        "BENCH_PIPELINE": str(scenario.pipeline),
        "BENCH_FRESH_IDS": str(int(scenario.fresh_ids)),
    }
    command = ["wrk", "-t1", f"-c{scenario.connections}", f"-d{seconds}s", f"-s{SCRIPT}"]
    ours = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    before = cpu_seconds(server.group)
    try:
        done = subprocess.run(
            [*command, server.url],
            env=os.environ | script,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds + SPARE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise LoadError("wrk did not end") from error
    finally:
        os.sched_setaffinity(0, ours)
    cpu = cpu_seconds(server.group) - before
    for line in done.stdout.splitlines():
        if line.startswith("RESULT "):
            requests, microseconds, errors, size, p99 = map(int, line.split()[1:])
            cpu_us = cpu * 1e6 / max(requests, 1)
            if scenario.attached:
                return Result(p99 / 1e3, errors, cpu_us)
            done_of = size / 1e6 if scenario.megabytes else requests
            return Result(done_of / (microseconds / 1e6), errors, cpu_us)
    raise LoadError(f"wrk failed: {(done.stderr or done.stdout).strip()[-200:]}")


def measure_among(server: Running, scenario: Scenario, seconds: int, cores: set[int]) -> Result:
    """Measures while the scenario's other clients stay attached; each that is lost is an error.

    Slow clients that a limit ends, as it should, are none.

    Raises:
        LoadError: when they cannot attach, or wrk fails.
    """
    assert scenario.attached is not None  # noqa: S101 -- for mypy
    kind, count = scenario.attached
    command = [sys.executable, "-m", "benchmark.attached", str(server.port), str(count), kind]
    with subprocess.Popen(
        ["taskset", "-c", ",".join(map(str, cores)), *command],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as others:
        assert others.stdin is not None  # noqa: S101 -- for mypy
        assert others.stdout is not None  # noqa: S101 -- for mypy
        try:
            if others.stdout.readline() != "attached\n":
                raise LoadError(f"{count} {kind} clients cannot attach")
            result = measure_rate(server, scenario, seconds, cores)
        finally:
            others.stdin.close()
        lost = int(others.stdout.readline() or count)
    return dataclasses.replace(result, errors=result.errors + (lost if kind == "idle" else 0))


def measure_beside(server: Running, scenario: Scenario, seconds: int) -> Result:
    """Measures what one client sees while the scenario's long requests run; it asks at even times.

    A request that is due while the one before it has no answer is sent at once, and the time that it was
    late counts: else a server that stands still would be asked little and look fast.

    Raises:
        LoadError: when a request fails.
    """
    assert scenario.beside is not None  # noqa: S101 -- for mypy
    path, count = scenario.beside
    ends = threading.Event()
    others = [
        threading.Thread(target=_keep_asking, args=(server.port, path, ends)) for _ in range(count)
    ]
    for other in others:
        other.start()
    try:
        latencies = _ask_at_even_times(server.port, seconds)
    finally:
        ends.set()
        for other in others:
            other.join()
    return Result(latencies[int(len(latencies) * 0.99)] * 1e3, 0)


def _keep_asking(port: int, path: str, ends: threading.Event) -> None:
    while not ends.is_set():
        with contextlib.closing(http.client.HTTPConnection(HOST, port, timeout=60)) as client:
            client.request("GET", path)
            client.getresponse().read()


def _ask_at_even_times(port: int, seconds: int) -> list[float]:
    """Returns latencies in seconds, the shortest first."""
    latencies = []
    with contextlib.closing(http.client.HTTPConnection(HOST, port, timeout=60)) as client:
        began = time.monotonic()
        for number in range(seconds * ASKED_PER_SECOND):
            due = began + number / ASKED_PER_SECOND
            if time.monotonic() > began + 2 * seconds:
                break  # those that are left would only come later still
            time.sleep(max(due - time.monotonic(), 0.0))
            client.request("GET", "/")
            response = client.getresponse()
            if response.status != 200 or not response.read():
                raise LoadError(f"answered {response.status}")
            latencies.append(time.monotonic() - due)
    return sorted(latencies)


def measure_idle(server: Running, scenario: Scenario) -> Result:
    """Opens connections, has one request answered on each, and weighs the server before and after.

    The first IDLE_FIRST are not weighed: they fill memory that the server's start left free (a Python
    worker was seen to hold 1000 connections in it without growing at all).

    Raises:
        LoadError: when the server closes one of them.
    """
    allow_descriptors(IDLE_FIRST + scenario.connections + 100)
    lines = [f"GET {scenario.path} HTTP/1.1", f"Host: {HOST}:{server.port}"]
    lines += [f"{name}: {value}" for name, value in headers_of(scenario).items()]
    request = "\r\n".join([*lines, "", ""]).encode()
    with contextlib.ExitStack() as clients:
        _open(server, request, IDLE_FIRST, clients)
        before = memory_kib(server.group)
        _open(server, request, scenario.connections, clients)
        return Result((memory_kib(server.group) - before) / scenario.connections, 0)


def _open(server: Running, request: bytes, count: int, clients: contextlib.ExitStack) -> None:
    for _ in range(count):
        client = clients.enter_context(socket.create_connection((HOST, server.port), timeout=5))
        client.sendall(request)
        if not client.recv(64 * KIB):
            raise LoadError("a connection was closed without an answer")
    time.sleep(SETTLE_SECONDS)


def allow_descriptors(needed: int) -> None:
    """Raises this process's soft limit on open files as far as it is needed and allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(needed, hard), hard))


def cpu_seconds(session: int) -> float:
    """Returns the CPU time, user and system, that a session's living processes have taken."""
    ticks = sum(int(fields[11]) + int(fields[12]) for _, fields in _processes(session))
    return ticks / os.sysconf("SC_CLK_TCK")


def memory_kib(session: int) -> int:
    """Returns the proportional set size (proc(5), smaps_rollup) of a session's processes together."""
    total = 0
    for stat, _ in _processes(session):
        # A process that ends meanwhile weighs nothing.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            rollup = stat.with_name("smaps_rollup").read_text()
            total += int(rollup.partition("\nPss:")[2].split()[0])
    return total


def _processes(session: int) -> Iterator[tuple[Path, list[str]]]:
    """Yields /proc/PID/stat and its fields behind the name, for each process of a session."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[3]) == session:
                yield stat, fields
