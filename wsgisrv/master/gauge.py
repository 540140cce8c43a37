"""What the master measures of a worker about once a second: its memory and its rate of requests.

Where the system does not tell, the memory is 0, and a limit on it is never reached.
"""

from __future__ import annotations

from wsgisrv.memory import rss_of

EVERY = 1.0
"""Seconds between two measurements at least."""


class Gauge:
    """Args:
    pid: of the worker.
    now: time.monotonic().
    """

    __slots__ = ("_at", "_pid", "rate", "requests", "rss_bytes")

    def __init__(self, pid: int, now: float) -> None:
        self._pid = pid
        self._at = now
        self.requests = 0
        self.rate = 0.0  # requests a second, since the measurement before
        self.rss_bytes = 0

    def measure(self, requests: int, now: float) -> bool:
        """Measures if it is time to; False if not.

        Args:
            requests: that the worker has answered so far.
        """
        passed = now - self._at
        if passed < EVERY:
            return False
        self.rate = max(requests - self.requests, 0) / passed
        self.requests = requests
        self._at = now
        self.rss_bytes = rss_of(self._pid)
        return True
