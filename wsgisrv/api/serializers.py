"""Serializers: an action's result as bytes, and whether the client takes them.

Rules: one media type, JSON, and JSON lines for what is streamed. Text is sent as UTF-8, not escaped.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from typing import Any

from webob.acceptparse import create_accept_header

JSON = "application/json"
JSON_LINES = "application/jsonl"

_LONGEST_KEPT = 200  # octets; an Accept header beyond it is no browser's, and is parsed each time
_PLAIN = frozenset(["", "*/*", JSON])

encode: Callable[[Any], str] = json.JSONEncoder(
    separators=(",", ":"), ensure_ascii=False, allow_nan=False
).encode
"""Returns the JSON text; raises TypeError or ValueError for what JSON has no words for."""


def is_acceptable(accept: str | None) -> bool:
    """Whether an Accept header lets us answer in JSON (RFC 9110, 12.5.1)."""
    if accept is None or accept in _PLAIN:
        return True
    return _parse(accept) if len(accept) <= _LONGEST_KEPT else _parse.__wrapped__(accept)


@functools.lru_cache(maxsize=256)
def _parse(accept: str) -> bool:
    """Parsing takes 20 us and more; clients of one kind send one header."""
    return bool(create_accept_header(accept).acceptable_offers([JSON]))


class JSONLines:
    """The body of a streamed answer: one line for each item, sent as it comes.

    Args:
        items: closed at the end, or when the client leaves.

    The first item is taken at once, so that what an action refuses at its start is still a fault.
    """

    __slots__ = ("_first", "_items")

    def __init__(self, items: Iterator[Any]) -> None:
        self._items = items
        self._first = [encode(item).encode() + b"\n" for item in self._take_one()]

    def _take_one(self) -> list[Any]:
        for item in self._items:
            return [item]
        return []

    def __iter__(self) -> Iterator[bytes]:
        yield from self._first
        for item in self._items:
            yield encode(item).encode() + b"\n"

    def close(self) -> None:
        """Called by the server at the end of the request (PEP 3333)."""
        close = getattr(self._items, "close", None)
        if close is not None:
            close()
