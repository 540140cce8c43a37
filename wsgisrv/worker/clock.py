"""The worker's one coarse clock: deadlines, the beat, and what else is done a few times a second.

Rules: no connection has a timer. A connection carries its ``deadline`` and stands in one bucket of the
clock; to move a deadline later costs one assignment, and the bucket notices when it comes up. A sweep
touches the buckets that are due, never all connections. Deadlines fire up to two TICKs late, never early.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any, Protocol

from wsgisrv.scoreboard import BEAT_SECONDS

TICK = BEAT_SECONDS
"""Seconds between two sweeps."""

NEVER = math.inf


class Watched(Protocol):
    """What has a deadline, in seconds of time.monotonic()."""

    deadline: float
    wake: float

    def expire(self) -> None:
        """Called in the hub when the deadline has passed."""


class Clock:
    """Runs in: hub.

    Args:
        hub: eventlet's hub.
        on_tick: called each TICK with (now, seconds by which the tick came late).
    """

    def __init__(self, hub: Any, on_tick: Callable[[float, float], None]) -> None:
        self._hub = hub
        self._on_tick = on_tick
        self._buckets: dict[int, set[Watched]] = {}
        self._due = 0.0
        self._swept = int(time.monotonic() / TICK)
        self._timer: Any = None
        self.date = ""
        self.date_line = ""  # as responses have it

    def start(self) -> None:
        """Begins to tick; ticks until ``stop``, in a worker until the process ends."""
        self._due = time.monotonic()
        self._tick()

    def stop(self) -> None:
        """Ends the ticking, when nothing is watched any more."""
        if self._timer is not None:
            self._timer.cancel()

    def watch(self, watched: Watched, deadline: float) -> None:
        """Sets a deadline, NEVER for none."""
        watched.deadline = deadline
        if deadline < watched.wake:
            self._enter(watched, deadline)

    def forget(self, watched: Watched) -> None:
        """Drops what will have no deadline any more."""
        bucket = self._buckets.get(_bucket_of(watched.wake)) if watched.wake < NEVER else None
        if bucket:
            bucket.discard(watched)
        watched.deadline = watched.wake = NEVER

    def _enter(self, watched: Watched, deadline: float) -> None:
        if watched.wake < NEVER:
            self._buckets[_bucket_of(watched.wake)].discard(watched)
        bucket = max(int(deadline / TICK), self._swept) + 1
        watched.wake = bucket * TICK
        self._buckets.setdefault(bucket, set()).add(watched)

    def _tick(self) -> None:
        now = time.monotonic()
        self._timer = self._hub.schedule_call_global(TICK, self._tick)
        self.date = formatdate(usegmt=True)
        self.date_line = f"Date: {self.date}\r\n"
        lag = max(now - self._due, 0.0)
        self._due = now + TICK
        self._sweep(now)
        self._on_tick(now, lag)

    def _sweep(self, now: float) -> None:
        last = int(now / TICK)
        for bucket in range(self._swept + 1, last + 1):
            self._swept = bucket
            for watched in self._buckets.pop(bucket, ()):
                watched.wake = NEVER
                if watched.deadline <= now:
                    watched.expire()
                elif watched.deadline < NEVER:
                    self._enter(watched, watched.deadline)


def _bucket_of(wake: float) -> int:
    return round(wake / TICK)
