"""What systemd says of unit files."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest


def complaints(*units: Path) -> list[str]:
    """Returns what it finds wrong with them; skips the test where there is no systemd-analyze.

    Of the machine's own units, which it looks at, too, it may say more.
    """
    if shutil.which("systemd-analyze") is None:
        pytest.skip("there is no systemd-analyze")
    version = int(re.search(r"\d+", _run("systemd-analyze", "--version").stdout)[0])  # type: ignore[index]
    said = _run("systemd-analyze", "verify", "--man=no", *map(str, units)).stderr.splitlines()
    ours = [line for line in said if any(unit.name in line for unit in units)]
    if version < 253:
        ours = [line for line in ours if "notify-reload" not in line]
    return ours


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)
