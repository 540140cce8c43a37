"""What a service's main() has added to this worker: its hooks, its tasks and its own options.

Rules: made at boot, after the patching and before the app; a worker of a service without any of it has none
of these. What is named is imported here. Runs in: hub, unless a method says otherwise.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Self

import eventlet

from wsgisrv.context import WorkerContext
from wsgisrv.errors import ConfigError, first_line
from wsgisrv.extension import Called, Extension, Moment, WorkerInfo
from wsgisrv.named import find_named
from wsgisrv.worker.tasks import StopFlag, Tasks

_LOG = logging.getLogger("wsgisrv.worker")


class Extended:
    """Args:
    extension: from the master.
    context: likewise.

    Raises:
        ConfigError: when a hook is not there.
    """

    def __init__(self, extension: Extension, context: WorkerContext) -> None:
        self._extension = extension
        self._stopping = StopFlag()
        self._info = _info(extension, context, self._stopping)
        self._hooks = {
            moment: [_found(moment, target) for target in targets]
            for moment, targets in extension.hooks.items()
        }
        self._slot = context.scoreboard[context.slot]
        self._tasks: Tasks | None = None
        self._hooks_left = 0
        self._on_change: Callable[[], None] = _nothing

    @classmethod
    def begin(cls, extension: Extension, context: WorkerContext) -> Self:
        """Finds the hooks and calls those of POST_FORK. Runs in: main greenlet, at boot.

        Raises:
            ConfigError: when a hook is not there, or raises.
        """
        extended = cls(extension, context)
        for name, call in extended._hooks.get(Moment.POST_FORK, ()):
            try:
                call(extended._info)
            except (Exception, SystemExit) as error:
                raise ConfigError(f"{name} failed: {_text(error)}") from error
        return extended

    def prepare(self) -> None:
        """Finds the tasks, now that the app is loaded. Runs in: main greenlet, at boot.

        Raises:
            ConfigError: when one is not there.
        """
        extension = self._extension
        if extension.tasks:
            self._tasks = Tasks(
                extension.tasks, extension.board, self._info, self._slot, self._changed
            )
        if extension.boot is not None:
            extension.boot(self._info)

    @property
    def is_done(self) -> bool:
        """Whether nothing of it is at work that the worker's end has to wait for."""
        return not self._hooks_left and (self._tasks is None or self._tasks.is_done)

    def start(self, on_change: Callable[[], None]) -> None:
        """The worker serves: begins with the tasks, and calls the hooks of READY, each in a greenlet.

        Args:
            on_change: called when ``is_done`` may have changed.
        """
        self._on_change = on_change
        self._spawn(Moment.READY)
        if self._tasks is not None:
            self._tasks.start()

    def drain(self) -> None:
        """Tells the tasks to stop, and calls the hooks of DRAINING, each in a greenlet; the first time."""
        if not self._stopping.is_set():
            self._spawn(Moment.DRAINING)
            self._stopping.set()

    def reread(self) -> None:
        """Has the service's conf take what is mutable from its files, as they are now; does not wait."""
        eventlet.spawn_n(self._reread)

    def _reread(self) -> None:
        """Runs in: greenlet, since hooks of the conf may wait."""
        log = logging.getLogger("oslo_config.cfg")
        # It would say of every other option that its change is ignored, but the new generation has it.
        log.addFilter(_no_record)
        try:
            self._extension.conf.mutate_config_files()
        except (Exception, SystemExit) as error:
            _LOG.error("the service's options stay as they were: %s", first_line(error))
            return
        finally:
            log.removeFilter(_no_record)
        if self._extension.mutated is not None:
            self._extension.mutated(self._info)

    def end(self) -> None:
        """Calls the hooks of WORKER_EXIT, one after another. Runs in: main greenlet, at the end."""
        for name, call in self._hooks.get(Moment.WORKER_EXIT, ()):
            _survive(name, call, self._info)

    def _spawn(self, moment: Moment) -> None:
        for name, call in self._hooks.get(moment, ()):
            self._hooks_left += 1
            eventlet.spawn_n(self._run_hook, name, call)

    def _run_hook(self, name: str, call: Called) -> None:
        """Runs in: greenlet."""
        try:
            _survive(name, call, self._info)
        finally:
            self._hooks_left -= 1
            self._changed()

    def _changed(self) -> None:
        self._on_change()


def _info(extension: Extension, context: WorkerContext, stopping: StopFlag) -> WorkerInfo:
    return WorkerInfo(
        conf=extension.conf,
        worker_id=context.worker_id,
        generation=context.generation,
        servers=tuple(served.name for served in context.servers),
        addresses={
            served.name: tuple(listener.getsockname() for listener in served.listeners)
            for served in context.servers
        },
        stopping=stopping,
    )


def _found(moment: Moment, target: str | Called) -> tuple[str, Called]:
    if callable(target):
        return f"hook {moment}", target
    name = f"hook {moment} = {target}"
    return name, find_named(name, target)


def _survive(name: str, call: Called, info: WorkerInfo) -> None:
    try:
        call(info)
    except (Exception, SystemExit, eventlet.Timeout) as error:
        _LOG.error("%s failed: %s", name, first_line(error), exc_info=error)


def _text(error: BaseException) -> str:
    if isinstance(error, SystemExit):
        return f"it called sys.exit({error.code!r})"
    return first_line(error)


def _no_record(_record: logging.LogRecord) -> bool:
    return False


def _nothing() -> Any:
    """Nobody waits yet."""
