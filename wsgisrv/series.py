"""Counts with labels in shared memory: a table of rows, each a name, a count and a sum of seconds.

Rules: one writer, who appends rows and changes their numbers, without locks or syscalls; anybody reads. A
row's name is written last and never changes, so a reader meets no half of one; the first row without a
name is the end. A name is labels with SEPARATOR in between, the kind of the series first and what may be
long last, since it is cut to NAME_BYTES. Imports nothing of the project.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

ROW_BYTES = 192
ROWS = 512
TABLE_BYTES = ROWS * ROW_BYTES
NAME_BYTES = ROW_BYTES - 17
SEPARATOR = "\x1f"

_NAME = struct.Struct(f"={NAME_BYTES + 1}p")
_NUMBERS = 16  # bytes of a row before its name
_PLACES = ROW_BYTES // 8

REQUEST = "request"  # labels: server, method, status class, route
REFUSED = "refused"  # labels: status code or nothing, reason
TIMEOUT = "timeout"  # label: kind
RESTART = "restart"  # label: cause; the master's
RELOAD = "reload"  # label: outcome; the master's


def name_of(kind: str, *labels: str) -> str:
    """Returns the name of a series; SEPARATOR in a label becomes a space."""
    return SEPARATOR.join([kind, *(label.replace(SEPARATOR, " ") for label in labels)])


OTHER = "other"
"""Stands for the labels that are too many to be told apart."""

OVERFLOW = name_of(REQUEST, "", OTHER, "none", OTHER)
"""Takes what has no row of its own any more."""


class SeriesTable:
    """Args:
    memory: TABLE_BYTES of it.
    """

    __slots__ = ("_counts", "_memory", "_seconds", "_used")

    def __init__(self, memory: memoryview) -> None:
        self._memory = memory
        self._counts = memory.cast("Q")
        self._seconds = memory.cast("d")
        self._used: dict[str, int] = {}  # the writer's own rows

    def write(self, name: str, count: int, seconds: float) -> bool:
        """Sets the numbers of a series, in a row of its own.

        Returns:
            False when no row is left; the last one is for OVERFLOW.
        """
        row = self._used.get(name)
        is_new = row is None
        if row is None:
            row = len(self._used)
            if row >= ROWS - (name != OVERFLOW):
                return False
            self._used[name] = row
        self._counts[row * _PLACES] = count
        self._seconds[row * _PLACES + 1] = seconds
        if is_new:
            cut = name.encode("utf-8", "replace")[:NAME_BYTES]
            at = row * ROW_BYTES + _NUMBERS
            self._memory[at + 1 : at + 1 + len(cut)] = cut
            self._memory[at] = len(cut)
        return True

    def __iter__(self) -> Iterator[tuple[str, int, float]]:
        """Yields name, count and seconds of each row."""
        for row in range(ROWS):
            (name,) = _NAME.unpack_from(self._memory, row * ROW_BYTES + _NUMBERS)
            if not name:
                return
            place = row * _PLACES
            yield name.decode("utf-8", "ignore"), self._counts[place], self._seconds[place + 1]

    def clear(self) -> None:
        """Forgets every row, for another writer."""
        for row in range(ROWS):
            at = row * ROW_BYTES
            if not self._memory[at + _NUMBERS]:  # the length of its name
                break
            self._memory[at : at + ROW_BYTES] = bytes(ROW_BYTES)
        self._used.clear()
