"""What an old master hands to the new one that it runs from disk (USR2), and how the new one takes it.

Rules: descriptors keep their numbers across exec, and one variable of the environment says what each is.
Until the old master hands over, listeners and the files of unix sockets are its own: a new one that fails
has changed and removed nothing.
Runs in: master.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import socket
from collections.abc import Hashable, MutableMapping
from typing import Any, Self, cast

from wsgisrv.channel import Channel
from wsgisrv.control import AUTO
from wsgisrv.master.listener import Listener
from wsgisrv.master.socket_options import SocketOptions
from wsgisrv.master.starter import Starter

_LOG = logging.getLogger("wsgisrv.master")

VARIABLE = "WSGISRV_HANDOVER"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """What stands in the variable.

    Args:
        to: pid of the new master, so that nobody else takes it for his.
        pid: of the old master.
        channel: to the old master.
        stderr: where the new master's own goes once it can speak on its channel.
        listeners, control: as ``describe`` has them; control None for none.
        inherited: addresses that came from systemd, with their names.
        is_detached: whether the service is a daemon already.
        line: where the new master writes its pid for a stand-in (wsgisrv.master.stand_in); -1 for none.
        tasks: the board of the service's tasks (wsgisrv.task_board); -1 for none.
    """

    to: int
    pid: int
    channel: int
    stderr: int
    listeners: list[dict[str, Any]]
    control: dict[str, Any] | None
    inherited: list[tuple[str, str]]
    is_detached: bool
    line: int
    tasks: int = -1

    def descriptors(self) -> list[int]:
        """Returns what the new master must inherit, beside the standard streams."""
        sockets = [*self.listeners, *([self.control] if self.control else [])]
        others = [fd for fd in (self.line, self.tasks) if fd >= 0]
        return [self.channel, self.stderr, *others, *(int(each["fd"]) for each in sockets)]


def describe(listener: Listener) -> dict[str, Any]:
    """Returns a listener as plain values."""
    return {
        "fd": listener.socket.fileno(),
        "address": listener.address,
        "url": listener.url,
        "path": listener.path,
        "inode": listener.inode,
        "backlog": listener.backlog,
        "options": dataclasses.asdict(listener.options),
    }


class Predecessor:
    """The old master, as the new one sees it. Made by ``take``."""

    def __init__(self, handover: Handover) -> None:
        self.pid = handover.pid
        self.starter = Starter(Channel(socket.socket(fileno=handover.channel)))
        self.inherited = [(str(address), str(name)) for address, name in handover.inherited]
        self.is_detached = handover.is_detached
        self.line = handover.line
        self.tasks = handover.tasks
        self._stderr = handover.stderr
        self._borrowed: list[Listener] = []
        self._adopted: list[Listener] = []
        self._control = handover.control
        self.known: dict[str, tuple[Listener, ...]] = {}
        for found in handover.listeners:
            address = found["address"]
            self.known[address] = (*self.known.get(address, ()), self._listener(found))

    @classmethod
    def take(cls, environ: MutableMapping[str, str]) -> Self | None:
        """Returns the master that has run this one as its successor, None for nobody."""
        text = environ.pop(VARIABLE, "")
        if not text:
            return None
        handover = Handover(**json.loads(text))
        if handover.to != os.getpid():
            return None
        for fd in handover.descriptors():
            os.set_inheritable(fd, False)
        if environ.get("WATCHDOG_PID") == str(handover.pid):
            environ["WATCHDOG_PID"] = str(os.getpid())
        return cls(handover)

    def _listener(self, found: dict[str, Any]) -> Listener:
        sock = socket.socket(fileno=found["fd"])
        """What an older master does not know of, or does not say, is as by default."""
        path, address = found["path"], found["address"]
        said = found.get("options", {})
        known = {field.name for field in dataclasses.fields(SocketOptions)} & said.keys()
        listener = Listener(
            sock,
            found["url"],
            path,
            found["inode"],
            _place_of(sock, path, address),
            backlog=found.get("backlog", 0),
            options=SocketOptions(**{name: said[name] for name in known}),
            address=address,
            is_borrowed=True,
        )
        self._borrowed.append(listener)
        return listener

    def take_streams(self) -> None:
        """Has stderr lead where the old master's does; until then it keeps what is said."""
        os.dup2(self._stderr, 2)
        os.close(self._stderr)

    def adopt(self, listeners: list[Listener]) -> None:
        """Closes what is not among the listeners of this master, and notes what is."""
        mine = {id(listener) for listener in listeners}
        for several in self.known.values():
            for listener in several:
                if id(listener) in mine:
                    self._adopted.append(listener)
                else:
                    listener.socket.close()

    def control_socket(self, option: str) -> Listener | None:
        """Returns the old master's control socket, if the option wants the same one."""
        if self._control is None:
            return None
        path = str(self._control["path"])
        if option not in (path, self._control["option"]):
            os.close(self._control["fd"])
            return None
        listener = self._listener(self._control)
        if not listener.is_there():
            listener.close()
            return None
        self._adopted.append(listener)
        return listener

    def adopted(self) -> list[int]:
        """Returns the descriptors of what this master goes on with."""
        return [listener.socket.fileno() for listener in self._adopted]

    def hand_over(self) -> None:
        """The old master has let go: the files of its unix sockets are this one's."""
        if self.line >= 0:
            os.write(self.line, f"{os.getpid()}\n".encode())
        for listener in self._borrowed:
            listener.is_borrowed = False
        if self._control is not None and self._control["option"] == AUTO:
            self._rename_control()

    def _rename_control(self) -> None:
        """Gives a socket that is named by its master's pid the new one's."""
        for listener in self._adopted:
            if listener.path != self._control_path():
                continue
            path = os.path.join(os.path.dirname(listener.path), f"control-{os.getpid()}.sock")
            try:
                os.rename(listener.path, path)
            except OSError as error:
                _LOG.warning("control socket %s: keeps its name: %s", listener.path, error.strerror)
            else:
                listener.path, listener.url = path, f"unix:{path}"

    def _control_path(self) -> str:
        return str(self._control["path"]) if self._control else ""


def _place_of(sock: socket.socket, path: str, address: str) -> Hashable:
    """Returns what it is bound to, as wsgisrv.master.binders has it."""
    if address.startswith("fd://"):
        return address
    return os.path.normpath(path) if path else cast(Hashable, sock.getsockname())
