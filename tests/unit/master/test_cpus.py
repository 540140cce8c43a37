"""How many cores may be used: the affinity mask, or the cgroup's quota if that is less."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wsgisrv.master.cpus import usable_cpus


@pytest.mark.parametrize(
    ("limits", "cores"),
    [
        ({}, 8),
        ({"a/b": "max 100000"}, 8),
        ({"a/b": "150000 100000"}, 2),
        ({"a/b": "10000 100000"}, 1),
        ({"a": "300000 100000", "a/b": "max 100000"}, 3),
        ({"a": "300000 100000", "a/b": "900000 100000"}, 3),
    ],
)
def test_the_tightest_of_all_bounds_counts(
    limits: dict[str, str], cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    for place, quota in limits.items():
        (tmp_path / "cgroup" / place).mkdir(parents=True, exist_ok=True)
        (tmp_path / "cgroup" / place / "cpu.max").write_text(quota + "\n")
    own = tmp_path / "own"
    own.write_text("0::/a/b\n")
    assert usable_cpus(tmp_path / "cgroup", own) == cores


def test_without_cgroups_the_mask_counts(tmp_path: Path) -> None:
    assert usable_cpus(tmp_path, tmp_path / "nosuch") == len(os.sched_getaffinity(0))
