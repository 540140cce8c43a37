"""A JSON body, read strictly: bytes in, values out, and everything doubtful refused by name.

Rules: knows nothing of the media types of answers. RFC 8259 leaves duplicate keys, NaN, numbers beyond a
double and lone surrogates to the parser; here each is an error, because two services that read one body
differently are a hole.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, BinaryIO

from webob import exc

MOST_BODY_BYTES = 1024 * 1024
"""Longest JSON body, unless the API says otherwise; what has to be longer is better streamed than parsed."""

MOST_DEPTH = 32
"""Deepest nesting: arrays and objects within each other."""


def read_body(environ: dict[str, Any], most_bytes: int) -> bytes:
    """Returns the whole body.

    Args:
        environ: of the request.
        most_bytes: that are accepted; at least 0.

    Raises:
        webob.exc.HTTPRequestEntityTooLarge: when it is longer; nothing of it is read if it says so.
        webob.exc.HTTPBadRequest: when it ends before its Content-Length.
    """
    length = environ.get("CONTENT_LENGTH") or ""
    if length.isdecimal():
        size = int(length)
        if size > most_bytes:
            raise _too_long(most_bytes)
        body = _read(environ["wsgi.input"], size)
        if len(body) < size:
            raise exc.HTTPBadRequest("the body ends before its Content-Length")
        return body
    # Without a length, a server that does not end the input itself would let us wait for ever.
    if not environ.get("wsgi.input_terminated"):
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
    # Each level has its bracket, so few brackets are never too deep and need no second look.
    may_be_deep = body.count(b"[") + body.count(b"{") > MOST_DEPTH
    try:
        value = _decode(body.decode("utf-8"))
        if b"\\u" in body:
            _encode(value).encode("utf-8")
    except UnicodeDecodeError as error:
        raise exc.HTTPBadRequest(f"the body is not UTF-8 at byte {error.start}") from None
    except UnicodeEncodeError:
        raise exc.HTTPBadRequest("the body has half a surrogate pair in a string") from None
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise exc.HTTPBadRequest(f"the body is not JSON: {error}") from None
    if may_be_deep and _is_deeper(value, MOST_DEPTH):
        raise _too_deep()
    return value


def _read(stream: BinaryIO, size: int) -> bytes:
    """Returns ``size`` bytes or, at the end, fewer; some servers give a piece at a time.

    A server says by an OSError that the body will not come, ours with the status that fits.
    """
    body = bytearray()
    try:
        while len(body) < size and (piece := stream.read(size - len(body))):
            body += piece
    except OSError as error:
        refusal = exc.status_map.get(getattr(error, "status", 400), exc.HTTPBadRequest)
        raise refusal(f"the body cannot be read: {error}") from None
    return bytes(body)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in found if names.count(name) > 1)
        raise ValueError(f"the key {twice!a} stands twice in one object")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"{text[:20]} is too large a number")
    return number


_decode: Callable[[str], Any] = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite
).decode
_encode: Callable[[Any], str] = json.JSONEncoder(ensure_ascii=False).encode


def _is_deeper(value: Any, most: int) -> bool:
    level = [value]
    for _ in range(most):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _too_long(most_bytes: int) -> exc.HTTPException:
    return exc.HTTPRequestEntityTooLarge(f"the body is longer than {most_bytes} bytes")


def _too_deep() -> exc.HTTPException:
    return exc.HTTPBadRequest(f"the body is nested deeper than {MOST_DEPTH} levels")
