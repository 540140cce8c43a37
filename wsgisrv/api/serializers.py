"""Media types: how a body is read and a result is written, and which of them a client takes.

Rules: JSON is built in, and all that most APIs have; others are named by the API and found by entry point
(``wsgisrv.api.media_types``), so nothing that merely is installed is ever served. Text is sent as UTF-8.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import json
from collections.abc import Callable, Sequence
from typing import Any

from webob.acceptparse import create_accept_header

from wsgisrv.api.body import parse_json
from wsgisrv.errors import ConfigError, first_line

JSON = "application/json"
JSON_LINES = "application/jsonl"
PROBLEM_JSON = "application/problem+json"
ENTRY_POINTS = "wsgisrv.api.media_types"

_LONGEST_KEPT = 200  # octets; an Accept header beyond it is no browser's, and is parsed each time

encode: Callable[[Any], str] = json.JSONEncoder(
    separators=(",", ":"), ensure_ascii=False, allow_nan=False
).encode
"""Returns the JSON text; raises TypeError or ValueError for what JSON has no words for."""


@dataclasses.dataclass(frozen=True, slots=True)
class MediaType:
    """One way of writing values as bytes; what an entry point of ENTRY_POINTS names.

    Args:
        name: ``application/msgpack``.
        load: returns what the bytes mean; raises ValueError with one line for what is wrong with them.
        dump: returns the bytes for a value of dicts, lists, texts, numbers, booleans and None.
    """

    name: str
    load: Callable[[bytes], Any]
    dump: Callable[[Any], bytes]


JSON_TYPE = MediaType(JSON, parse_json, lambda value: encode(value).encode())


def load_media_types(names: Sequence[str]) -> dict[str, MediaType]:
    """Returns the media types by name, in the order of preference.

    Raises:
        ConfigError: when an entry point is missing, or is none.
    """
    if isinstance(names, str):
        raise ConfigError(f"media_types is a list of names, not {names!r}")
    found: dict[str, MediaType] = {}
    for name in names:
        found[name] = JSON_TYPE if name == JSON else _entry_point(name)
    if not found:
        raise ConfigError("an API needs a media type at least")
    return found


def _entry_point(name: str) -> MediaType:
    points = importlib.metadata.entry_points(group=ENTRY_POINTS, name=name)
    if not points:
        raise ConfigError(f"no media type {name!r}: no entry point of that name in {ENTRY_POINTS}")
    try:
        media_type = next(iter(points)).load()
    except Exception as error:
        raise ConfigError(f"the media type {name!r}: {first_line(error)}") from None
    if not isinstance(media_type, MediaType):
        raise ConfigError(f"the media type {name!r}: its entry point is no MediaType")
    return media_type


def choose(accept: str, offers: tuple[str, ...]) -> str | None:
    """Returns the best of ``offers`` by an Accept header, or None (RFC 9110, 12.5.1)."""
    if len(accept) <= _LONGEST_KEPT:
        return _choose(accept, offers)
    return _choose.__wrapped__(accept, offers)


@functools.lru_cache(maxsize=256)
def _choose(accept: str, offers: tuple[str, ...]) -> str | None:
    """Parsing takes 20 us and more; clients of one kind send one header."""
    found = create_accept_header(accept).acceptable_offers(offers)
    return str(found[0][0]) if found else None
