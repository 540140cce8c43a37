"""What has become of workers and reloads: counted for metrics, and the last of it in words.

Rules: counts stand on the scoreboard beside those of dead workers, so that they never fall either; each
cause is there from the start, with 0. Runs in: master loop.
"""

from __future__ import annotations

import collections
import enum
import time

from wsgisrv.control import Fields
from wsgisrv.master.member import Member, State
from wsgisrv.scoreboard import Scoreboard
from wsgisrv.series import RELOAD, RESTART, name_of

MOST_EVENTS = 50


class Cause(enum.Enum):
    """Why a worker has ended that another one takes the place of."""

    BOOT = "boot"  # it could not load its app, or not in time
    CRASH = "crash"  # it exited by itself
    SIGNAL = "signal"  # somebody else's: the kernel's when memory runs out, an operator's
    HANG = "hang"  # it stood still for worker_timeout
    RECYCLE = "recycle"  # max_requests and its like
    RELOAD = "reload"  # a new generation serves


def cause_of(
    member: Member, *, generation: int, was_killed: bool, is_stopping: bool
) -> Cause | None:
    """Returns why a worker has ended, None where nobody takes its place.

    Args:
        generation: that serves.
        was_killed: by a signal, whoever sent it.
        is_stopping: whether the service ends.
    """
    if member.aborted:
        return Cause.HANG if member.ready_at is not None else Cause.BOOT
    if member.state in (State.DRAINING, State.KILLED):
        if member.retiring:
            return Cause.RECYCLE
        is_old = member.generation < generation and not is_stopping
        return Cause.RELOAD if is_old else None
    if is_stopping:
        return None
    if member.ready_at is None:
        return Cause.BOOT
    return Cause.SIGNAL if was_killed else Cause.CRASH


class History:
    """Args:
    scoreboard: where the counts stand.
    """

    def __init__(self, scoreboard: Scoreboard) -> None:
        self._retired = scoreboard.retired
        self._events: collections.deque[tuple[float, str, str]] = collections.deque(
            maxlen=MOST_EVENTS
        )
        names = [name_of(RESTART, cause.value) for cause in Cause]
        names += [name_of(RELOAD, outcome) for outcome in ("done", "failed")]
        self._retired.add_series((name, 0, 0.0) for name in names)

    def note_exit(self, cause: Cause | None, text: str) -> None:
        """A worker has ended; what was asked for is counted, and no event."""
        if cause is None:
            return
        self._retired.add_series([(name_of(RESTART, cause.value), 1, 0.0)])
        if cause is not Cause.RELOAD:
            self._note("death" if cause is not Cause.RECYCLE else "recycle", text)

    def note_reload(self, *, has_succeeded: bool, text: str) -> None:
        """A reload has come to its end."""
        outcome = "done" if has_succeeded else "failed"
        self._retired.add_series([(name_of(RELOAD, outcome), 1, 0.0)])
        self._note("reload" if has_succeeded else "reload failed", text)

    def _note(self, kind: str, text: str) -> None:
        self._events.appendleft((time.monotonic(), kind, text))

    def events(self, now: float) -> list[Fields]:
        """Returns the last events, the newest first, for the status.

        Args:
            now: time.monotonic().
        """
        return [
            {"kind": kind, "text": text, "ago": round(now - at, 1)}
            for at, kind, text in self._events
        ]
