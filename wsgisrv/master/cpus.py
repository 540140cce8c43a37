"""How many cores this process may run on.

Source: sched_getaffinity(2); cgroup v2, cpu.max ("$MAX $PERIOD", in microseconds).
"""

from __future__ import annotations

import math
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")


def usable_cpus(cgroup: Path = _CGROUP, own: Path = Path("/proc/self/cgroup")) -> int:
    """Returns the cores of the affinity mask, or of the cgroup's CPU quota if that is fewer; at least 1.

    Args:
        cgroup: where cgroup v2 is mounted.
        own: the file that names this process's cgroup.
    """
    has_mask = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if has_mask else os.cpu_count() or 1
    return max(min([cores, *_quotas(cgroup, own)]), 1)


def _quotas(cgroup: Path, own: Path) -> list[int]:
    """Returns the quota, in whole cores, of this process's cgroup and of those above it."""
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return []
    path = next((line[3:] for line in lines if line.startswith("0::")), "/")
    place = cgroup / path.strip("/")
    quotas = []
    for directory in (place, *place.parents):
        if directory == cgroup.parent:
            break
        try:
            most, period = (directory / "cpu.max").read_text().split()
        except (OSError, ValueError):
            continue
        if most != "max":
            quotas.append(math.ceil(int(most) / int(period)))
    return quotas
