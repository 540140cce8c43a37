"""What a service's own main() adds to its workers: hooks, tasks, and options of its own.

Rules: values only. All code of the service is named, as ``module:callable``, and found in the worker, so that
nothing of it is imported before the fork. Must not import eventlet, webob, paste or routes.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from oslo_config import cfg

from wsgisrv.task_board import TaskBoard


class Moment(enum.StrEnum):
    """When a hook is called; all of them in the worker."""

    POST_FORK = "post_fork"  # patched, before the app is imported; what it raises fails the boot
    READY = "ready"  # the worker has begun to serve
    DRAINING = "draining"  # it accepts no more; it waits for the hook
    WORKER_EXIT = "worker_exit"  # all is done, the last thing before it exits


class RunIn(enum.StrEnum):
    """Where a task runs."""

    ALL = "all"  # in every worker
    ONE = "one"  # in exactly one of them


@dataclasses.dataclass(frozen=True, slots=True)
class Task:
    """A periodic task, or a background greenlet.

    Args:
        target: ``module:callable``.
        run_in: where it runs.
        interval: seconds from the start of a run to the start of the next one, above 0; None for a
            background greenlet, which runs until it is told to stop.
        jitter: most seconds, 0 or more, that are added to each interval.
        immediate: whether the first run is at once, rather than after an interval.
    """

    target: str
    run_in: RunIn = RunIn.ALL
    interval: float | None = None
    jitter: float = 0.0
    immediate: bool = False


class Stopping(Protocol):
    """Tells a task that its worker drains."""

    def is_set(self) -> bool:
        """Whether it does."""

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until it does, ``timeout`` seconds at most; returns whether it does. Runs in: greenlet."""


@dataclasses.dataclass(frozen=True, slots=True)
class WorkerInfo:
    """What every hook and task is called with.

    Args:
        conf: the service's own, with what its files say now.
        worker_id: counts up for each worker of this master.
        generation: counts up with each reload.
        servers: names of those that the worker serves; [""] for one without a name.
        addresses: that it listens on, by server, as ``getsockname()`` has them.
        stopping: set when the worker begins to drain.
    """

    conf: cfg.ConfigOpts
    worker_id: int
    generation: int
    servers: tuple[str, ...]
    addresses: Mapping[str, tuple[Any, ...]]
    stopping: Stopping


Called = Callable[[WorkerInfo], object]


@dataclasses.dataclass(frozen=True, slots=True)
class Extension:
    """Args:
    conf: the service's own.
    hooks: by their moment, in the order in which they are called.
    tasks: by their names.
    board: of those that run in one worker only; None without such.
    boot: called when the app is loaded, before the worker says that it is ready; what it raises fails the
        boot. For wsgisrv's own.
    mutated: called when the files were read anew in a worker that runs. For wsgisrv's own.
    """

    conf: cfg.ConfigOpts
    hooks: Mapping[Moment, tuple[str | Called, ...]]
    tasks: Mapping[str, Task]
    board: TaskBoard | None = None
    boot: Called | None = None
    mutated: Called | None = None
