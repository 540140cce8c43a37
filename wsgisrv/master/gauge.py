"""What the master measures of a worker about once a second: its memory and its rate of requests.

Facts about proc(5): the second word of /proc/PID/statm is the resident set in pages. Where there is no
/proc the figure is 0, and a limit on memory is never reached.
"""

from __future__ import annotations

import os

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


def rss_of(pid: int) -> int:
    """Returns the resident set of a process in bytes, 0 when it is not to be known."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0
