"""Media types: how a body is read and a result is written, and which of them a client takes.

Rules: JSON is built in, and all that most APIs have; others are named by the API and found by entry point
(``wsgisrv.api.media_types``), so nothing that merely is installed is ever served. Text is sent as UTF-8.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from webob import exc
from webob.acceptparse import create_accept_header

from wsgisrv.api.body import MOST_DEPTH, check_json_values, parse_json
from wsgisrv.errors import ConfigError, first_line

JSON = "application/json"
JSON_LINES = "application/jsonl"
PROBLEM_JSON = "application/problem+json"
ENTRY_POINTS = "wsgisrv.api.media_types"

_LONGEST_KEPT = 200  # octets; an Accept header beyond it is no browser's, and is parsed each time

_UTF_8 = re.compile(r';\s*charset\s*=\s*"?utf-?8"?(?=\s*(?:[;,]|$))', re.IGNORECASE)

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


def read_value(media_type: MediaType, body: bytes) -> Any:
    """Returns what a body says.

    Raises:
        webob.exc.HTTPBadRequest: when it is malformed, or has what JSON has not: bytes, keys that are no
            texts, NaN, more levels than MOST_DEPTH; parse_json says how of JSON.
    """
    if media_type is JSON_TYPE:
        return parse_json(body)
    try:
        value = media_type.load(body)
    except RecursionError:
        raise exc.HTTPBadRequest(f"the body is nested deeper than {MOST_DEPTH} levels") from None
    except ValueError as error:
        said = str(error) or type(error).__name__
        raise exc.HTTPBadRequest(f"the body is not {media_type.name}: {said}") from None
    try:
        check_json_values(value, body)
    except ValueError as error:
        raise exc.HTTPBadRequest(f"the body has what JSON has not: {error}") from None
    return value


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
    """Returns the best of ``offers`` by an Accept header, or None (RFC 9110, 12.5.1).

    A malformed header is as good as none; ``charset=utf-8`` changes nothing, since text is sent in it.
    """
    if len(accept) <= _LONGEST_KEPT:
        return _choose(accept, offers)
    return _choose.__wrapped__(accept, offers)


@functools.lru_cache(maxsize=256)
def _choose(accept: str, offers: tuple[str, ...]) -> str | None:
    """Parsing takes 20 us and more; clients of one kind send one header."""
    found = _parsed(accept).acceptable_offers(offers)
    return str(found[0][0]) if found else None


def is_named(accept: str, media_type: str) -> bool:
    """Whether an Accept header has a media type itself, rather than a range that it is in."""
    ranges = _parsed(accept).parsed or ()
    return any(name.lower() == media_type and quality > 0 for name, quality, *_ in ranges)


def _parsed(accept: str) -> Any:
    return create_accept_header(_UTF_8.sub("", accept))
