"""The control commands as an operator runs them, and the bare socket for what no command would say."""

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

from tests.support.http import DEADLINE
from tests.support.server import ROOT, Server, serve


@contextlib.contextmanager
def operated(app: str, directory: Path, **options: Any) -> Iterator[tuple[Server, str]]:
    """Serves an app with a control socket in ``directory`` and yields server and socket's path."""
    path = str(directory / "control.sock")
    with serve(app, control_socket=path, **options) as server:
        yield server, path


def wsgisrv(*args: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "wsgisrv", *args],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        check=False,
    )


def answer_of(path: str, *args: str) -> Any:
    """Runs a command that succeeds and returns what it says with --json."""
    done = wsgisrv(*args, "--json", "--control-socket", path)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def wait_status(path: str, holds: Callable[[Any], object]) -> Any:
    """Asks for the status until ``holds`` it, and returns it."""
    until = time.monotonic() + DEADLINE
    while True:
        with connected(path) as sock:
            sock.sendall(b'{"command": "status"}\n')
            found = line_of(sock)
        if "again" not in found and holds(found):
            return found
        assert time.monotonic() < until, found
        select.select([], [], [], 0.02)


def kill_master(server: Server) -> None:
    """Kills the master and waits until its workers, which drain, are gone as well."""
    descriptors = []
    for pid in server.wait_ready():
        with contextlib.suppress(ProcessLookupError):
            descriptors.append(os.pidfd_open(pid))
    server.signal(signal.SIGKILL)
    server.wait_exit()
    for descriptor in descriptors:
        assert select.select([descriptor], [], [], DEADLINE)[0]
        os.close(descriptor)


def refusal_of(*args: str) -> tuple[int, str]:
    """Runs a command that fails and returns its exit code and its one line."""
    done = wsgisrv(*args)
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("wsgisrv: ")
    return done.returncode, line.removeprefix("wsgisrv: ")


@contextlib.contextmanager
def connected(path: str) -> Iterator[socket.socket]:
    """A bare connection to a control socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(DEADLINE)
        sock.connect(path)
        yield sock


def line_of(sock: socket.socket) -> Any:
    """Reads one answer."""
    data = b""
    while not data.endswith(b"\n"):
        chunk = sock.recv(65536)
        assert chunk, "the master closed"
        data += chunk
    return json.loads(data)


def at_end(sock: socket.socket) -> bool:
    """Waits until the master closes; False when it says something instead."""
    try:
        return sock.recv(1) == b""
    except ConnectionResetError:
        return True
