"""A pool of somebody else's as what requests run in.

Rules: of the pool only ``spawn`` and ``waitall`` are asked, and ``free`` where it has one; others may use it
at the same time, so a place that was free a moment ago may be gone. The hub must not wait, so whatever
has to wait for a place does so in a greenlet of its own.
"""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any, Protocol

import eventlet


class BorrowedJob(Protocol):
    """A request whose greenlet somebody else may kill."""

    has_begun: bool

    def run(self) -> None:
        """Runs it; raises nothing but GreenletExit."""

    def never_began(self) -> None:
        """Called when its greenlet has ended before it ran."""


class BorrowedPool:
    """Args:
    pool: an eventlet.GreenPool or the like.

    Raises:
        AttributeError: when it lacks one of the two methods.
    """

    def __init__(self, pool: Any) -> None:
        for name in ("spawn", "waitall"):
            if not callable(getattr(pool, name, None)):
                raise AttributeError(
                    f"custom_pool has no {name}(): give an eventlet.GreenPool, or what has its methods"
                )
        self._pool = pool
        self._free: Callable[[], int] | None = getattr(pool, "free", None)
        self._waiting: collections.deque[BorrowedJob] = collections.deque()
        self._feeds = False
        self._on_free: Callable[[], None] | None = None

    def submit(self, job: Any) -> None:
        """Runs a request at once if the pool has a place, else when it has one. Runs in: hub."""
        if not self._feeds and self._free is not None and self._free() > 0:
            self._spawn(job)
        else:
            self._waiting.append(job)
            self._feed_soon()

    @property
    def is_full(self) -> bool:
        """Whether the next request would wait, as far as can be known."""
        return bool(self._waiting) or (self._free is not None and self._free() <= 0)

    def call_when_free(self, callback: Callable[[], None]) -> None:
        """Calls back once when there is a place and no request waits for it."""
        self._on_free = callback
        self._feed_soon()

    def step_out(self) -> bool:
        """Gives no place: how many greenlets run at a time is for the pool's owner to say."""
        return False

    def step_in(self) -> None:
        """Nothing was given."""

    def _spawn(self, job: BorrowedJob) -> None:
        self._pool.spawn(job.run).link(_see_to, job)

    def _feed_soon(self) -> None:
        if not self._feeds:
            self._feeds = True
            eventlet.spawn_n(self._feed)

    def _feed(self) -> None:
        """Runs in: a greenlet of its own, while something waits for a place."""
        while self._waiting or self._on_free is not None:
            if self._waiting:
                self._spawn(self._waiting.popleft())
                continue
            self._pool.spawn(_nothing)  # to take a place is the one way to wait that every pool has
            if not self._waiting:
                callback, self._on_free = self._on_free, None
                if callback is not None:
                    callback()
        self._feeds = False


def _see_to(_greenthread: object, job: BorrowedJob) -> None:
    if not job.has_begun:
        job.never_began()


def _nothing() -> None:
    """Occupies a place for a moment."""
