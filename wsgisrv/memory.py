"""How much memory a process has.

Facts about proc(5): the second word of /proc/PID/statm is the resident set in pages. Where there is no
/proc the figure is 0. Imports nothing of the project.
"""

from __future__ import annotations

import os


def rss_of(pid: int) -> int:
    """Returns the resident set of a process in bytes, 0 when it is not to be known."""
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0
