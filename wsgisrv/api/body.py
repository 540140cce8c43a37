"""A JSON body, read strictly: bytes in, values out, and everything doubtful refused by name.

Rules: knows nothing of the media types of answers. RFC 8259 leaves duplicate keys, NaN, numbers beyond a
double and lone surrogates to the parser; here each is an error, because two services that read one body
differently are a hole.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Callable
from typing import Any, BinaryIO

from webob import exc

from wsgisrv.api.misfit import find_misfit
from wsgisrv.api.pointers import shortened

MOST_BODY_BYTES = 1024 * 1024
"""Longest JSON body, unless the API says otherwise; what has to be longer is better streamed than parsed."""

MOST_DEPTH = 32
"""Deepest nesting: arrays and objects within each other."""

_TEXT = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_LONG_NUMBER = re.compile(rb"[0-9]{309}")  # an integer that a double may not hold
_TWO_DIGITS = re.compile(rb"[0-9]{2}")
_BRACES_TO_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(set(range(256)) - set(b"{}[]"))


def read_body(environ: dict[str, Any], most_bytes: int) -> bytes:
    """Returns the whole body.

    Args:
        environ: of the request.
        most_bytes: that are accepted; at least 0.

    Raises:
        webob.exc.HTTPRequestEntityTooLarge: when it is longer; nothing of it is read if it says so.
        webob.exc.HTTPBadRequest: when it ends before its Content-Length, or that is no number.
        webob.exc.HTTPLengthRequired: when it is chunked, and the server does not say where it ends.
    """
    length = environ.get("CONTENT_LENGTH") or ""
    if length:
        size = _size(length, most_bytes)
        body = _read(environ["wsgi.input"], size)
        if len(body) < size:
            raise exc.HTTPBadRequest("the body ends before its Content-Length")
        return body
    # Without a length, a server that does not end the input itself would let us wait for ever.
    if not environ.get("wsgi.input_terminated"):
        if environ.get("HTTP_TRANSFER_ENCODING"):
            raise exc.HTTPLengthRequired("the body has to have a Content-Length")
        return b""
    body = _read(environ["wsgi.input"], most_bytes + 1)
    if len(body) > most_bytes:
        raise _too_long(most_bytes)
    return body


def parse_json(body: bytes) -> Any:
    """Returns what the JSON text says.

    Raises:
        webob.exc.HTTPBadRequest: when it is empty, not UTF-8 or no JSON; has a key twice, NaN, Infinity, a
            number that no double holds or half a surrogate pair; or is nested deeper than MOST_DEPTH. The
            detail says which, and where.
    """
    if not body:
        raise exc.HTTPBadRequest("the body is empty; it has to be JSON")
    if body.startswith(codecs.BOM_UTF8):
        raise exc.HTTPBadRequest("the body is not JSON: it begins with a byte order mark")
    try:
        return _parsed(body)
    except UnicodeDecodeError as error:
        raise exc.HTTPBadRequest(f"the body is not UTF-8 at byte {error.start}") from None
    except RecursionError:
        raise exc.HTTPBadRequest(f"the body is nested deeper than {MOST_DEPTH} levels") from None
    except ValueError as error:
        raise exc.HTTPBadRequest(f"the body is not JSON: {error}") from None


def check_json_values(value: Any, body: bytes) -> None:
    """Checks that what was read of a body has nothing that JSON has not.

    Args:
        value: read of the body, from whatever it is.

    Raises:
        ValueError: says what, and where.
    """
    found = find_misfit(value, MOST_DEPTH, len(body) + 1)
    if found is not None:
        pointer, problem = found
        raise ValueError(f"at {shortened(pointer)}: {problem}" if pointer else problem)


def unreadable(error: OSError) -> exc.HTTPException:
    """Returns the answer to a body that will not come, as its server says by an OSError.

    Ours says by its ``status`` which it is.
    """
    refusal = exc.status_map.get(getattr(error, "status", 400), exc.HTTPBadRequest)
    return refusal(f"the body cannot be read: {error}")


def _parsed(body: bytes) -> Any:
    text = body.decode("utf-8")
    decode = _decode_long if _may_have_long_number(body) else _decode
    try:
        value = decode(text)
    except _DoubtError:
        check_json_values(_decode_doubtful(text), body)  # which knows the place
        raise
    if _is_deep(body) or (b"\\u" in body and not _is_text(value)):
        check_json_values(value, body)
    return value


class _DoubtError(ValueError):
    """Raised while decoding for what the decoder itself would take."""


def _size(length: str, most_bytes: int) -> int:
    if not length.isdecimal():
        raise exc.HTTPBadRequest("the Content-Length is no number")
    if (
        len(length) > 20 or int(length) > most_bytes
    ):  # more digits than 20 are no length of anything
        raise _too_long(most_bytes)
    return int(length)


def _read(stream: BinaryIO, size: int) -> bytes:
    """Returns ``size`` bytes or, at the end, fewer; some servers give a piece at a time."""
    body = bytearray()
    try:
        while len(body) < size and (piece := stream.read(size - len(body))):
            body += piece
    except OSError as error:
        raise unreadable(error) from None
    return bytes(body)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _DoubtError(f"the key {name[:100]!a} stands twice in one object")
            seen.add(name)
    return found


def _no_constant(name: str) -> None:
    raise _DoubtError(f"{name} is no JSON value")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise _DoubtError(f"{text[:20]} is too large a number")
    return number


def _whole(text: str) -> int:
    _finite(text)
    return int(text)


_HOOKS: dict[str, Any] = {
    "object_pairs_hook": _unique,
    "parse_constant": _no_constant,
    "parse_float": _finite,
}
_decode: Callable[[str], Any] = json.JSONDecoder(**_HOOKS).decode
_decode_long: Callable[[str], Any] = json.JSONDecoder(**_HOOKS, parse_int=_whole).decode
_encode: Callable[[Any], str] = json.JSONEncoder(ensure_ascii=False).encode


def _decode_doubtful(text: str) -> Any:
    """Returns what a text says, with the error in the place of what is doubtful; once is enough."""
    doubts: list[_DoubtError] = []

    def noting(hook: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def noted(given: Any) -> Any:
            if doubts:
                return dict(given) if hook is _unique else None
            try:
                return hook(given)
            except _DoubtError as doubt:
                doubts.append(doubt)
                return doubt

        return noted

    hooks: dict[str, Any] = {name: noting(hook) for name, hook in _HOOKS.items()}
    return json.JSONDecoder(**hooks, parse_int=noting(_whole)).decode(text)


def _is_text(value: Any) -> bool:
    """Whether no text in it has half a surrogate pair."""
    try:
        _encode(value).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _may_have_long_number(body: bytes) -> bool:
    """Whether 309 digits follow each other, in a text or as a number.

    Of so many, each 154th octet of the body has two; looking at all octets takes 10 us for each kB.
    """
    return bool(_TWO_DIGITS.search(body[::154]) and _LONG_NUMBER.search(body))


def _is_deep(body: bytes) -> bool:
    """Whether JSON is nested deeper than MOST_DEPTH; it has to be well-formed.

    Looking at the text takes half the time of walking through 500,000 lists, and a fifth with few strings.
    """
    # Each level has its bracket, so few brackets are never too deep and need no second look.
    if body.count(b"[") + body.count(b"{") <= MOST_DEPTH:
        return False
    brackets = _TEXT.sub(b"", body).translate(_BRACES_TO_BRACKETS, _NO_BRACKETS)
    for _ in range(MOST_DEPTH):
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)


def _too_long(most_bytes: int) -> exc.HTTPException:
    return exc.HTTPRequestEntityTooLarge(f"the body is longer than {most_bytes} bytes")
