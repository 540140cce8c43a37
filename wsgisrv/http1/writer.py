"""A response's head: checked, framed and written as bytes.

Rules: nothing that an app gives reaches the wire unchecked, since a CR or LF in it would begin a second
response. ``ResponseError`` says what the app did wrong; the caller answers 500 or closes.
Source: RFC 9112 section 6, RFC 9110 sections 6.4 and 15, PEP 3333 (start_response).
"""

from __future__ import annotations

import enum
import http
from collections.abc import Iterable
from typing import Any, Final

from wsgisrv.http1 import grammar

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"

_MOST_NAMES = 1024
_LONGEST_NAME = 64
_CODE_CHARS = 3
_MOST_DIGITS = 18  # they always fit a signed 64-bit number


class ResponseError(Exception):
    """Raised for a status or header that an app may not send; the app's author has to mend it."""


class _Kind(enum.IntEnum):
    ORDINARY = 0
    LENGTH = 1
    DATE = 2
    HOP_BY_HOP = 3
    INVALID = 4
    REPEATED = 5


REPEATED: Final = frozenset((
    "accept-ranges", "access-control-allow-credentials", "access-control-allow-headers",
    "access-control-allow-methods", "access-control-allow-origin", "access-control-expose-headers",
    "access-control-max-age", "allow", "cache-control", "content-encoding", "content-language",
    "content-security-policy", "content-type", "openstack-api-version", "pragma", "referrer-policy",
    "server", "strict-transport-security", "vary", "www-authenticate", "x-content-type-options",
    "x-frame-options",
))  # fmt: skip
"""Names of fields that tend to have the same value again, and never one that must be forgotten."""

# By name: looking a member up in its class takes as long as a call.
_ORDINARY, _LENGTH, _DATE, _HOP_BY_HOP, _INVALID, _REPEATED = _Kind

_SPECIAL = {
    "content-length": _Kind.LENGTH,
    "date": _Kind.DATE,
} | dict.fromkeys(
    # PEP 3333 (other HTTP features) leaves these to the server; RFC 9110 7.6.1 names them.
    (
        "connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding",
        "upgrade",
    ),
    _Kind.HOP_BY_HOP,
) | dict.fromkeys(REPEATED, _Kind.REPEATED)  # fmt: skip


class Statuses(dict[str, tuple[int, str]]):
    """Maps a status of an app's to its code and its status line, once it was checked; remembers a bounded
    number.
    """

    def __missing__(self, status: Any) -> tuple[int, str]:
        if not isinstance(status, str) or not grammar.STATUS.fullmatch(status):
            raise ResponseError(f"status {status!r} is not a three-digit code and a reason")
        # RFC 9112 4: the blank behind the code stands there without a reason, too.
        blank = " " if len(status) == _CODE_CHARS else ""
        known = int(status[:_CODE_CHARS]), f"HTTP/1.1 {status}{blank}\r\n"
        if len(status) <= _LONGEST_NAME and len(self) < _MOST_NAMES:
            self[status] = known
        return known


class ResponseNames(dict[str, _Kind]):
    """Maps a response field name, spelled as the app does, to what the writer must do about it.

    Remembers at most _MOST_NAMES of them: an app that makes names up must not make this grow.
    """

    def __missing__(self, name: Any) -> _Kind:
        if not isinstance(name, str):
            raise ResponseError(f"header name {name!r} is not a str")
        kind = _Kind.INVALID
        if grammar.TOKEN.fullmatch(name):
            kind = _SPECIAL.get(name.lower(), _Kind.ORDINARY)
        if len(name) <= _LONGEST_NAME and len(self) < _MOST_NAMES:
            self[name] = kind
        return kind


class ResponseHead:
    """The status and fields of one response, checked.

    ``status_line`` and ``fields`` are as they are sent, each line with its CRLF. ``length`` is the app's
    Content-Length in bytes, -1 when it gave none; it is not among the fields. ``has_body`` says whether the
    status lets a body follow (RFC 9110 6.4.1); a HEAD request forbids one, too.
    """

    __slots__ = ("code", "fields", "has_body", "has_date", "length", "status_line")

    def __init__(
        self, status_line: str, code: int, fields: str, length: int, has_date: bool
    ) -> None:
        self.status_line = status_line
        self.code = code
        self.fields = fields
        self.length = length
        self.has_date = has_date
        self.has_body = code >= 200 and code != 204 and code != 304

    def to_bytes(self) -> bytes:
        """Returns the head as it is sent where nothing is added: that of an interim response."""
        return f"{self.status_line}{self.fields}\r\n".encode("latin-1")


_MOST_LINES = 1024
_LONGEST_LINE = 256


class ResponseMemo:
    """What the responses of one process have taught; shared by its connections."""

    __slots__ = ("lines", "names", "statuses")

    def __init__(self) -> None:
        self.lines: dict[tuple[str, str], str] = {}  # a checked header, and its line
        self.names = ResponseNames()
        self.statuses = Statuses()

    def remember_line(self, name: str, value: str, line: str) -> None:
        """Keeps the line of a header; when there are too many, all are found out anew."""
        if type(name) is str and type(value) is str and len(line) <= _LONGEST_LINE:
            if len(self.lines) >= _MOST_LINES:
                self.lines.clear()
            self.lines[name, value] = line


def check_head(status: Any, headers: Iterable[Any], memo: ResponseMemo) -> ResponseHead:
    """Checks what an app gave to start_response: a str and tuples of two, if it is right.

    Raises:
        ResponseError: for a status that is none, a name that is no token, a value with a control
            character, a second or malformed Content-Length, or a hop-by-hop header, but for Upgrade
            with 426.
    """
    code, status_line = memo.statuses[status]
    names, known = memo.names, memo.lines
    fields = ""
    length = -1
    has_date = False
    for header in headers:
        try:
            line = known.get(header)
        except TypeError:  # a list in the place of a tuple
            line = None
        if line is not None:
            fields += line
            continue
        name, value = header
        kind = names[name]  # one look-up a name
        if kind is _LENGTH:
            length = _checked_length(value, length)
            continue
        # isprintable() is a tenth of what the grammar costs and stricter.
        if not isinstance(value, str) or not (value.isprintable() and value.isascii()):
            _check_value(name, value)
        line = f"{name}: {value}\r\n"
        if kind is _ORDINARY:
            pass
        elif kind is _REPEATED:
            memo.remember_line(name, value, line)
        elif kind is _DATE:
            has_date = True
        else:
            _refuse_unless_upgrade(name, kind, code)
            fields += "Connection: Upgrade\r\n"  # RFC 9110 7.8: stands with every Upgrade
        fields += line
    return ResponseHead(status_line, code, fields, length, has_date)


def _check_value(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise ResponseError(f"the value of header {name!r} is not a str: {value!r}")
    if not grammar.FIELD_VALUE.fullmatch(value):
        raise ResponseError(f"the value of header {name!r} has a forbidden character: {value!r}")


def _checked_length(value: object, earlier: int) -> int:
    if earlier >= 0:
        raise ResponseError("Content-Length is given twice")
    if (
        isinstance(value, str)
        and value.isascii()
        and value.isdigit()
        and len(value) <= _MOST_DIGITS
    ):
        return int(value)
    raise ResponseError(f"Content-Length is no number: {value!r}")


def _refuse_unless_upgrade(name: str, kind: _Kind, code: int) -> None:
    """Lets through what a 426 has to say (RFC 9110 15.5.22): which protocol the client should ask for."""
    if kind is _Kind.INVALID:
        raise ResponseError(f"header name {name!r} is not a token")
    if code != 426 or name.lower() != "upgrade":
        raise ResponseError(f"header {name!r} is hop-by-hop and the server's to send")


def plain_response(status: int, reason: str, *, date: str, with_body: bool = True) -> bytes:
    """Returns a whole closing response of the server's own, one line of text.

    Args:
        status: 400 to 599.
        reason: the line, without anything that a peer sent.
        date: an IMF-fixdate.
        with_body: False answers HEAD.
    """
    body = plain_body(reason)
    return closing_response(status, body, charset="us-ascii", date=date, with_body=with_body)


def plain_body(reason: str) -> bytes:
    """Returns the body of such a response."""
    return (reason + "\n").encode("ascii")


def with_retry_after(response: bytes, seconds: int) -> bytes:
    """Returns such a response with Retry-After (RFC 9110 10.2.3).

    Args:
        seconds: 1 or more.
    """
    return response.replace(b"\r\n", b"\r\nRetry-After: %d\r\n" % seconds, 1)


def closing_response(
    status: int, text: bytes, *, charset: str, date: str, with_body: bool = True
) -> bytes:
    """Returns a whole closing response of the server's own, plain text.

    Args:
        status: 400 to 599.
        text: encoded in ``charset``; may be empty.
        date: an IMF-fixdate.
        with_body: False answers HEAD.
    """
    head = (
        f"HTTP/1.1 {status} {http.HTTPStatus(status).phrase}\r\n"
        f"Date: {date}\r\nContent-Type: text/plain; charset={charset}\r\n"
        f"Content-Length: {len(text)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode("ascii") + text if with_body else head.encode("ascii")
