"""Results that are no JSON document: files, and lines of JSON that are streamed.

Rules: what an action refuses at its start is still a fault, so the first line is taken before the head is
sent, and a file is opened and measured.
"""

from __future__ import annotations

import dataclasses
import io
import mimetypes
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from email.utils import formatdate
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote
from wsgiref.types import WSGIEnvironment
from wsgiref.util import FileWrapper

BYTES = "application/octet-stream"

_BLOCK_BYTES = 64 * 1024


@dataclasses.dataclass(frozen=True, slots=True)
class File:
    """A file as an action's result.

    Args:
        path: of a regular file.
        content_type: by default what its name says.
        download_as: the name under which a browser stores it; "" for showing it.
    """

    path: str | os.PathLike[str]
    content_type: str = ""
    download_as: str = ""


def open_file(
    result: File | IO[bytes], otherwise: str = BYTES
) -> tuple[IO[bytes], list[tuple[str, str]]]:
    """Returns the open file and what the headers say of it.

    Args:
        otherwise: the media type of a file that does not say its own.

    Raises:
        OSError: when it cannot be read.
    """
    if isinstance(result, File):
        return _open_named(result, otherwise)
    headers = [("Content-Type", otherwise)]
    try:
        left = os.fstat(result.fileno()).st_size - result.tell()
        if stat.S_ISREG(os.fstat(result.fileno()).st_mode) and left >= 0:
            headers.append(("Content-Length", str(left)))
    except (OSError, AttributeError, io.UnsupportedOperation):
        pass  # no regular file: its end will say how long it was
    return result, headers


def wrapped(file: IO[bytes], environ: WSGIEnvironment) -> Iterable[bytes]:
    """Returns the body that the server sends of a file, and closes."""
    wrapper: Any = environ.get("wsgi.file_wrapper", FileWrapper)
    body: Iterable[bytes] = wrapper(file, _BLOCK_BYTES)
    return body


def is_file(result: Any) -> bool:
    """Whether a result is a file opened for reading bytes."""
    return hasattr(result, "read") and not isinstance(result, io.TextIOBase)


def _open_named(result: File, otherwise: str) -> tuple[IO[bytes], list[tuple[str, str]]]:
    file = Path(result.path).open("rb")  # noqa: SIM115 - the server closes it
    about = os.fstat(file.fileno())
    guessed = mimetypes.guess_type(os.fspath(result.path))[0]
    headers = [
        ("Content-Type", result.content_type or guessed or otherwise),
        ("Content-Length", str(about.st_size)),
        ("Last-Modified", formatdate(about.st_mtime, usegmt=True)),
        ("X-Content-Type-Options", "nosniff"),
    ]
    if result.download_as:
        name = quote(result.download_as, safe="")
        headers.append(("Content-Disposition", f"attachment; filename*=UTF-8''{name}"))
    return file, headers


class JSONLines:
    """The body of a streamed answer: one line for each item, sent as it comes.

    Args:
        items: closed at the end, or when the client leaves.
        encode: makes JSON of an item.
    """

    __slots__ = ("_encode", "_first", "_items")

    def __init__(self, items: Iterator[Any], encode: Callable[[Any], str]) -> None:
        self._items = items
        self._encode = encode
        try:
            self._first = [self._line(item) for item in self._take_one()]
        except BaseException:
            self.close()
            raise

    def _take_one(self) -> list[Any]:
        for item in self._items:
            return [item]
        return []

    def _line(self, item: Any) -> bytes:
        return self._encode(item).encode() + b"\n"

    def __iter__(self) -> Iterator[bytes]:
        yield from self._first
        for item in self._items:
            yield self._line(item)

    def close(self) -> None:
        """Called by the server at the end of the request (PEP 3333)."""
        close = getattr(self._items, "close", None)
        if close is not None:
            close()
