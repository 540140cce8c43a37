"""One worker as the roster keeps it: where it stands, since when, and until when it may.

Must not import os, signal, time or socket.
"""

from __future__ import annotations

import dataclasses
import enum

from wsgisrv.master.events import Policy

ABORT_SECONDS = 2.0
"""Seconds that a stuck worker has to dump its stacks before it is killed."""


class State(enum.Enum):
    """Where a worker stands, as the master sees it."""

    BOOTING = "booting"
    READY = "ready"
    DRAINING = "draining"
    KILLED = "killed"


@dataclasses.dataclass(slots=True)
class Member:
    """A worker from its spawn to its exit; times are those of the roster's clock."""

    worker_id: int
    generation: int
    since: float  # when it came into its state
    group: str = ""
    state: State = State.BOOTING
    beat: float = 0.0
    ready_at: float | None = None
    aborted: bool = False  # for its own fault: it hung, or did not get ready in time
    requests: int = 0
    rss_bytes: int = 0
    retiring: bool = False  # to be drained when its replacement is ready

    def __str__(self) -> str:
        return f"worker {self.worker_id}{f' of {self.group}' if self.group else ''}"

    def deadline(self, policy: Policy) -> float | None:
        """Returns when it is overdue, None for never."""
        if self.aborted and self.state is State.READY:
            return self.since + ABORT_SECONDS
        if self.state is State.READY:
            return self.beat + policy.worker_timeout if policy.worker_timeout else None
        if self.state is State.BOOTING:
            return self.since + policy.boot_timeout if policy.boot_timeout else None
        if self.state is State.DRAINING:
            return self.since + policy.graceful_timeout
        return None
