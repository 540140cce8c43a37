"""What the commands of the control socket mean: checked, carried out by the supervisor, answered.

Rules: a wrong request is answered with one line and touches nothing. Knows no socket: a client is what
takes an answer. Runs in: master loop.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import Protocol

from wsgisrv.control import (
    DEFAULT_RATE,
    LEVELS,
    MOST_PROFILE_SECONDS,
    MOST_RATE,
    MOST_WORKERS,
    Fields,
    failure,
)
from wsgisrv.errors import ConfigError, ReloadError, UsageError, WsgisrvError, first_line

_LONGEST_NAME = 200


class Asker(Protocol):
    """Who is to be answered."""

    def answer(self, fields: Fields, *, is_last: bool = True) -> None:
        """Takes an answer."""


class Service(Protocol):
    """What the supervisor does when it is told to."""

    def status(self) -> Fields:
        """Returns how service and workers stand."""

    def read_settings(self) -> int:
        """Reads the settings for a reload and returns their version; raises WsgisrvError instead."""

    def begin_reload(self, version: int) -> None:
        """Begins a new generation with the settings of ``version``."""

    def upgrade(self, asker: Asker) -> None:
        """Runs a new master; ``asker`` is answered when it serves, or cannot."""

    def stop(self, *, graceful: bool, asked_by: str) -> None:
        """Begins to stop."""

    def scale(self, workers: int, server: str) -> list[str]:
        """Wants so many workers for a server, "" where there is but one group of workers, and returns the
        names of the servers that they serve; raises WsgisrvError when none are meant.
        """

    def reopen_logs(self) -> None:
        """Has the log files opened anew."""

    def dump(self, asker: Asker) -> None:
        """Has every worker's stacks gathered, and ``asker`` answered with them."""

    def profile(self, asker: Asker, worker_id: int, seconds: float, rate: int) -> None:
        """Has a worker profiled, and ``asker`` answered with what it ran; raises UsageError instead."""

    def set_log_level(self, level: str, logger: str) -> None:
        """Logs from another level on, here and in every worker."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Reload:
    version: int
    asker: Asker


class Commands:
    """Args:
    service: carries them out.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._reloads: list[_Reload] = []
        self._by_name: dict[str, Callable[[Fields, Asker], None]] = {
            "status": self._status,
            "reload": self._reload,
            "upgrade": self._upgrade,
            "stop": self._stop,
            "scale": self._scale,
            "dump": self._dump,
            "profile": self._profile,
            "logs-reopen": self._reopen_logs,
            "log-level": self._set_log_level,
        }

    def obey(self, fields: Fields, asker: Asker) -> None:
        """Carries out one request."""
        name = fields.get("command")
        command = self._by_name.get(name) if isinstance(name, str) else None
        try:
            if command is None:
                raise UsageError(f"no such command; there are {', '.join(self._by_name)}")
            command(fields, asker)
        except WsgisrvError as error:
            asker.answer(failure(first_line(error), error.exit_code))

    def reload_failed(self, reason: str, *, after: int = -1, to: int | None = None) -> None:
        """Tells who waits for a reload that it failed.

        Args:
            after: version that serves, or will in spite of it.
            to: the one that failed, for which those wait, too, whom it has overtaken; None for all.
        """
        for waiting in self._take(lambda wanted: after < wanted and (to is None or wanted <= to)):
            waiting.asker.answer(failure(f"reload: {reason}", ReloadError.exit_code))

    def reload_done(self, version: int, generation: int) -> None:
        """Tells who waits for it, or for one that it has overtaken."""
        for waiting in self._take(lambda wanted: wanted <= version):
            waiting.asker.answer({"ok": True, "generation": generation})

    def _take(self, matches: Callable[[int], bool]) -> list[_Reload]:
        taken = [waiting for waiting in self._reloads if matches(waiting.version)]
        self._reloads = [waiting for waiting in self._reloads if waiting not in taken]
        return taken

    # Commands

    def _status(self, _fields: Fields, asker: Asker) -> None:
        asker.answer({"ok": True, **self._service.status()})

    def _reload(self, _fields: Fields, asker: Asker) -> None:
        try:
            version = self._service.read_settings()
        except WsgisrvError as error:
            raise ReloadError(f"reload: {first_line(error)}") from None
        asker.answer({"wait": True}, is_last=False)
        self._reloads.append(_Reload(version, asker))
        self._service.begin_reload(version)  # which may fail before it returns

    def _upgrade(self, _fields: Fields, asker: Asker) -> None:
        try:
            self._service.upgrade(asker)
        except ReloadError as error:
            raise ReloadError(f"upgrade: {first_line(error)}") from None

    def _stop(self, fields: Fields, asker: Asker) -> None:
        now = fields.get("now", False)
        if not isinstance(now, bool):
            raise UsageError("stop: now is true or false")
        asker.answer({"wait": True, "pid": os.getpid()}, is_last=False)
        self.reload_failed("the service is stopping")
        self._service.stop(graceful=not now, asked_by="control socket")

    def _scale(self, fields: Fields, asker: Asker) -> None:
        workers = fields.get("workers")
        if type(workers) is not int or not 1 <= workers <= MOST_WORKERS:
            raise UsageError(f"scale: workers are a whole number from 1 to {MOST_WORKERS}")
        server = fields.get("server", "")
        if not isinstance(server, str) or len(server) > _LONGEST_NAME:
            raise UsageError("scale: server is a server's name")
        try:
            servers = self._service.scale(workers, server)
        except ConfigError as error:
            raise UsageError(f"scale: {first_line(error)}") from None
        asker.answer({"ok": True, "workers": workers, "servers": servers})

    def _dump(self, _fields: Fields, asker: Asker) -> None:
        asker.answer({"wait": True}, is_last=False)
        self._service.dump(asker)

    def _profile(self, fields: Fields, asker: Asker) -> None:
        worker, seconds = fields.get("worker"), fields.get("seconds", 10)
        rate = fields.get("rate", DEFAULT_RATE)
        if type(worker) is not int:
            raise UsageError("profile: worker is the number of a worker")
        if type(seconds) not in (int, float) or not 0.1 <= seconds <= MOST_PROFILE_SECONDS:
            raise UsageError(f"profile: seconds are from 0.1 to {MOST_PROFILE_SECONDS}")
        if type(rate) is not int or not 1 <= rate <= MOST_RATE:
            raise UsageError(f"profile: rate is samples a second, 1 to {MOST_RATE}")
        self._service.profile(asker, worker, seconds, rate)

    def _reopen_logs(self, _fields: Fields, asker: Asker) -> None:
        self._service.reopen_logs()
        asker.answer({"ok": True})

    def _set_log_level(self, fields: Fields, asker: Asker) -> None:
        level, logger = fields.get("level"), fields.get("logger", "")
        if level not in LEVELS:
            raise UsageError(f"log-level: levels are {', '.join(LEVELS)}")
        if not isinstance(logger, str) or len(logger) > _LONGEST_NAME or not _is_name(logger):
            raise UsageError("log-level: a logger's name has letters, digits, dots, _ and - only")
        self._service.set_log_level(level, logger)
        asker.answer({"ok": True, "level": level, "logger": logger})


def _is_name(logger: str) -> bool:
    return all(part.replace("-", "_").isidentifier() for part in logger.split(".") if logger)
