"""When the next worker may be spawned: at once after a long life, later and later in a crash loop.

Must not import os, signal, time or socket.
"""

from __future__ import annotations

from wsgisrv.master.member import Member

LONG_ENOUGH = 5.0
"""Seconds after READY from which a worker's death is no sign of a crash loop."""

FIRST_DELAY = 0.5
LONGEST_DELAY = 30.0
"""Seconds before a replacement is spawned, doubled for each early death in a row."""


class Backoff:
    """Args:
    now: seconds on the roster's clock.
    """

    def __init__(self, now: float) -> None:
        self.not_before = now
        self._rounds = 0
        self.deaths = 0  # early ones in a row

    def note_death(self, worker: Member, now: float) -> float | None:
        """Returns the seconds of the delay that begins now for this death.

        None for no delay after a long life, 0 for an early death during a delay: workers that die
        together are one reason to wait.
        """
        if worker.ready_at is not None and (worker.aborted or now - worker.ready_at >= LONG_ENOUGH):
            self.forget_deaths()
            return None
        self.deaths += 1
        if now < self.not_before:
            return 0.0
        delay: float = min(FIRST_DELAY * 2**self._rounds, LONGEST_DELAY)
        self.not_before = now + delay
        self._rounds = min(self._rounds + 1, 16)
        return delay

    def forgive(self, gap: float) -> None:
        """Nobody waited while the machine was stopped."""
        self.not_before += gap

    def forget_deaths(self) -> None:
        """Others serve now: the next early death is the first."""
        self._rounds = self.deaths = 0
