"""What ties a master to whoever started it and to the system: its starter, pid file, log file and title.

Rules: opened by ``start``, told by the supervisor's loop, closed in every worker. Runs in: master loop.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
from collections.abc import Sequence

from wsgisrv.errors import SystemRefusedError
from wsgisrv.log_file import LogFile
from wsgisrv.master.handover import Predecessor
from wsgisrv.master.pid_file import PidFile
from wsgisrv.master.starter import Starter
from wsgisrv.task_board import TaskBoard
from wsgisrv.titles import Titles

_LOG = logging.getLogger("wsgisrv.master")


@dataclasses.dataclass(frozen=True, slots=True)
class Again:
    """How the master is run once more, for an upgrade.

    Args:
        directory: where it was started.
        inherited: addresses that came from systemd, with their names.
        control_option: ``control_socket``.
        is_detached: whether the service is a daemon.
        tasks: descriptor of the board of the service's tasks; -1 for none.
    """

    directory: str = "/"
    inherited: tuple[tuple[str, str], ...] = ()
    control_option: str = ""
    is_detached: bool = False
    tasks: int = -1


class Surroundings:
    """Args:
    starter: waits until the service is ready; None for nobody.
    predecessor: the master that this one follows; it is the starter then.
    pid_file, log_file: open already; None for none.
    titles: shows what the master does.
    notes: lines for the log, each with its level, when the service is ready for the first time.
    again: how the master is run once more, for an upgrade.
    tasks: those of the service; None for a service without.
    """

    def __init__(
        self,
        *,
        starter: Starter | None = None,
        predecessor: Predecessor | None = None,
        pid_file: PidFile | None = None,
        log_file: LogFile | None = None,
        titles: Titles | None = None,
        notes: Sequence[tuple[int, str]] = (),
        again: Again | None = None,
        tasks: TaskBoard | None = None,
    ) -> None:
        self.predecessor = predecessor
        self.log_file = log_file
        self.again = again or Again()
        self.tasks = tasks
        self.starter = starter
        self._pid_file = pid_file
        self._titles = titles
        self._notes = notes
        self.is_ready = False

    def note(self) -> None:
        """Logs what there is to know of the start, once: a start that fails is one line."""
        for level, text in self._notes:
            _LOG.log(level, "%s", text)
        self._notes = ()

    @property
    def is_waiting(self) -> bool:
        """Whether this master follows another one that has not handed over yet."""
        return self.predecessor is not None and self.starter is not None

    def ready(self, status: str) -> None:
        """The service is ready; the first time the starter is told so."""
        if self.is_ready:
            return
        self.is_ready = True
        if self.starter is not None:
            adopted = self.predecessor.adopted() if self.predecessor is not None else []
            self.starter.ready(status, adopted)

    def forget_starter(self) -> None:
        """Nobody waits any more."""
        if self.starter is not None:
            self.starter.close()
            self.starter = None

    def take_over(self, *, is_gone: bool) -> None:
        """The predecessor has handed over, or is gone: what it held is this master's now."""
        self.forget_starter()
        if self.predecessor is not None:
            self.predecessor.hand_over()
        if self._pid_file is not None:
            self._pid_file.take_place(keep_old=not is_gone)

    def show(self, what: str) -> None:
        """Shows what the master does in its title."""
        if self._titles is not None:
            self._titles.show(f"master, {what}")

    @property
    def proc_name(self) -> str:
        """What stands in front of the titles of all processes."""
        return self._titles.name if self._titles is not None else ""

    def reopen_logs(self) -> None:
        """Opens the log file anew."""
        if self.log_file is not None:
            try:
                self.log_file.reopen()
            except SystemRefusedError as error:
                _LOG.error("%s; the old file stays open", error)

    def close_in_worker(self) -> None:
        """Lets go of what is the master's alone. Runs in: the child."""
        if self._pid_file is not None:
            self._pid_file.close_in_worker()
        if self.starter is not None:
            self.starter.close()

    def close(self) -> None:
        """Removes the pid file, the last thing that a master does."""
        if self._pid_file is not None:
            with contextlib.suppress(OSError):
                self._pid_file.close()
