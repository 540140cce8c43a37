"""The last 15 minutes, a point for each second, so that a page that is opened has them at once.

Rules: one thread adds, others read. A point is what happened in its second; none is changed afterwards.
"""

from __future__ import annotations

import collections
import threading

from wsgisrv.figures import Figures, quantile
from wsgisrv.memory import rss_of
from wsgisrv.scoreboard import State, Word
from wsgisrv.series import REFUSED, TIMEOUT

POINTS = 900

NAMES = (
    "time", "rate", "errors", "client_errors", "p50", "p95", "p99", "lag", "connections", "in_flight",
    "waiting", "refused", "timeouts", "bytes_in", "bytes_out", "workers", "rss",
)  # fmt: skip
"""Of a point's numbers: time in seconds (UTC), what is counted in a second, p50 to lag in milliseconds, rss
in MiB."""

Point = tuple[float, ...]


class Recent:
    """A ring of POINTS, each numbered."""

    def __init__(self) -> None:
        self._points: collections.deque[Point] = collections.deque(maxlen=POINTS)
        self._last: Figures | None = None
        self._count = 0
        self._lock = threading.Lock()

    def add(self, found: Figures, now: float) -> None:
        """Adds what has happened since the last call.

        Args:
            now: time.time().
        """
        last, self._last = self._last, found
        if last is None or found.at <= last.at:
            return
        point = _point(last, found, now)
        with self._lock:
            self._points.append(point)
            self._count += 1

    def since(self, number: int) -> tuple[int, list[Point]]:
        """Returns how many points there ever were, and those from the ``number``-th on."""
        with self._lock:
            missing = max(min(self._count - number, len(self._points)), 0)
            return self._count, list(self._points)[len(self._points) - missing :]


def _point(last: Figures, found: Figures, now: float) -> Point:
    seconds = found.at - last.at
    responses = {
        name: count - last.responses().get(name, 0) for name, count in found.responses().items()
    }
    buckets = [
        after - before
        for before, after in zip(
            last.histograms[Word.LATENCY], found.histograms[Word.LATENCY], strict=True
        )
    ]
    p50, p95, p99 = (quantile(buckets, share) * 1000 for share in (0.5, 0.95, 0.99))
    numbers = (
        sum(responses.values()) / seconds, responses["5xx"] / seconds, responses["4xx"] / seconds,
        p50, p95, p99, _lag(last, found) * 1000, found.gauge(Word.CONNECTIONS),
        found.gauge(Word.IN_FLIGHT), found.gauge(Word.WAITING),
        (_total(found, REFUSED) - _total(last, REFUSED)) / seconds,
        (_total(found, TIMEOUT) - _total(last, TIMEOUT)) / seconds,
        (found.counts[Word.BYTES_IN] - last.counts[Word.BYTES_IN]) / seconds,
        (found.counts[Word.BYTES_OUT] - last.counts[Word.BYTES_OUT]) / seconds,
        sum(worker.state is State.READY for worker in found.workers),
        sum(rss_of(worker.pid) for worker in found.workers) / 1024**2,
    )  # fmt: skip
    return (round(now, 2), *(round(number, 3) for number in numbers))


def _total(found: Figures, kind: str) -> int:
    return sum(count for count, _ in found.of_kind(kind).values())


def _lag(last: Figures, found: Figures) -> float:
    """Returns by how much the hub of the worst worker was late in the meantime, or is now."""
    before = {(worker.slot, worker.pid): worker.lag_sum for worker in last.workers}
    late = [0.0]
    for worker in found.workers:
        late.append(worker.lag_sum - before.get((worker.slot, worker.pid), worker.lag_sum))
        late.append(worker.lag)
    return max(late)
