"""The tasks' board: shared memory with a row and a lock for each task that runs in one worker only.

Rules: made by the master, inherited by every worker and handed to a new master, so that it outlives them all.
The master names the rows; the worker that holds a task's lock writes its row, and nobody else; anybody reads.
Must not import eventlet.

Facts about fcntl(2): a record lock belongs to a process, is not inherited by its children, and the kernel
frees it when the process ends, however it ends. It is also freed when the process closes any descriptor of
that file, so that a worker keeps its only one open. A lock of flock(2) would be shared by everybody who has
the descriptor from the master, and so keep nobody out.
"""

from __future__ import annotations

import enum
import errno
import fcntl
import mmap
import os
import tempfile
from collections.abc import Sequence
from typing import Self

from wsgisrv.errors import ConfigError

ROWS = 256
"""Most tasks of a service, those of all its versions since its first master together."""

ROW_BYTES = 256
_NAME_AT = 64
_NAME_BYTES = ROW_BYTES - _NAME_AT


class TaskWord(enum.IntEnum):
    """The words of a row."""

    HOLDER = 0  # pid of the worker that holds the lock, or held it last
    RUNNING = 1  # 1 while the task runs
    RUNS = 2  # ended
    FAILURES = 3  # of them, those that raised


class TaskReal(enum.IntEnum):
    """The words that hold a floating-point number."""

    STARTED = 4  # time.monotonic() of the last run's start
    SECONDS = 5  # that the last run took that has ended


class TaskRow:
    """One task's part of the board; ``words`` and ``reals`` are indexed by the enums above."""

    __slots__ = ("_memory", "reals", "words")

    def __init__(self, memory: memoryview) -> None:
        self._memory = memory
        self.words = memory[:_NAME_AT].cast("Q")
        self.reals = memory[:_NAME_AT].cast("d")

    @property
    def name(self) -> str:
        """The task's, empty while the row is nobody's."""
        return bytes(self._memory[_NAME_AT:]).rstrip(b"\0").decode()

    @name.setter
    def name(self, name: str) -> None:
        self._memory[_NAME_AT:] = name.encode().ljust(_NAME_BYTES, b"\0")


class TaskBoard:
    """Args:
    fd: of the file.
    names: of the tasks that run in one worker only; each has the row that it had before, or else a new one.

    Raises:
        OSError: when the kernel refuses the mapping.
        ConfigError: when there is no row left, or a name is too long.
    """

    def __init__(self, fd: int, names: Sequence[str]) -> None:
        self.fd = fd
        memory = memoryview(mmap.mmap(fd, ROWS * ROW_BYTES))
        rows = [TaskRow(memory[at : at + ROW_BYTES]) for at in range(0, len(memory), ROW_BYTES)]
        taken = {row.name: index for index, row in enumerate(rows) if row.name}
        self.shared = tuple(names)
        self._index: dict[str, int] = {}
        for name in names:
            if len(name.encode()) > _NAME_BYTES:
                raise ConfigError(f"task {name}: a name has at most {_NAME_BYTES} bytes")
            if name not in taken:
                if len(taken) == ROWS:
                    raise ConfigError(f"task {name}: a service has at most {ROWS} of them")
                taken[name] = len(taken)  # rows are taken in order, and never given back
                rows[taken[name]].name = name
            self._index[name] = taken[name]
        self._rows = rows

    @classmethod
    def make(cls, names: Sequence[str]) -> Self:
        """Returns a new board, its file close-on-exec.

        Raises:
            OSError: when the kernel refuses.
            ConfigError: as for the class.
        """
        if hasattr(os, "memfd_create"):
            fd = os.memfd_create("wsgisrv-tasks")
        else:
            with tempfile.TemporaryFile() as file:
                fd = os.dup(file.fileno())
        os.ftruncate(fd, ROWS * ROW_BYTES)
        return cls(fd, names)

    def row(self, name: str) -> TaskRow:
        """Returns a task's row."""
        return self._rows[self._index[name]]

    def take(self, name: str) -> bool:
        """Takes the task's lock for this process, unless another one has it; never waits.

        Raises:
            OSError: when the kernel has no room for locks.
        """
        try:
            fcntl.lockf(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, self._index[name])
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                return False
            raise
        return True

    def give_back(self, name: str) -> None:
        """Lets another process take it."""
        fcntl.lockf(self.fd, fcntl.LOCK_UN, 1, self._index[name])
