"""A daemon for a live test: started by its command, found by its pid file, gone at the end.

Rules: its log is a file, which is read again until it says what is waited for; at the end nothing of its
session is left, nor its pid file.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.http import DEADLINE, Client
from tests.support.server import ROOT, flags, group_of


class Daemon:
    """A running daemon in ``directory``: pid file, log and control socket are there."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.pid_file = directory / "service.pid"
        self.log_file = directory / "service.log"
        self.control = str(directory / "control.sock")
        self._port = 0
        self.session = 0

    @property
    def pid(self) -> int:
        """Of the master, as the pid file has it."""
        return int(self.pid_file.read_text())

    @property
    def log(self) -> str:
        return self.log_file.read_text() if self.log_file.exists() else ""

    def wait_log(self, pattern: str, *, after: int = 0) -> re.Match[str]:
        """Waits for what the log says, from the ``after``-th character on."""
        return wait_text(self.log_file, pattern, after=after)

    def connect(self) -> Client:
        if not self._port:
            self._port = int(self.wait_log(r"ready: http://127\.0\.0\.1:(\d+),")[1])
        return Client(("127.0.0.1", self._port))

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def stop(self) -> None:
        """Ends it and waits until it is gone."""
        pid = self.pid
        os.kill(pid, signal.SIGTERM)
        wait_gone(pid)


def wait_text(path: Path, pattern: str, *, after: int = 0) -> re.Match[str]:
    until = time.monotonic() + DEADLINE
    while True:
        text = path.read_text()[after:] if path.exists() else ""
        if match := re.search(pattern, text):
            return match
        assert time.monotonic() < until, f"no {pattern!r} in:\n{text}"
        select.select([], [], [], 0.02)


def wait_gone(pid: int) -> None:
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([fd], [], [], DEADLINE)[0], f"{pid} is still there"
    finally:
        os.close(fd)


def wait_empty(session: int) -> None:
    """Waits until no process of a session is left."""
    until = time.monotonic() + DEADLINE
    while left := group_of(session):
        assert time.monotonic() < until, f"{left} are still there"
        select.select([], [], [], 0.02)


def command_of(directory: Path, app: str = "tests.apps.basic:pid", **options: Any) -> list[str]:
    """Returns a command that serves ``module:app`` on a free port, with its files in ``directory``."""
    module, _, name = app.partition(":")
    ini = directory / "api-paste.ini"
    ini.write_text(f"[app:main]\npaste.app_factory = {module}:factory\napp = {name}\n")
    known = {
        "bind": "127.0.0.1:0",
        "workers": 1,
        "pid_file": directory / "service.pid",
        "log_file": directory / "service.log",
        "control_socket": directory / "control.sock",
        **options,
    }
    return ["serve", str(ini), *flags({k: v for k, v in known.items() if v is not None})]


def start(
    command: list[str], *, within: Sequence[str] = (), **options: Any
) -> subprocess.CompletedProcess[str]:
    """Runs the command that starts a daemon, to its end.

    Args:
        within: a command that runs it, as ``readable_by_all`` gives one.
    """
    return subprocess.run(
        [*within, sys.executable, "-m", "wsgisrv", *command, "--daemon"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
        **options,
    )


def readable_by_all() -> list[str]:
    """Returns a command in front of another one, which then finds Python and project readable for every user.

    An interpreter in root's home is not; it is shown to the command alone, through a mount of its own.
    """
    needed = {str(Path(path).resolve()) for path in (sys.base_prefix, sys.prefix, ROOT)}
    closed = {
        str(parent)
        for path in needed
        for parent in (Path(path), *Path(path).parents)
        if not parent.stat().st_mode & stat.S_IXOTH
    }
    if not closed:
        return []
    script = ["set -e"]
    for top in sorted(closed):
        inside = sorted(path for path in needed if path.startswith(f"{top}/"))
        script += [f"mkdir -p $0/{number}" for number in range(len(inside))]
        script += [f"mount --bind {path} $0/{number}" for number, path in enumerate(inside)]
        script.append(f"mount -t tmpfs -o mode=755 tmpfs {top}")
        for number, path in enumerate(inside):
            script.append(f"mkdir -p {path} && mount --bind $0/{number} {path}")
    script.append('exec "$@"')
    place = tempfile.mkdtemp(prefix="wsgisrv-tests-")
    command = ["unshare", "--mount", "sh", "-c", "\n".join(script), place]
    done = subprocess.run([*command, "true"], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no other user can read {sys.base_prefix}: {done.stderr.strip()}")
    return command


@contextlib.contextmanager
def open_directory() -> Iterator[Path]:
    """A directory that every user may enter, unlike pytest's own, which other runs of it close again."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)  # noqa: S103 -- that is what it is for
        yield Path(directory)


@contextlib.contextmanager
def daemon(
    directory: Path,
    app: str = "tests.apps.basic:pid",
    *,
    within: Sequence[str] = (),
    **options: Any,
) -> Iterator[Daemon]:
    """Starts a daemon and sees that nothing of it is left at the end."""
    service = Daemon(directory)
    done = start(command_of(directory, app, **options), within=within)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), service.log
    service.session = os.getsid(service.pid)
    try:
        yield service
        if service.pid_file.exists() and service.pid_file.read_text():
            service.stop()
            wait_empty(service.session)  # an old master may still drain
    finally:
        left = _end(group_of(service.session))
    assert not left, f"processes were left: {left}\n{service.log}"
    assert "Traceback" not in service.log, service.log


def _end(pids: list[int]) -> list[int]:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return pids
