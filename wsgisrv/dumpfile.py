"""The file in memory that a worker's last stacks are written to when it can say nothing else.

Rules: made by the master for each worker, shared by both; faulthandler writes to it from a timer or a
signal, in C and without the interpreter. Must not import eventlet.

Facts about faulthandler: it needs a descriptor, and never looks whether a write was short; a pipe that
nobody reads would cut a stack off. Facts about fork(2): both sides share one offset, so whoever empties the
file sets it back for the other as well.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from typing import Any

MOST_BYTES = 256 * 1024
"""Read of one dump."""

STACKS_BYTES = 64 * 1024
"""Most of one worker's stacks as JSON: in a message they must fit into the channel's buffer, whose bytes
are not all for text."""

_OWN_THREADS = ("worker/watchdog.py", "worker/line_writer.py")
_ABORTED = re.compile(rb"^Fatal Python error: Aborted$", re.MULTILINE)
_HEADER = re.compile(
    r"^(?:Current thread|Thread) 0x[0-9a-f]+(?: \[[^]]*\])? \(most recent call first\):"
)


class DumpFile:
    """Args:
    fd: of the file.
    """

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd

    @classmethod
    def make(cls) -> DumpFile:
        """Returns a new, empty one, close-on-exec.

        Raises:
            OSError: when the kernel refuses.
        """
        if hasattr(os, "memfd_create"):
            return cls(os.memfd_create("wsgisrv-stacks"))
        with tempfile.TemporaryFile() as file:
            return cls(os.dup(file.fileno()))

    def size(self) -> int:
        """Returns how many bytes are in it."""
        return os.fstat(self.fd).st_size

    def read(self) -> str:
        """Returns what is in it, made readable; empty for nothing."""
        return readable(os.pread(self.fd, MOST_BYTES, 0).decode("utf-8", "backslashreplace"))

    def read_json(self) -> dict[str, Any] | None:
        """Returns what the watchdog wrote, None when it wrote nothing."""
        try:
            found = json.loads(os.pread(self.fd, self.size(), 0))
        except ValueError:
            return None
        return found if isinstance(found, dict) else None

    def was_aborted(self) -> bool:
        """Whether SIGABRT is among what left stacks in it: the worker is about to die."""
        return self.size() > 0 and bool(_ABORTED.search(os.pread(self.fd, MOST_BYTES, 0)))

    def clear(self) -> None:
        """Empties it."""
        os.ftruncate(self.fd, 0)
        os.lseek(self.fd, 0, os.SEEK_SET)

    def close(self) -> None:
        """Lets go of the descriptor; does nothing the second time."""
        fd, self.fd = self.fd, -1
        if fd >= 0:
            with contextlib.suppress(OSError):
                os.close(fd)


def readable(text: str) -> str:
    """Returns faulthandler's text without addresses, our own threads and the list of modules."""
    kept = [
        "\n".join(
            _HEADER.sub("thread (most recent call first):", line) for line in part.split("\n")
        )
        for part in text.strip().split("\n\n")
        if not part.startswith("Extension modules:")
        and not any(own in part for own in _OWN_THREADS)
    ]
    return "\n\n".join(part for part in kept if part)
