"""Results that are no JSON document: files, and what is streamed, as lines of JSON.

Rules: what an action refuses at its start is still a fault, so the first piece is taken before the head is
sent, and a file is opened and measured.
"""

from __future__ import annotations

import dataclasses
import inspect
import io
import itertools
import mimetypes
import os
import stat
import typing
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
        TypeError: when it is opened for text.
    """
    if isinstance(result, File):
        return _open_named(result, otherwise)
    if not isinstance(result.read(0), bytes):
        result.close()
        raise TypeError("a file is opened for reading bytes, with the mode rb")
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
    """Whether a result is an open file."""
    return hasattr(result, "read")


def is_stream(method: Callable[..., Any]) -> bool:
    """Whether an action says that it returns an iterator: as a generator function, or by its annotation."""
    function = inspect.unwrap(method)
    try:
        hint = typing.get_type_hints(function).get("return")
    except (NameError, AttributeError, TypeError, SyntaxError):  # names for type checkers alone
        hint = None
    kind = typing.get_origin(hint) or hint
    is_iterator = isinstance(kind, type) and issubclass(kind, Iterator) and not is_file(kind)
    return is_iterator or inspect.isgeneratorfunction(function)


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


class Begun:
    """The body of a streamed answer, whose first piece is taken already; the others are sent as they come.

    Args:
        items: closed at the end, or when the client leaves.
        to_bytes: makes a piece of an item.

    Raises:
        Exception: what ``items`` raises first.
    """

    __slots__ = ("_first", "_items", "_to_bytes")

    def __init__(self, items: Iterator[Any], to_bytes: Callable[[Any], bytes]) -> None:
        self._items = items
        self._to_bytes = to_bytes
        try:
            self._first = [to_bytes(item) for item in itertools.islice(items, 1)]
        except BaseException:
            self.close()
            raise

    def __iter__(self) -> Iterator[bytes]:
        yield from self._first
        for item in self._items:
            yield self._to_bytes(item)

    def close(self) -> None:
        """Called by the server at the end of the request (PEP 3333)."""
        close = getattr(self._items, "close", None)
        if close is not None:
            close()
