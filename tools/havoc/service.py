"""The service that suffers: a process of its own, and what /proc says of it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PATIENCE = 60.0
"""Seconds that the service may take for anything: twice a crash loop's longest delay."""

Fields = dict[str, Any]


class ServiceError(Exception):
    """Raised where the service is not as it must be: the text says how."""


class Service:
    """Args:
    directory: for its files.
    workers: to begin with.
    has_servers: whether it serves two APIs, one of them from a worker of its own among these.
    """

    def __init__(self, directory: Path, workers: int, *, has_servers: bool = False) -> None:
        self.directory = directory
        self.control = str(directory / "control.sock")
        self.log = directory / "log"
        ini = directory / "api-paste.ini"
        ini.write_text("[app:main]\npaste.app_factory = havoc.app:factory\n")
        self.servers = ("public", "admin") if has_servers else ()
        with contextlib.ExitStack() as stack:
            log = stack.enter_context(self.log.open("wb"))
            listeners = [stack.enter_context(_listening()) for _ in self.servers or ("",)]
            self.addresses: list[tuple[str, int]] = [each.getsockname() for each in listeners]
            fds = [each.fileno() for each in listeners]
            command = [
                sys.executable, "-m", "wsgisrv", "serve", str(ini), *self._serving(fds, workers),
                "--control-socket", self.control, "--access-log", str(directory / "access.log"),
                "--worker-timeout", "20",
            ]  # fmt: skip
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=fds,
                start_new_session=True,
            )  # fmt: skip
        self.master_pid = self.process.pid  # another one's after an upgrade

    def _serving(self, fds: list[int], workers: int) -> list[str]:
        """Returns what of the command line says who is served where and by how many."""
        if not self.servers:
            return ["--bind", f"fd://{fds[0]}", "--workers", str(workers)]
        conf = self.directory / "wsgisrv.conf"
        conf.write_text(
            f"[wsgisrv]\nservers = {', '.join(self.servers)}\nworkers = {workers - 1}\n"
            f"[wsgisrv_public]\nbind = fd://{fds[0]}\n"
            f"[wsgisrv_admin]\nbind = fd://{fds[1]}\nworkers = 1\n"
        )
        return ["--config-file", str(conf)]

    # The control socket

    def ask(self, request: bytes, patience: float = PATIENCE) -> Fields:
        """Returns the last answer to a request; OSError when there is none.

        A master that another one has followed meanwhile sends who has not asked yet to that one.
        """
        until = time.monotonic() + patience
        while (found := self._ask_once(request, patience)).get("again"):
            if time.monotonic() >= until:
                raise TimeoutError("masters followed each other all the time")
        return found

    def _ask_once(self, request: bytes, patience: float) -> Fields:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(patience)
            sock.connect(self.control)
            with contextlib.suppress(BrokenPipeError):  # sent away already
                sock.sendall(request + b"\n")
            data = b"".join(iter(lambda: sock.recv(65536), b""))
        answers = [json.loads(line) for line in data.splitlines()]
        if not answers:
            raise ConnectionResetError("no answer")
        found: Fields = answers[-1]
        return found

    def command(self, name: str, **fields: Any) -> Fields:
        return self.ask(json.dumps({"command": name, **fields}).encode())

    def wait_status(self, holds: Callable[[Fields], object], what: str) -> Fields:
        """Asks for the status until ``holds`` it."""
        until = time.monotonic() + PATIENCE
        found: Fields = {}
        while time.monotonic() < until:
            if self.is_gone():
                raise ServiceError(
                    f"the service has ended; its first master with {self.process.poll()}"
                )
            with contextlib.suppress(OSError, ValueError):
                found = self.command("status")
                if holds(found):
                    self.master_pid = found["pid"]
                    return found
            select.select([], [], [], 0.05)
        raise ServiceError(f"not {what} after {PATIENCE:g} s: {found}")

    def wait_calm(self) -> Fields:
        """Waits until as many workers serve as are wanted, nobody else is there, and no connection."""
        return self.wait_status(lambda found: _is_calm(found) and self._is_alone(found), "calm")

    def _is_alone(self, found: Fields) -> bool:
        """Whether no process is left of a master before, or of an upgrade."""
        known = {found["pid"], self.process.pid, *(worker["pid"] for worker in found["workers"])}
        return known.issuperset(self.pids())

    # Processes

    def is_gone(self) -> bool:
        return not self.pids()

    def find_master(self) -> None:
        """Asks who the master is now; one that does not say so at once may be stopped."""
        with contextlib.suppress(OSError, ValueError):
            self.master_pid = self.ask(b'{"command": "status"}', 0.5)["pid"]

    def signal_master(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.master_pid, number)

    def worker_pids(self) -> list[int]:
        """Returns the children of the master that have not exited, oldest first."""
        return [pid for pid, parent in sorted(self._members()) if parent == self.master_pid]

    def pids(self) -> list[int]:
        """Returns every process of the service that has not exited."""
        return sorted(pid for pid, _ in self._members())

    def _members(self) -> Iterator[tuple[int, int]]:
        """Yields pid and parent of each process of the session that the service was started in."""
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                fields = stat.read_text().rpartition(")")[2].split()
                if int(fields[3]) == self.process.pid and fields[0] != "Z":
                    yield int(stat.parent.name), int(fields[1])

    def client_ports(self, pid: int) -> set[int]:
        """Returns the far ports of the TCP connections that a stopped process holds."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until and _state_of(pid) not in "TtZX":
            select.select([], [], [], 0.001)  # a signal takes its time to another core
        sockets = _sockets_of(pid)
        return {port for inode, port in _connections() if inode in sockets}

    def stop(self) -> int:
        """Ends the service as an operator does, and returns its first master's exit code."""
        self.signal_master(signal.SIGTERM)
        until = time.monotonic() + PATIENCE
        while not self.is_gone() and time.monotonic() < until:
            select.select([], [], [], 0.05)
        return self.process.wait(1) if self.is_gone() else 1

    def kill(self) -> None:
        """Ends whatever is left."""
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(PATIENCE)


def _listening() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(1024)
    return listener


def fds_of(pid: int) -> list[str]:
    """Returns what each open descriptor of a process is, without numbers that differ each time."""
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found.append(os.readlink(link).partition(":[")[0])
    return sorted(found)


def _is_calm(found: Fields) -> bool:
    states = [worker["state"] for worker in found["workers"]]
    is_all = len(states) == found["workers_wanted"] and set(states) == {"ready"}
    is_idle = not any(worker["connections"] for worker in found["workers"])
    return is_all and is_idle and found["reload"] == found["upgrade"] == "none"


def _state_of(pid: int) -> str:
    """Returns the letter of proc(5), /proc/PID/stat."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def _sockets_of(pid: int) -> set[str]:
    found = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            target = os.readlink(link)
            if target.startswith("socket:["):
                found.add(target[8:-1])
    return found


def _connections() -> Iterator[tuple[str, int]]:
    """Yields inode and far port of every TCP socket (proc(5), /proc/net/tcp)."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        yield fields[9], int(fields[2].rpartition(":")[2], 16)
