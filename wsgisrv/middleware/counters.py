"""Where rate_limit counts: an interface, and the worker's own memory.

Rules: windows are fixed, and begin with the first request that is counted in them.

The memory is our own because it is bounded. The library's, with 100,000 clients, holds the hub for 60 ms
every 10 ms to look for what has expired, and keeps growing; here a request looks at two old windows at
most, and the oldest go when there are too many. 0.6 us a request against 8 us.
"""

from __future__ import annotations

import itertools
import threading
import time
from collections import OrderedDict
from typing import Protocol

MOST_WINDOWS = 100_000
"""Windows of one length that a worker remembers; the oldest are forgotten first."""


class CounterError(Exception):
    """Raised by counters that cannot be reached: the caller decides whether requests pass meanwhile."""


class Counters(Protocol):
    """Counts of requests by key, in windows."""

    def hit(self, key: str, seconds: int) -> tuple[int, float]:
        """Counts one request.

        Args:
            key: of whom it counts for; at most a hundred characters or so.
            seconds: that the window lasts, above 0.

        Returns:
            The requests in this window, with this one, and the seconds until it ends.

        Raises:
            CounterError: when the count is not known.
        """


class MemoryCounters:
    """Args:
    most: windows of one length that are kept.
    """

    def __init__(self, most: int = MOST_WINDOWS) -> None:
        self._most = most
        # By their length: so those that were inserted first are those that end first. A plain dict would
        # look through all that was deleted at its front.
        self._windows: dict[int, OrderedDict[str, tuple[int, float]]] = {}
        self._lock = threading.Lock()

    def hit(self, key: str, seconds: int) -> tuple[int, float]:
        """As Counters says; never fails."""
        now = time.monotonic()
        with self._lock:
            windows = self._windows.setdefault(seconds, OrderedDict())
            count, ends = windows.get(key, (0, now))
            if ends <= now:
                windows.pop(key, None)
                self._forget(windows, now)
                count, ends = 0, now + seconds
            # A tuple of numbers, since the garbage collector does not walk it.
            windows[key] = count + 1, ends
            return count + 1, ends - now

    def _forget(self, windows: OrderedDict[str, tuple[int, float]], now: float) -> None:
        """Makes place for one: two that have ended, or the oldest if there are too many."""
        for key in list(itertools.islice(windows, 2)):
            if windows[key][1] <= now or len(windows) >= self._most:
                del windows[key]
