"""``wsgisrv profile``: asks a worker's watchdog for samples of what its hub's thread runs, and hands them
over.

Rules: one at a time, so that all workers together are never slowed by more than one is. The worker is asked
by the scoreboard, so that one whose hub is blocked answers, too; it leaves the result in a file in memory.
Nobody is stopped, and nobody waits for another. Runs in: master loop.
"""

from __future__ import annotations

import dataclasses
import time

from wsgisrv.control import Fields, failure
from wsgisrv.errors import UnavailableError, UsageError
from wsgisrv.master.dumps import Asker
from wsgisrv.master.worker_handle import WorkerHandle
from wsgisrv.master.workers import Workers
from wsgisrv.scoreboard import Word

_LOOK_SECONDS = 0.1
_GRACE_SECONDS = 5.0
"""That a result may be late: the watchdog waits for the interpreter like everybody."""


@dataclasses.dataclass(slots=True)
class _Profile:
    asker: Asker
    handle: WorkerHandle
    token: int
    ends: float
    look: float


class Profiles:
    """Args:
    workers: one of which is asked.
    """

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._running: _Profile | None = None

    def begin(self, asker: Asker, worker_id: int, seconds: float, rate: int) -> None:
        """Asks a worker; ``asker`` is answered when the time is over.

        Args:
            rate: samples a second.

        Raises:
            UsageError: when there is no such worker, or another profile is being taken.
        """
        handle = self._workers.get(worker_id)
        if handle is None:
            there = ", ".join(str(found.worker_id) for found in self._workers.handles())
            raise UsageError(f"profile: there is no worker {worker_id}; there is {there or 'none'}")
        now = time.monotonic()
        if self._running is not None:
            left = max(self._running.ends - now, 0.0)
            raise UsageError(
                f"profile: {self._running.handle} is being profiled, for {left:.0f} s more"
            )
        words = self._workers.scoreboard[handle.slot].words
        words[Word.PROFILE_MS] = int(seconds * 1000)
        words[Word.PROFILE_RATE] = rate
        words[Word.PROFILE_ASKED] += 1
        token = words[Word.PROFILE_ASKED]
        self._running = _Profile(asker, handle, token, now + seconds, now + seconds)

    def on_exit(self, handle: WorkerHandle) -> None:
        """A worker is gone, and will not answer."""
        if self._running is not None and self._running.handle is handle:
            self._fail(f"profile: {handle} has ended")

    def deadline(self) -> float | None:
        """Returns when ``tick`` has something to do, None for never."""
        return None if self._running is None else self._running.look

    def tick(self) -> None:
        """Looks whether the result is there."""
        running = self._running
        now = time.monotonic()
        if running is None or now < running.look:
            return
        running.look = now + _LOOK_SECONDS
        words = self._workers.scoreboard[running.handle.slot].words
        if words[Word.PROFILE_DONE] == running.token:
            found = running.handle.report.read_json()
            running.handle.report.clear()
            if found is not None:
                self._answer({"ok": True, "worker": running.handle.worker_id, **found})
                return
        if now > running.ends + _GRACE_SECONDS:
            self._fail(
                f"profile: {running.handle} does not answer: it still boots, or its interpreter is held"
            )

    def _fail(self, reason: str) -> None:
        self._answer(failure(reason, UnavailableError.exit_code))

    def _answer(self, fields: Fields) -> None:
        if self._running is not None:
            running, self._running = self._running, None
            running.asker.answer(fields)
