"""The backdoor: a console in each worker for its own user, and nothing of it left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.control import operated, wait_status, wsgisrv
from tests.support.daemons import open_directory
from tests.support.http import DEADLINE
from tests.support.server import Server

PID = "tests.apps.basic:pid"
NOBODY = 65534

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


class Console:
    """A client of a backdoor."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(DEADLINE)
        self._socket.connect(path)
        self.banner = self._until_prompt()

    def run(self, line: str) -> str:
        """Returns what a line says."""
        self._socket.sendall(line.encode() + b"\n")
        return self._until_prompt()

    def leave(self, line: str) -> bytes:
        """Runs a line that ends the console; returns what it says until then."""
        self._socket.sendall(line.encode() + b"\n")
        data = b"".join(iter(lambda: self._socket.recv(4096), b""))
        self.close()
        return data

    def close(self) -> None:
        self._socket.close()

    def _until_prompt(self) -> str:
        data = b""
        while not data.endswith((b">>> ", b"... ")):
            chunk = self._socket.recv(4096)
            assert chunk, data
            data += chunk
        return data[:-4].decode()


@contextlib.contextmanager
def served(directory: Path, **options: Any) -> Iterator[tuple[Server, str, Path]]:
    """Yields the server, its control socket and where its backdoors are."""
    doors = directory / "doors"
    doors.mkdir(mode=0o700, exist_ok=True)
    with operated(PID, directory, backdoor=doors, **options) as (server, path):
        yield server, path, doors


def successor_of(worker_id: int) -> Callable[[Any], bool]:
    """Returns what holds of a status with one ready worker, another one."""

    def holds(found: Any) -> bool:
        states = [(w["id"] != worker_id, w["state"]) for w in found["workers"]]
        return states == [(True, "ready")]

    return holds


def doors_of(path: str) -> list[str]:
    return [worker["backdoor"] for worker in wait_status(path, lambda _: True)["workers"]]


def test_each_worker_has_a_console_of_its_own_that_status_names(tmp_path: Path) -> None:
    with served(tmp_path, workers=2) as (server, path, doors):
        pids = server.wait_ready()
        found = doors_of(path)
        assert sorted(found) == sorted(map(str, doors.iterdir()))
        for door in found:
            assert stat.S_IMODE(os.stat(door).st_mode) == 0o600
        consoles = [Console(door) for door in found]
        for console, pid in zip(consoles, pids, strict=True):
            assert f"Worker with pid {pid}. Names: worker, app, stacks." in console.banner
            console.run("import os")
            assert console.run("os.getpid()") == f"{pid}\n"
            assert console.run("print(worker.connection_count)") == "0\n"
            assert "ZeroDivisionError" in console.run("1 / 0")
            assert console.run("for n in range(2):") == ""
            assert console.run("    n") == ""
            assert console.run("") == "0\n1\n"
            assert "test_backdoor" not in console.run("stacks(65536)")
            assert console.leave("exit()") == b""
        text = wsgisrv("status", "--control-socket", path).stdout
        assert f"backdoor of worker 1: {doors}/backdoor-{server.pid}-1.sock" in text
        server.wait_line(rf"backdoor: user {os.geteuid()} has connected")


def test_what_others_print_does_not_go_to_the_console(tmp_path: Path) -> None:
    with served(tmp_path, workers=1) as (_, path, _doors):
        first, second = (Console(door) for door in doors_of(path) * 2)
        assert second.run("print('mine')") == "mine\n"
        assert first.run("'quiet'") == "'quiet'\n"
        assert first.leave("quit()") == second.leave("raise SystemExit") == b""


def test_nothing_is_made_unless_it_is_asked_for(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
        with operated(PID, tmp_path, workers=1) as (_, path):
            assert doors_of(path) == [None]
            assert not (tmp_path / "wsgisrv").exists()
            assert "backdoor" not in wsgisrv("status", "--control-socket", path).stdout
        with operated(PID, tmp_path, workers=1, backdoor="auto") as (server, path):
            assert doors_of(path) == [f"{tmp_path}/wsgisrv/backdoor-{server.pid}-1.sock"]


def test_the_file_is_gone_when_its_worker_is_however_it_ended(tmp_path: Path) -> None:
    with served(tmp_path, workers=1) as (server, path, doors):
        for number in (signal.SIGKILL, signal.SIGTERM):
            (worker,) = wait_status(path, lambda found: found["workers"])["workers"]
            os.kill(worker["pid"], number)
            wait_status(path, successor_of(worker["id"]))
            assert list(map(str, doors.iterdir())) == doors_of(path)
        seen = len(server.lines)
        server.signal(signal.SIGHUP)
        server.wait_ready(after=seen)
        wait_status(path, lambda found: len(found["workers"]) == 1)
        assert list(map(str, doors.iterdir())) == doors_of(path)
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0
        assert not list(doors.iterdir())


def test_a_console_that_is_open_does_not_hold_up_a_drain(tmp_path: Path) -> None:
    with (
        served(tmp_path, workers=1) as (server, path, _doors),
        contextlib.closing(Console(doors_of(path)[0])),
    ):
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0


def test_a_worker_whose_master_was_killed_removes_its_file_itself(tmp_path: Path) -> None:
    with served(tmp_path, workers=1) as (server, _path, doors):
        descriptor = os.pidfd_open(server.wait_ready()[0])
        server.signal(signal.SIGKILL)
        server.wait_exit()
        os.close(descriptor)
        assert not list(doors.iterdir())


def test_files_of_a_master_that_was_killed_with_its_workers_go_with_the_next_start(
    tmp_path: Path,
) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    (tmp_path / "doors").mkdir(mode=0o700)
    (tmp_path / "doors" / f"backdoor-{gone.pid}-1.sock").touch()
    with served(tmp_path, workers=1) as (server, _path, doors):
        assert [door.name for door in doors.iterdir()] == [f"backdoor-{server.pid}-1.sock"]


def test_a_directory_that_others_may_enter_is_not_used(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with operated(PID, tmp_path, workers=1, backdoor=tmp_path) as (server, path):
        server.wait_line(
            "WARNING .* worker 1 has no backdoor: .* must be a directory that only this"
        )
        assert doors_of(path) == [None]


@needs_root
def test_another_user_is_turned_away() -> None:
    with open_directory() as top, served(top, workers=1) as (server, path, doors):
        (door,) = doors_of(path)
        doors.chmod(0o755)
        os.chmod(door, 0o666)  # noqa: S103 -- somebody has opened it for all: the worker still looks who comes
        code = (
            f"import os, socket; os.setgid({NOBODY}); os.setuid({NOBODY})\n"
            f"s = socket.socket(socket.AF_UNIX); s.connect({door!r}); print(s.recv(100))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert done.stdout == "b''\n"
        server.wait_line(rf"WARNING wsgisrv\.worker: backdoor: user {NOBODY} is not permitted")
        doors.chmod(0o700)
