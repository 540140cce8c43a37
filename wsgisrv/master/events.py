"""What the supervisor tells the roster, and what the roster wants done: values only.

Must not import os, signal, time or socket.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, slots=True)
class Policy:
    """What the roster is to keep to in a group of workers, as in the options: times in seconds.

    Args:
        boot_timeout: 0 waits for ever.
        worker_timeout: 0 waits for ever.
        graceful_timeout: 0 does not wait.
        shutdown_delay: 0 drains at once.
        max_requests, max_worker_lifetime, max_worker_rss_bytes: 0 sets no limit.
    """

    workers: int
    boot_timeout: float
    worker_timeout: float
    graceful_timeout: float
    shutdown_delay: float = 0.0
    max_requests: int = 0
    max_requests_jitter: int = 0
    max_worker_lifetime: float = 0.0
    max_worker_lifetime_jitter: float = 0.0
    max_worker_rss_bytes: int = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Plan:
    """What a generation is to be.

    Args:
        version: of the settings that its workers are spawned with.
        groups: of workers, by name; one at least.
    """

    version: int
    groups: Mapping[str, Policy]


# Events


@dataclasses.dataclass(frozen=True, slots=True)
class Spawned:
    """The supervisor forked the worker that it was asked for."""

    worker_id: int


@dataclasses.dataclass(frozen=True, slots=True)
class SpawnFailed:
    """The kernel refused to fork it."""

    worker_id: int
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class BecameReady:
    """The worker has loaded its app and serves."""

    worker_id: int


@dataclasses.dataclass(frozen=True, slots=True)
class Beat:
    """The worker's hub was alive at ``at``."""

    worker_id: int
    at: float


@dataclasses.dataclass(frozen=True, slots=True)
class Measured:
    """The worker has answered so many requests, and has so much memory."""

    worker_id: int
    requests: int
    rss_bytes: int


@dataclasses.dataclass(frozen=True, slots=True)
class Exited:
    """The worker is gone.

    Args:
        reason: how it died, or why it could not boot, in words.
        exit_code: what the master should exit with if this ends the start; 0 for a worker that ended
            in order, which is no fault of one that drains.
    """

    worker_id: int
    reason: str
    exit_code: int


@dataclasses.dataclass(frozen=True, slots=True)
class Ticked:
    """Time has passed."""


@dataclasses.dataclass(frozen=True, slots=True)
class ReloadRequested:
    """A new generation is wanted, under a new plan."""

    plan: Plan


@dataclasses.dataclass(frozen=True, slots=True)
class Tuned:
    """What may change in a running service has changed: all of a policy but the number of workers."""

    groups: Mapping[str, Policy]


@dataclasses.dataclass(frozen=True, slots=True)
class ResizeRequested:
    """More or fewer workers of a group are wanted, 1 at least."""

    by: int
    group: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class ScaleRequested:
    """So many workers of a group are wanted, 1 at least."""

    workers: int
    group: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class StopRequested:
    """The service is to end.

    Args:
        graceful: False kills at once.
        is_handover: another master serves on where this one ends, so nobody is to be told and there is
            nothing to wait for.
    """

    graceful: bool
    is_handover: bool = False


Event = (
    Spawned
    | SpawnFailed
    | BecameReady
    | Beat
    | Measured
    | Exited
    | Ticked
    | ReloadRequested
    | Tuned
    | ResizeRequested
    | ScaleRequested
    | StopRequested
)


# Actions


@dataclasses.dataclass(frozen=True, slots=True)
class Spawn:
    """Fork a worker of a group, with the settings of ``version``."""

    worker_id: int
    generation: int
    version: int
    group: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Drain:
    """Ask the worker to finish its requests and exit.

    One that still boots, as far as is known, ends at once; it may have begun to serve at this moment.
    """

    worker_id: int


@dataclasses.dataclass(frozen=True, slots=True)
class Abort:
    """Send SIGABRT: the worker hangs, and should leave its stacks behind."""

    worker_id: int


@dataclasses.dataclass(frozen=True, slots=True)
class Kill:
    """Send SIGKILL."""

    worker_id: int


@dataclasses.dataclass(frozen=True, slots=True)
class Announce:
    """Tell the operator.

    Args:
        severity: ``debug``, ``info``, ``warning`` or ``error``.
    """

    severity: str
    text: str


@dataclasses.dataclass(frozen=True, slots=True)
class Serving:
    """Every worker of the generation is ready: the start or a reload is complete."""

    generation: int


@dataclasses.dataclass(frozen=True, slots=True)
class ReloadFailed:
    """The new generation, with the settings of ``version``, cannot boot; the old one stays."""

    generation: int
    version: int
    reason: str


@dataclasses.dataclass(frozen=True, slots=True)
class FailReadiness:
    """Have the workers say that no more requests should be sent here; they serve on."""


@dataclasses.dataclass(frozen=True, slots=True)
class StopListening:
    """Let go of the listeners: when the workers have, too, the kernel refuses who comes now."""


@dataclasses.dataclass(frozen=True, slots=True)
class Halt:
    """Nobody is left: end the master.

    Args:
        reason: empty when it was asked for.
    """

    exit_code: int
    reason: str


Action = (
    Spawn
    | Drain
    | Abort
    | Kill
    | Announce
    | Serving
    | ReloadFailed
    | FailReadiness
    | StopListening
    | Halt
)
