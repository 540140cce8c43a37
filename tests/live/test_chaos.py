"""A short run of tools/chaos: random signals and commands under load, and nothing is left over."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.server import ROOT

SECONDS, SIGNALS = 5, 50
DEADLINE = 150
"""Seconds: the longest wait of the tool, twice, and some more."""


@pytest.mark.parametrize("seed", [3, 4])
def test_random_signals_and_commands_leave_the_right_number_of_workers_and_nothing_else(
    seed: int,
) -> None:
    command = [sys.executable, "-m", "havoc", "--seed", str(seed)]
    done = subprocess.run(
        [*command, "--seconds", str(SECONDS), "--signals", str(SIGNALS)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'tools'}:{ROOT}"},
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
