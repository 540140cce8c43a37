"""What a worker counts, and how it reaches the scoreboard.

Rules: a request adds to plain attributes; the clock publishes them, so that no request pays for the
shared memory. What a request did not do costs it nothing: one that waited neither for a place nor for its
client took all of its time in the app, and is counted once. Labels that clients or apps choose are
bounded: what there would be too many of counts as ``other``.
"""

from __future__ import annotations

from bisect import bisect_left

from wsgisrv.scoreboard import BUCKETS, LATENCY_BOUNDS, Real, Slot, Word
from wsgisrv.series import OTHER, OVERFLOW, REFUSED, REQUEST, ROWS, TIMEOUT, name_of

METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY")
)

MOST_ROUTES = 100
MOST_NAMED = 400
"""Rows of requests that name their route; those that do not are few."""

MOST_REASONS = 40

_LATENCY, _QUEUE, _APP, _LAG = map(int, (Word.LATENCY, Word.QUEUE, Word.APP, Word.LAG))
_CLASSES = ("none", "1xx", "2xx", "3xx", "4xx", "5xx")

Row = list[float]
"""A count and a sum of seconds: what a request of known labels adds to."""


class Counters:
    """Counts since the worker's start."""

    __slots__ = (
        "_app_shift", "_lags", "_queue", "_queue_sum", "_reasons", "_routes", "_rows", "_waited",
        "_waited_sum", "accepted", "blocked", "bytes_in", "bytes_out", "lag_sum", "latency",
        "refused_headers",
    )  # fmt: skip

    def __init__(self) -> None:
        self.accepted = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.refused_headers = 0  # of the PROXY protocol; they are among the refused
        self.latency = [0] * BUCKETS
        self._queue = [0] * BUCKETS  # of requests that waited for something
        self._queue_sum = 0.0
        self._waited = 0  # requests that waited for something
        self._waited_sum = 0.0  # seconds of which the app is innocent
        self._app_shift = [0] * BUCKETS  # added to the latency's
        self._lags = [0] * BUCKETS
        self.lag_sum = 0.0
        self.blocked = 0.0
        self._rows: dict[str, Row] = {}
        self._routes: set[str] = set()
        self._reasons: set[str] = set()

    # Requests

    def note_waits(self, seconds: float, queue: float, client: float) -> None:
        """Tells of a request, whose latency was noted, how long it waited for others than the app.

        Args:
            seconds: from its head to its end.
            queue: of which it waited for a place in the pool.
            client: of which it waited for its client.
        """
        self._waited += 1
        self._queue[bisect_left(LATENCY_BOUNDS, queue)] += 1
        self._queue_sum += queue
        self._waited_sum += queue + client
        self._app_shift[bisect_left(LATENCY_BOUNDS, seconds)] -= 1
        self._app_shift[bisect_left(LATENCY_BOUNDS, max(seconds - queue - client, 0.0))] += 1

    def row_of(self, server: str, method: str, status: int, route: str) -> tuple[Row, bool]:
        """Returns what a request adds to, and whether all that have these labels do.

        Args:
            status: the code's first digit; 0: no response.
        """
        is_own = method in METHODS
        if route and (route not in self._routes or len(self._rows) >= MOST_NAMED):
            if len(self._routes) < MOST_ROUTES and len(self._rows) < MOST_NAMED:
                self._routes.add(route)
            else:
                is_own, route = False, OTHER
        method = method if method in METHODS else OTHER
        return self._row(name_of(REQUEST, server, method, _CLASSES[status], route)), is_own

    # What else happens

    def note_refused(self, status: int, reason: str) -> None:
        """Counts a request, or a connection, that was refused.

        Args:
            status: of the answer, 0 for none.
            reason: in our words.
        """
        if reason not in self._reasons:
            if len(self._reasons) < MOST_REASONS:
                self._reasons.add(reason)
            else:
                reason = OTHER
        self._row(name_of(REFUSED, str(status or ""), reason))[0] += 1

    def note_timeout(self, kind: str) -> None:
        """Counts a deadline that has passed; ``kind`` is one of a few."""
        self._row(name_of(TIMEOUT, kind))[0] += 1

    def note_lag(self, lag: float, warning: float) -> None:
        """Counts a tick of the clock.

        Args:
            lag: seconds by which it came late.
            warning: from which on the hub was blocked.
        """
        self._lags[bisect_left(LATENCY_BOUNDS, lag)] += 1
        self.lag_sum += lag
        if lag > warning:
            self.blocked += lag

    def _row(self, name: str) -> Row:
        row = self._rows.get(name)
        if row is None:
            if len(self._rows) >= ROWS - 1 and name != OVERFLOW:
                return self._row(OVERFLOW)
            row = self._rows[name] = [0, 0.0]
        return row

    # The scoreboard

    def publish(self, slot: Slot, running: int, waiting: int) -> None:
        """Writes everything to the worker's slot."""
        words, reals = slot.words, slot.reals
        total = sum(self.latency)
        seconds_of_all = sum(seconds for _, seconds in self._rows.values())
        at_once = total - self._waited  # whom the pool and the client kept waiting for nothing
        words[Word.IN_FLIGHT] = running
        words[Word.WAITING] = waiting
        words[Word.ACCEPTED] = self.accepted
        words[Word.REQUESTS] = total
        words[Word.BYTES_IN] = self.bytes_in
        words[Word.BYTES_OUT] = self.bytes_out
        for place in range(BUCKETS):
            words[_LATENCY + place] = self.latency[place]
            words[_QUEUE + place] = self._queue[place] + (0 if place else at_once)
            words[_APP + place] = self.latency[place] + self._app_shift[place]
            words[_LAG + place] = self._lags[place]
        reals[Real.LATENCY_SUM] = seconds_of_all
        reals[Real.QUEUE_SUM] = self._queue_sum
        reals[Real.APP_SUM] = seconds_of_all - self._waited_sum
        reals[Real.LAG_SUM] = self.lag_sum
        reals[Real.BLOCKED] = self.blocked
        for name, (count, seconds) in self._rows.items():
            slot.series.write(name, int(count), seconds)
