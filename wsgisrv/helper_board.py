"""The helpers' board: an anonymous shared mapping with one place for each process that computes.

Rules: as of the scoreboard: a helper writes its own place only, without locks, anybody reads; the master
clears a place before it hands it out. Must not import eventlet.
"""

from __future__ import annotations

import enum
import mmap

PLACE_BYTES = 256
_NAME_AT = 64
_NAME_BYTES = PLACE_BYTES - _NAME_AT


class HelperState(enum.IntEnum):
    """What a helper does, as it tells itself."""

    BOOTING = 0
    IDLE = 1
    BUSY = 2


class HelperWord(enum.IntEnum):
    """The words of a place."""

    STATE = 0  # a HelperState
    JOBS = 1  # begun


class HelperReal(enum.IntEnum):
    """The words that hold a floating-point number."""

    SINCE = 4  # time.monotonic() at which the job began that runs now
    BUSY_SECONDS = 5  # of all jobs that have ended


class HelperPlace:
    """One helper's part of the board; ``words`` and ``reals`` are indexed by the enums above."""

    __slots__ = ("_memory", "reals", "words")

    def __init__(self, memory: memoryview) -> None:
        self._memory = memory
        self.words = memory.cast("Q")
        self.reals = memory.cast("d")

    @property
    def job(self) -> str:
        """What the helper's last job called, by module and name; empty before it knows."""
        return bytes(self._memory[_NAME_AT:]).rstrip(b"\0").decode("utf-8", "replace")

    @job.setter
    def job(self, name: str) -> None:
        cut = name.encode("utf-8", "replace")[:_NAME_BYTES]
        self._memory[_NAME_AT:] = cut.ljust(_NAME_BYTES, b"\0")

    def clear(self) -> None:
        """Sets the whole place to zero. Runs in: master loop, while no helper has it."""
        self._memory[:] = bytes(PLACE_BYTES)


class HelperBoard:
    """All places; made once by the master, inherited by every helper.

    Args:
        places: how many, at least 1.

    Raises:
        OSError: when the kernel refuses the mapping.
    """

    def __init__(self, places: int) -> None:
        whole = memoryview(mmap.mmap(-1, places * PLACE_BYTES))
        self._places = [
            HelperPlace(whole[at : at + PLACE_BYTES])
            for at in range(0, places * PLACE_BYTES, PLACE_BYTES)
        ]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> HelperPlace:
        return self._places[index]
