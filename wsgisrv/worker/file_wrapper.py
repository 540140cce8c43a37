"""``wsgi.file_wrapper``: a file as a response body (PEP 3333, optional platform-specific file handling)."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import Any


class FileWrapper:
    """Wraps a file-like object.

    Args:
        filelike: has read(), and perhaps close(), fileno() and tell().
        block_size: bytes to read at a time where sendfile(2) cannot be used.
    """

    def __init__(self, filelike: Any, block_size: int = 65536) -> None:
        self.filelike = filelike
        self.block_size = block_size

    def __iter__(self) -> Iterator[bytes]:
        return self.pieces(-1)

    def pieces(self, most: int) -> Iterator[bytes]:
        """Yields the file up to its end, or ``most`` bytes of it unless that is negative."""
        size = self.block_size
        while most and (piece := self.filelike.read(size if most < 0 else min(size, most))):
            yield piece
            if most > 0:
                most = max(most - len(piece), 0)

    def close(self) -> None:
        """Closes the file if it can be closed."""
        close = getattr(self.filelike, "close", None)
        if close is not None:
            close()

    def regular_file_bytes(self) -> int | None:
        """Returns the bytes from the file's position to its end, None when it is no regular file."""
        try:
            status = os.fstat(self.fileno())
            if not stat.S_ISREG(status.st_mode):
                return None
            return max(status.st_size - self.tell(), 0)
        except (AttributeError, OSError, TypeError, ValueError):
            return None

    def fileno(self) -> int:
        """Returns the descriptor, as an int that sendfile takes."""
        return int(self.filelike.fileno())

    def tell(self) -> int:
        """Returns where in the file the body begins, in bytes."""
        return int(self.filelike.tell())
