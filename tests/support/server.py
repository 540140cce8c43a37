"""A real server for a live test.

    with serve("tests.apps.basic:hello", workers=1) as server:
        with server.connect() as client:
            assert client.get().status == 200

Rules: a process of its own, on a port that the test has bound; every wait has a deadline; at the end the
process and its workers are gone and the log holds no traceback.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.http import DEADLINE, Client

ROOT = Path(__file__).parents[2]


class Server:
    """A running ``wsgisrv serve`` and what it has written to stderr."""

    def __init__(self, process: subprocess.Popen[bytes], address: Any) -> None:
        self.process = process
        self.address = address
        self.lines: list[str] = []
        self.may_log_traceback = False
        self._changed = threading.Condition()
        self._at_eof = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Of the master."""
        return self.process.pid

    def connect(self, *, receive_buffer: int = 0) -> Client:
        return Client(self.address, receive_buffer=receive_buffer)

    def wait_line(self, pattern: str, *, after: int = 0) -> re.Match[str]:
        """Waits for a line of the log, from the ``after``-th on, and returns the match."""
        until = time.monotonic() + DEADLINE
        with self._changed:
            while True:
                for line in self.lines[after:]:
                    if match := re.search(pattern, line):
                        return match
                left = until - time.monotonic()
                if left <= 0 or self._at_eof:
                    raise AssertionError(f"no line {pattern!r} in:\n{self.log}")
                self._changed.wait(left)

    def wait_ready(self, *, after: int = 0) -> list[int]:
        """Waits for the ready line and returns the workers' pids."""
        match = self.wait_line(r"INFO wsgisrv\.master: ready: .* \(pid ([0-9, ]+)\)", after=after)
        return [int(pid) for pid in match[1].split(",")]

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait_exit(self) -> int:
        """Waits for the master's end and the log's, and returns the exit code."""
        code = self.process.wait(DEADLINE)
        self._reader.join(DEADLINE)
        return code

    @property
    def log(self) -> str:
        return "\n".join(self.lines)

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as stderr:
            for line in stderr:
                with self._changed:
                    self.lines.append(line.decode("utf-8", "replace").rstrip("\n"))
                    self._changed.notify_all()
        with self._changed:
            self._at_eof = True
            self._changed.notify_all()


@contextlib.contextmanager
def serve(
    app: str, *, wait: bool = True, args: Sequence[str] = (), **options: Any
) -> Iterator[Server]:
    """Serves ``module:app`` on a free port of the loopback.

    Args:
        wait: for the ready line.
        args: more of the command line.
        options: of ``wsgisrv serve``, with underscores.
    """
    module, _, name = app.partition(":")
    with tempfile.TemporaryDirectory() as directory, socket.socket() as listener:
        ini = Path(directory) / "api-paste.ini"
        ini.write_text(f"[app:main]\npaste.app_factory = {module}:factory\napp = {name}\n")
        listener.bind(("127.0.0.1", 0))
        listener.listen(1024)
        address = listener.getsockname()
        fd = listener.fileno()
        command = ["serve", str(ini), "--bind", f"fd://{fd}", *flags(options), *args]
        with run(command, pass_fds=[fd], address=address, then=listener.close) as server:
            if wait:
                server.wait_ready()
            yield server


@contextlib.contextmanager
def run(
    command: Sequence[str],
    *,
    pass_fds: Sequence[int] = (),
    address: Any = None,
    then: Any = None,
    module: Sequence[str] = ("-m", "wsgisrv"),
    env: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """Runs ``wsgisrv`` with ``command`` and sees that nothing of it is left at the end."""
    process = subprocess.Popen(
        [sys.executable, *module, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=pass_fds,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
    )
    if then is not None:
        then()
    server = Server(process, address)
    try:
        yield server
        if process.poll() is None:
            server.signal(signal.SIGTERM)
            assert server.wait_exit() == 0, server.log
    finally:
        left = group_of(process.pid)
        _kill(left)
        server.wait_exit()
    if not server.may_log_traceback:
        assert "Traceback" not in server.log, server.log
    assert not left, f"processes were left: {left}\n{server.log}"


def _kill(pids: Sequence[int]) -> None:
    """Ends what is left of the session that the server was started in, and waits until it is gone."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(pid)
            try:
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                select.select([descriptor], [], [], DEADLINE)
            finally:
                os.close(descriptor)


def wait_gone(pid: int) -> None:
    """Waits until the process has exited, whoever its parent is."""
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([fd], [], [], DEADLINE)[0], f"{pid} is still there"
    finally:
        os.close(fd)


def group_of(leader: int) -> list[int]:
    """Returns the pids of the session that ``leader`` led, zombies left out."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def flags(options: dict[str, Any]) -> list[str]:
    """Returns options as a command line has them."""
    return [
        part
        for name, value in options.items()
        for part in (f"--{name.replace('_', '-')}", str(value))
    ]
