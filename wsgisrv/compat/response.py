"""What an app may return and give to start_response under eventlet.wsgi, as PEP 3333 has it.

Eventlet takes str for ASCII bytes, numbers for header values and the Connection header for a wish, and
gathers an iterable's small pieces. Must not import eventlet.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import Any


class Whole(list[bytes]):
    """A body that is all there, with the close() of what the app returned."""

    def __init__(self, result: Any) -> None:
        super().__init__(map(as_bytes, result))
        self._result = result

    def close(self) -> None:
        """Closes what the app returned."""
        close(self._result)


class Gathered:
    """A body that comes in pieces, of which small ones are joined.

    Args:
        result: what the app returned.
        least: bytes to gather before they are sent; the rest goes at the end.
    """

    def __init__(self, result: Iterable[Any], least: int) -> None:
        self._result = result
        self._least = least

    def __iter__(self) -> Iterator[bytes]:
        pieces: list[bytes] = []
        size = 0
        for piece in map(as_bytes, self._result):
            pieces.append(piece)
            size += len(piece)
            if size and size >= self._least:
                yield b"".join(pieces)
                pieces = []
                size = 0
        if pieces:
            yield b"".join(pieces)

    def close(self) -> None:
        """Closes what the app returned."""
        close(self._result)


def as_bytes(piece: Any) -> Any:
    """Returns a piece of a body as bytes if it is ASCII text, else as it is.

    Raises:
        UnicodeEncodeError: for text that is not ASCII.
    """
    return piece.encode("ascii") if isinstance(piece, str) else piece


def close(result: Any) -> None:
    """Calls ``close`` where there is one (PEP 3333, specification details)."""
    method = getattr(result, "close", None)
    if method is not None:
        method()


def as_headers(headers: Iterable[tuple[Any, Any]], *, capitalize: bool) -> list[tuple[str, str]]:
    """Returns an app's headers, names and values made str."""
    return [
        (capitalized(str(name)) if capitalize else str(name), str(value)) for name, value in headers
    ]


def without_connection(headers: list[tuple[str, str]]) -> tuple[list[tuple[str, str]], bool]:
    """Returns the headers without Connection, and whether one asked to close."""
    wishes = [value for name, value in headers if name.lower() == "connection"]
    if not wishes:
        return headers, False
    left = [(name, value) for name, value in headers if name.lower() != "connection"]
    options = [option.strip() for wish in wishes for option in wish.lower().split(",")]
    return left, "close" in options


@functools.lru_cache(maxsize=1024)
def capitalized(name: str) -> str:
    """Returns a header name with each of its words capitalized; remembers a bounded number."""
    return "-".join(word.capitalize() for word in name.split("-"))
