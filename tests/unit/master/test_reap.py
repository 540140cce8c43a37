"""Reaping: each child once, nobody else's, and how it ended in words."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from wsgisrv.master.reap import exited, in_words


def child(code: int) -> int:
    """Returns the pid of a child that has exited and was not reaped."""
    pid = os.fork()
    if not pid:
        os._exit(code)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    return pid


def test_children_that_have_exited_are_found_once() -> None:
    first, second = child(0), child(3)
    assert exited([first, second], adopts=False) == [(first, 0), (second, 3 << 8)]


def test_a_child_that_lives_is_not_waited_for() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as living:
        assert exited([living.pid], adopts=False) == []
        assert exited([], adopts=True) == []
        living.communicate(b"\n")


def test_the_children_of_others_in_the_process_are_left_to_them() -> None:
    stranger = child(5)
    assert exited([], adopts=False) == []
    assert os.waitpid(stranger, 0) == (stranger, 5 << 8)


def test_pid_1_reaps_strangers_and_its_own() -> None:
    own, stranger = child(0), child(5)
    assert exited([own], adopts=True) == [(own, 0), (stranger, 5 << 8)]


def test_a_child_that_somebody_else_has_reaped_is_gone() -> None:
    pid = child(0)
    os.waitpid(pid, 0)
    assert exited([pid], adopts=False) == [(pid, None)]
    assert in_words(None) == "is gone"


def test_an_end_is_told_in_words() -> None:
    assert in_words(0) == "exited with code 0"
    assert in_words(3 << 8) == "exited with code 3"
    assert in_words(signal.SIGSEGV) == "was killed by SIGSEGV"
    assert in_words(signal.SIGRTMIN + 1) == "was killed by SIGRTMIN+1"
