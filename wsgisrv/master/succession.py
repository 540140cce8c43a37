"""One master follows another: what this one does with a new master, and with the old one it came from.

Rules: the old master decides. It tells the new one TAKE_OVER once, after which that one alone takes
commands and owns the pid file and the sockets' files; before, the old one does. An old master that dies
meanwhile leaves all to the new one, even one that is not ready yet if the service is a daemon: in the
foreground, the process that somebody waits for has ended, and who waits begins anew. A HUP during an upgrade
is the next master's, or this one's if there is none. Runs in: master loop.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
from collections.abc import Sequence
from typing import Protocol

from wsgisrv.channel import Kind, Message
from wsgisrv.control import Fields
from wsgisrv.errors import ReloadError
from wsgisrv.master.commands import Asker
from wsgisrv.master.control_server import ControlServer
from wsgisrv.master.handover import Handover, describe
from wsgisrv.master.listener import Listener
from wsgisrv.master.notify import Notifier
from wsgisrv.master.signals import SignalPipe
from wsgisrv.master.stand_in import StandIn
from wsgisrv.master.surroundings import Surroundings
from wsgisrv.master.upgrades import Upgrades

_LOG = logging.getLogger("wsgisrv.master")

_NO_LINE = (-1, -1)


class Master(Protocol):
    """What the supervisor does when it is told to."""

    def listeners(self) -> Sequence[Listener]:
        """Returns what it listens on."""

    def reload(self) -> None:
        """Begins a new generation."""

    def take_over(self) -> None:
        """Has the listeners to itself."""

    def leave(self) -> None:
        """Drains, now that a new master serves."""

    def stop(self, *, graceful: bool, asked_by: str) -> None:
        """Begins to stop."""


class Succession:
    """Args:
    master: the supervisor.
    selector: of the master's loop.
    surroundings: knows who started this master.
    control: begins to accept when this master takes commands, and ends when a new one does.
    notifier: tells systemd.
    """

    def __init__(
        self,
        master: Master,
        selector: selectors.BaseSelector,
        surroundings: Surroundings,
        control: ControlServer,
        notifier: Notifier,
    ) -> None:
        self._master = master
        self._selector = selector
        self._surroundings = surroundings
        self._control = control
        self._notifier = notifier
        self._upgrades = Upgrades(
            selector, self._handover, surroundings.again.directory, self._leave, self._stay
        )
        self._hup_waits = False
        self._stand_in: StandIn | None = None
        inherited = surroundings.predecessor.line if surroundings.predecessor is not None else -1
        self._line = (-1, inherited)  # to read and to write
        if not surroundings.is_waiting:
            control.begin()
        if surroundings.starter is not None:
            selector.register(surroundings.starter, selectors.EVENT_READ)

    @property
    def is_under_way(self) -> bool:
        """Whether a new master is about to be ready."""
        return self._upgrades.is_under_way

    def status(self) -> Fields:
        """Returns how upgrades stand, for the status."""
        state = "under way" if self._upgrades.is_under_way else "none"
        return {"upgrade": state, "last_upgrade": self._upgrades.last}

    # This master's successor

    def begin(self, asker: Asker | None, boot_timeout: float) -> None:
        """Runs a new master.

        Raises:
            WsgisrvError: when that is refused.
        """
        if self._surroundings.is_waiting:
            raise ReloadError("the upgrade that began this master is not complete")
        if self._is_waited_for() and self._line == _NO_LINE:
            self._line = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            self._upgrades.begin(asker, boot_timeout)
        finally:
            if not self.is_under_way:
                self._drop_line()
        self._notifier.reloading("upgrading")

    def on_hup(self) -> None:
        """Reloads, or keeps it for whoever will be master."""
        if self.is_under_way:
            self._hup_waits = True
        else:
            self._master.reload()

    def _is_waited_for(self) -> bool:
        """Whether somebody takes this process's end for the service's."""
        is_systemds = "NOTIFY_SOCKET" in os.environ
        return os.getpid() == 1 or not (self._surroundings.again.is_detached or is_systemds)

    def forwards(self, number: int) -> bool:
        """Passes a signal on, once a new master serves in the place of one that others wait for."""
        if self._stand_in is None or number == signal.SIGCHLD:
            return False
        self._stand_in.forward(number)
        return True

    @property
    def stands_in(self) -> bool:
        """Whether this process stays, and catches signals, when its own workers are gone."""
        return self._stand_in is not None

    def rest(self, signals: SignalPipe) -> int:
        """Waits, in the place of the master that serves now, for its end.

        Returns:
            The exit code: 0 where nobody waits for this process.
        """
        if self._stand_in is None:
            return 0
        self._surroundings.show("stand-in")
        return self._stand_in.run(signals)

    def cancel(self, reason: str) -> None:
        """Ends a new master that has not taken over."""
        self._upgrades.cancel(reason)

    def _handover(self, channel: int, stderr: int) -> Handover:
        """Runs in: the child."""
        again = self._surroundings.again
        control = None
        if self._control.listener is not None:
            control = {**describe(self._control.listener), "option": again.control_option}
        return Handover(
            to=os.getpid(),
            pid=os.getppid(),
            channel=channel,
            stderr=stderr,
            listeners=[describe(listener) for listener in self._master.listeners()],
            control=control,
            inherited=list(again.inherited),
            is_detached=again.is_detached,
            line=self._line[1],
            tasks=again.tasks,
        )

    def _leave(self, ready: Message) -> None:
        pid = int(ready.fields["pid"])
        self._notifier.main_pid(pid, str(ready.fields["status"]))
        self._hand_on_hup(pid)
        adopted = set(ready.fields["adopted"])
        for listener in self._master.listeners():
            if listener.socket.fileno() in adopted:
                listener.inode = 0
        control = self._control.listener
        if control is not None and control.socket.fileno() in adopted:
            self._control.disown()
        if self._line[0] >= 0:
            os.close(self._line[1])
            self._stand_in = StandIn(pid, self._line[0])
            self._line = _NO_LINE
        self._master.leave()

    def _hand_on_hup(self, pid: int) -> None:
        if self._hup_waits:
            self._hup_waits = False
            self._upgrades.send_hup(pid)

    def _drop_line(self) -> None:
        """Closes the line to those who follow, when nobody does."""
        if self._line[0] >= 0:
            for fd in self._line:
                os.close(fd)
            self._line = _NO_LINE

    def _stay(self, reason: str) -> None:
        self._drop_line()
        self._notifier.ready(f"serving; upgrade failed: {reason}")
        if self._hup_waits:
            self._hup_waits = False
            self._master.reload()

    # Whoever started this master

    def announce(self, status: str) -> None:
        """The service is ready: tells whoever waits for it."""
        if self._surroundings.predecessor is None or not self._surroundings.is_waiting:
            self._notifier.ready(status)
        self._surroundings.ready(status)
        self._forget_starter()

    def tick(self) -> None:
        """Looks what the new master and the starter say, and whether either is gone."""
        self._upgrades.tick()
        starter = self._surroundings.starter
        if starter is None:
            return
        said = starter.said()
        if said is not None and not any(each.kind is Kind.TAKE_OVER for each in said):
            return
        self._selector.unregister(starter)
        if self._surroundings.is_ready or self._is_orphan():
            self._surroundings.take_over(is_gone=said is None)
            self._master.take_over()
            self._control.begin()
            if said is None:
                _LOG.warning("upgrade: the old master is gone; taking over without being told")
        else:
            self._surroundings.forget_starter()
            self._master.stop(graceful=False, asked_by="whoever started the service is gone")

    def _is_orphan(self) -> bool:
        """Whether the old master has died and nobody but this one is left to serve."""
        return self._surroundings.is_waiting and self._surroundings.again.is_detached

    def _forget_starter(self) -> None:
        """The command that started a daemon waits no longer; an old master has still to hand over."""
        starter = self._surroundings.starter
        if starter is not None and self._surroundings.predecessor is None:
            self._selector.unregister(starter)
            self._surroundings.forget_starter()

    def close_in_worker(self) -> None:
        """Lets go of the descriptors. Runs in: the child."""
        if self._stand_in is None:
            for fd in self._line:
                if fd >= 0:
                    os.close(fd)
        self._upgrades.close_in_worker()

    def close(self) -> None:
        """Ends a new master that has not taken over."""
        self._upgrades.close()
