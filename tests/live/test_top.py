"""``wsgisrv top`` in a terminal of tmux's: what it shows, what its keys do, and how it ends."""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.control import operated, refusal_of, wsgisrv
from tests.support.http import DEADLINE
from tests.support.load import load
from tests.support.server import ROOT

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed")


class Terminal:
    """One terminal of 80 columns and 24 lines."""

    def __init__(self, socket: str) -> None:
        self._socket = socket

    def run(self, *args: str) -> str:
        command = ["tmux", "-S", self._socket, *args]
        return subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=DEADLINE
        ).stdout

    def lines(self) -> list[str]:
        return self.run("capture-pane", "-p").splitlines()

    def keys(self, *keys: str) -> None:
        self.run("send-keys", *keys)

    def wait(self, holds: Callable[[list[str]], object]) -> list[str]:
        until = time.monotonic() + DEADLINE
        while not holds(lines := self.lines()):
            assert time.monotonic() < until, "\n".join(lines)
            select.select([], [], [], 0.05)
        return lines


@contextlib.contextmanager
def terminal(directory: Path, *command: str) -> Iterator[Terminal]:
    """Runs a command in a terminal that stays when the command ends, and says its exit code."""
    socket = str(directory / "tmux.sock")
    made = Terminal(socket)
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}
    shell = " ".join([*command, "; echo exit code $?; cat"])
    subprocess.run(
        [
            "tmux",
            "-S",
            socket,
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            "80",
            "-y",
            "24",
            shell,
        ],
        check=True,
        timeout=DEADLINE,
        env=environ,
    )
    try:
        yield made
    finally:
        made.run("kill-server")


def top(path: str) -> list[str]:
    return [sys.executable, "-m", "wsgisrv", "top", "--control-socket", path]


def test_it_shows_the_service_live_and_sorts_and_quits(tmp_path: Path) -> None:
    with (
        operated("tests.apps.basic:slow", tmp_path, workers=2, access_log="off") as (server, path),
        terminal(tmp_path, *top(path)) as screen,
        load(server.address, 2) as clients,
        server.connect() as slow,
    ):
        slow.send(b"GET /slowly?4 HTTP/1.1\r\nHost: test\r\n\r\n")
        clients.wait_answers(50)
        lines = screen.wait(
            lambda lines: (
                lines
                and " 0 req/s" not in lines[1]
                and "req/s" in lines[1]
                and "/slowly?4" in "\n".join(lines)
                and "of " in lines[3]
            )
        )
        assert len(lines) == 24
        assert max(map(len, lines)) <= 80
        assert lines[0].startswith("wsgisrv 0.1.0  serving  up ")
        assert lines[1].startswith("workers 2/2  ")
        assert "p95" in lines[1]
        assert lines[5].split()[:4] == ["ID", "PID", "GEN", "STATE"]
        assert [line.split()[0] for line in lines[6:8]] == ["1", "2"]
        assert lines[-1].startswith("q quit   sort by id: ")
        screen.keys("c")
        screen.wait(lambda lines: "sort by connections" in lines[-1])
        rows = screen.wait(lambda lines: int(lines[6].split()[9]) >= int(lines[7].split()[9]))
        assert len(rows) == 24
        wsgisrv("reload", "--control-socket", path)
        screen.wait(lambda lines: "reload: generation 2 serves" in "\n".join(lines))
        screen.keys("q")
        screen.wait(lambda lines: "exit code 0" in lines)
        assert slow.response().status == 200


def test_it_ends_in_one_line_when_the_master_is_gone(tmp_path: Path) -> None:
    with (
        operated("tests.apps.basic:hello", tmp_path, workers=1) as (_, path),
        terminal(tmp_path, *top(path)) as screen,
    ):
        screen.wait(lambda lines: any("workers 1/1" in line for line in lines))
        wsgisrv("stop", "--control-socket", path)
        screen.wait(lambda lines: "exit code 69" in lines)
        text = screen.run("capture-pane", "-p", "-J").split("\n")
        said = [line.strip() for line in text if line.strip()]
        line = f"wsgisrv: {path}: no such socket: is the service running?"
        assert said[-2:] == [line, "exit code 69"]


def test_without_a_terminal_it_says_what_else_there_is(tmp_path: Path) -> None:
    with operated("tests.apps.basic:hello", tmp_path, workers=1) as (_, path):
        code, line = refusal_of("top", "--control-socket", path)
        assert code == 2
        assert line == "top: needs a terminal; wsgisrv status prints the same once"
