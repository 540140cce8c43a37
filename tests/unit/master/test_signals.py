"""Signals: read in order, and a wait that a stop cuts short; in a process of their own."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.http import DEADLINE

PRELUDE = """
import os, signal
from wsgisrv.master.signals import SignalPipe, StopAskedError
def come(*numbers):
    for number in numbers:
        os.kill(os.getpid(), number)
pipe = SignalPipe()
pipe.install()
"""


def said(code: str) -> str:
    """Returns what a fresh interpreter prints."""
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + code],
        capture_output=True, text=True, check=True, timeout=DEADLINE,
    )  # fmt: skip
    assert not done.stderr
    return done.stdout.strip()


def test_signals_are_read_once_in_the_order_in_which_they_came() -> None:
    code = "come(signal.SIGHUP, signal.SIGTTIN, signal.SIGTERM)\nprint(*map(int, pipe.read()), pipe.read())"
    assert said(code) == "1 21 15 []"


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGQUIT"])
def test_a_stop_ends_a_wait_and_every_one_after_it_and_is_left_to_be_read(name: str) -> None:
    code = f"""
come(signal.SIGHUP, signal.{name})
for _ in range(2):
    try:
        pipe.wait(600)
    except StopAskedError:
        print('asked', end=' ')
print(*(signal.Signals(number).name for number in pipe.read()))
"""
    assert said(code) == f"asked asked SIGHUP {name}"


def test_no_other_signal_ends_it_or_is_lost() -> None:
    assert said("come(signal.SIGHUP)\npipe.wait(600)\nprint(*map(int, pipe.read()))") == "1"


def test_a_wait_without_a_signal_ends_in_time() -> None:
    assert said("pipe.wait(0.01)\nprint(pipe.read())") == "[]"
