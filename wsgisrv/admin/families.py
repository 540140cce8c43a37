"""The metrics of the service, by name: what they are, what they mean, and their numbers at one moment.

Rules: values only; ``exposition`` and ``statsd`` make text of them. Names follow Prometheus: a unit at the
end, ``_total`` for what only grows. Labels are bounded: none is a worker, a path or an address. What no
worker has done is there with 0 where its labels are known beforehand.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping

from wsgisrv import __version__
from wsgisrv.figures import Figures
from wsgisrv.memory import rss_of
from wsgisrv.scoreboard import LATENCY_BOUNDS, Common, Real, State, Word
from wsgisrv.series import REFUSED, RELOAD, REQUEST, RESTART, TIMEOUT

PREFIX = "wsgisrv_"

COUNTER, GAUGE, HISTOGRAM = "counter", "gauge", "histogram"

TIMEOUTS = ("header", "body", "write", "keepalive", "no_request", "request", "proxy_header")

Labels = Mapping[str, str]

_NONE: Labels = {}


@dataclasses.dataclass(frozen=True, slots=True)
class Sample:
    """One number."""

    labels: Labels
    value: float


@dataclasses.dataclass(frozen=True, slots=True)
class Family:
    """One metric.

    Args:
        name: without PREFIX, and without ``_total`` for a counter.
        samples: of a counter or gauge.
        buckets: of a histogram: counts, by LATENCY_BOUNDS and one more.
        total: the sum of a histogram.
    """

    name: str
    kind: str
    help: str
    samples: tuple[Sample, ...] = ()
    buckets: tuple[int, ...] = ()
    total: float = 0.0


BOUNDS = LATENCY_BOUNDS
"""Upper bounds of a histogram's buckets, in seconds."""

_HISTOGRAMS = (
    (
        Word.LATENCY, Real.LATENCY_SUM, "request_duration_seconds",
        "Time from a request's complete head to the end of its response.",
    ),
    (
        Word.QUEUE, Real.QUEUE_SUM, "request_queue_seconds",
        "Time of it that a request waited for a place in the pool.",
    ),
    (
        Word.APP, Real.APP_SUM, "request_app_seconds",
        "Time of it that neither the pool nor the client took.",
    ),
    (Word.LAG, Real.LAG_SUM, "hub_lag_seconds", "Time by which ticks of the workers' hubs came late."),
)  # fmt: skip

_COUNTS = (
    (Word.ACCEPTED, "connections_accepted", "Connections that were accepted."),
    (Word.BYTES_IN, "received_bytes", "Bytes from clients."),
    (Word.BYTES_OUT, "sent_bytes", "Bytes to clients."),
    (Word.THREAD_CALLS, "thread_calls", "Calls that a native thread has taken."),
    (
        Word.THREAD_DROPPED,
        "thread_calls_dropped",
        "Calls whose caller had gone before one took them.",
    ),
    (Word.JOBS, "jobs", "Jobs that helper processes have answered."),
    (Word.JOBS_LOST, "jobs_lost", "Jobs whose helper died or was killed for their time."),
    (Word.JOBS_REFUSED, "jobs_refused", "Jobs that were refused since too many waited."),
    (Word.TASK_RUNS, "task_runs", "Runs of the service's own tasks that have ended."),
    (Word.TASK_FAILURES, "task_failures", "Runs of them that raised."),
)

_SUMS = (
    (
        Real.BLOCKED,
        "hub_blocked_seconds",
        "Time for which hubs were late by more than blocked_warning.",
    ),
    (Real.THREAD_WAIT, "thread_wait_seconds", "Time that calls waited for a native thread."),
    (Real.JOB_WAIT, "job_wait_seconds", "Time that jobs waited for a helper process."),
    (Real.JOB_SECONDS, "job_seconds", "Time that answered jobs took."),
)

_GAUGES = (
    (Word.IN_FLIGHT, "requests_in_flight", "Requests that run."),
    (Word.WAITING, "requests_waiting", "Requests that wait for a place in the pool."),
    (Word.POOL_SIZE, "pool_size", "Requests that may run at a time, in all workers."),
    (Word.THREADS, "threads", "Native threads for blocking calls."),
    (Word.THREADS_BUSY, "threads_busy", "Native threads in which a call runs."),
    (Word.THREADS_WAITING, "thread_calls_waiting", "Calls that wait for a native thread."),
    (Word.JOBS_RUNNING, "jobs_running", "Jobs that helper processes compute."),
    (Word.JOBS_WAITING, "jobs_waiting", "Jobs that wait for a helper process."),
    (Word.TASKS_RUNNING, "tasks_running", "The service's own tasks that run."),
)

_CONNECTIONS = (
    (Word.IDLE, "idle"),
    (Word.READING, "reading"),
    (Word.RUNNING, "running"),
    (Word.UPGRADED, "upgraded"),
    (Word.CLOSING, "closing"),
    (Word.PREFACE, "proxy_header"),
)

_STATES = ((State.BOOTING, "booting"), (State.READY, "ready"), (State.DRAINING, "draining"))


def families_of(found: Figures, *, master_pid: int, started: float) -> Iterator[Family]:
    """Yields every metric.

    Args:
        master_pid: whose memory is counted, too.
        started: time.time() of the master's start.
    """
    yield _gauge("info", "The version that runs.", [({"version": __version__}, 1)])
    yield _gauge("start_time_seconds", "When the master began, in Unix time.", [(_NONE, started)])
    yield from _requests(found)
    for word, real, name, text in _HISTOGRAMS:
        buckets = tuple(found.histograms[word])
        yield Family(name, HISTOGRAM, text, buckets=buckets, total=found.sums[real])
    for word, name, text in _COUNTS:
        yield _counter(name, text, [(_NONE, found.counts[word])])
    for real, name, text in _SUMS:
        yield _counter(name, text, [(_NONE, found.sums[real])])
    for word, name, text in _GAUGES:
        yield _gauge(name, text, [(_NONE, found.gauge(word))])
    yield _gauge(
        "connections", "Connections that are open, by what they are about.",
        [({"state": state}, found.gauge(word)) for word, state in _CONNECTIONS],
    )  # fmt: skip
    yield from _what_went_wrong(found)
    yield from _workers(found, master_pid)


def _requests(found: Figures) -> Iterator[Family]:
    rows = [
        (dict(zip(("server", "method", "status", "route"), labels, strict=True)), numbers)
        for labels, numbers in sorted(found.of_kind(REQUEST).items())
    ]
    yield _counter(
        "requests", "Requests that were answered, by server, method, class of status and route.",
        [(labels, count) for labels, (count, _) in rows],
    )  # fmt: skip
    yield _counter(
        "requests_seconds", "Time that they took, from head to end.",
        [(labels, seconds) for labels, (_, seconds) in rows],
    )  # fmt: skip


def _what_went_wrong(found: Figures) -> Iterator[Family]:
    refused = sorted(found.of_kind(REFUSED).items())
    yield _counter(
        "refused", "Requests and connections that were refused as malformed or too many.",
        [({"code": code, "reason": reason}, count) for (code, reason), (count, _) in refused],
    )  # fmt: skip
    timeouts = found.of_kind(TIMEOUT)
    yield _counter(
        "timeouts", "Deadlines that have passed, by what was waited for.",
        [({"kind": kind}, timeouts.get((kind,), (0, 0.0))[0]) for kind in TIMEOUTS],
    )  # fmt: skip


def _workers(found: Figures, master_pid: int) -> Iterator[Family]:
    yield _gauge(
        "workers", "Worker processes.",
        [
            ({"state": name}, sum(worker.state is state for worker in found.workers))
            for state, name in _STATES
        ],
    )  # fmt: skip
    yield _gauge("workers_wanted", "Worker processes that should be.",
                 [(_NONE, found.common[Common.WANTED])])  # fmt: skip
    yield _gauge("generation", "Of the workers that serve; counts up with each reload.",
                 [(_NONE, found.common[Common.GENERATION])])  # fmt: skip
    yield _counter(
        "worker_restarts", "Workers that others took the place of, by why they ended.",
        [({"cause": cause}, count) for (cause,), (count, _) in found.of_kind(RESTART).items()],
    )  # fmt: skip
    yield _counter(
        "reloads", "Reloads, by how they came out.",
        [({"outcome": name}, count) for (name,), (count, _) in found.of_kind(RELOAD).items()],
    )  # fmt: skip
    lags = [worker.lag for worker in found.workers]
    yield _gauge("hub_lag_worst_seconds", "By how much the latest hub is late now, or last was.",
                 [(_NONE, max(lags, default=0.0))])  # fmt: skip
    memory = [rss_of(worker.pid) for worker in found.workers]
    yield _gauge(
        "resident_memory_bytes", "Resident memory; pages that processes share count in each.",
        [({"process": "master"}, rss_of(master_pid)), ({"process": "workers"}, sum(memory))],
    )  # fmt: skip
    yield _gauge("worker_resident_memory_worst_bytes", "Of the largest worker.",
                 [(_NONE, max(memory, default=0))])  # fmt: skip


def _counter(name: str, text: str, rows: Iterable[tuple[Labels, float]]) -> Family:
    return Family(name, COUNTER, text, tuple(Sample(*row) for row in rows))


def _gauge(name: str, text: str, rows: Iterable[tuple[Labels, float]]) -> Family:
    return Family(name, GAUGE, text, tuple(Sample(*row) for row in rows))
