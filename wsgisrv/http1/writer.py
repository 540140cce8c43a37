"""A response's head: checked, framed and written as bytes.

Rules: nothing that an app gives reaches the wire unchecked, since a CR or LF in it would begin a second
response. ``ResponseError`` says what the app did wrong; the caller answers 500 or closes.
Source: RFC 9112 section 6, RFC 9110 sections 6.4 and 15, PEP 3333 (start_response).
"""

from __future__ import annotations

import enum
import http
from collections.abc import Iterable

from wsgisrv.http1 import grammar

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"

_MOST_NAMES = 1024
_LONGEST_NAME = 64


class ResponseError(Exception):
    """Raised for a status or header that an app may not send; the app's author has to mend it."""


class _Kind(enum.IntEnum):
    ORDINARY = 0
    LENGTH = 1
    DATE = 2
    HOP_BY_HOP = 3
    INVALID = 4


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
)  # fmt: skip


class Statuses(dict[str, int]):
    """Maps a status line of an app's to its code, once it was checked; remembers a bounded number."""

    def __missing__(self, status: str) -> int:
        if not isinstance(status, str) or not grammar.STATUS.fullmatch(status):
            raise ResponseError(f"status {status!r} is not a three-digit code and a reason")
        code = int(status[:3])
        if len(status) <= _LONGEST_NAME and len(self) < _MOST_NAMES:
            self[status] = code
        return code


class ResponseNames(dict[str, _Kind]):
    """Maps a response field name, spelled as the app does, to what the writer must do about it.

    Remembers at most _MOST_NAMES of them: an app that makes names up must not make this grow.
    """

    def __missing__(self, name: str) -> _Kind:
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

    ``length`` is the app's Content-Length in bytes, -1 when it gave none; it is not in ``lines``.
    """

    __slots__ = ("code", "has_date", "length", "lines", "status")

    def __init__(
        self, status: str, code: int, lines: list[str], length: int, has_date: bool
    ) -> None:
        self.status = status
        self.code = code
        self.lines = lines
        self.length = length
        self.has_date = has_date

    @property
    def has_body(self) -> bool:
        """Whether the status lets a body follow (RFC 9110 6.4.1); a HEAD request forbids one, too."""
        return self.code >= 200 and self.code != 204 and self.code != 304


class ResponseMemo:
    """What the responses of one process have taught; shared by its connections."""

    __slots__ = ("names", "statuses")

    def __init__(self) -> None:
        self.names = ResponseNames()
        self.statuses = Statuses()


def check_head(status: str, headers: Iterable[tuple[str, str]], memo: ResponseMemo) -> ResponseHead:
    """Checks what an app gave to start_response.

    Raises:
        ResponseError: for a status that is none, a name that is no token, a value with a control
            character, a second or malformed Content-Length, or a hop-by-hop header, but for Upgrade
            with 426.
    """
    code = memo.statuses[status]
    names = memo.names
    if len(status) == 3:
        status += " "  # RFC 9112 4: the blank stands there without a reason, too
    lines: list[str] = []
    length = -1
    has_date = False
    for name, value in headers:
        # One look-up a name; isprintable() is a tenth of what the grammar costs and stricter.
        kind = names[name]
        if not isinstance(value, str) or not (value.isprintable() and value.isascii()):
            _check_value(name, value)
        if kind:
            if kind is _Kind.LENGTH:
                length = _checked_length(value, length)
                continue
            if kind is _Kind.DATE:
                has_date = True
            else:
                _refuse_unless_upgrade(name, kind, code)
                lines.append("Connection: Upgrade\r\n")  # RFC 9110 7.8: stands with every Upgrade
        lines.append(f"{name}: {value}\r\n")
    return ResponseHead(status, code, lines, length, has_date)


def _check_value(name: str, value: object) -> None:
    if not isinstance(value, str):
        raise ResponseError(f"the value of header {name!r} is not a str: {value!r}")
    if not grammar.FIELD_VALUE.fullmatch(value):
        raise ResponseError(f"the value of header {name!r} has a forbidden character: {value!r}")


def _checked_length(value: str, earlier: int) -> int:
    if earlier >= 0:
        raise ResponseError("Content-Length is given twice")
    if not grammar.CONTENT_LENGTH.fullmatch(value):
        raise ResponseError(f"Content-Length is no number: {value!r}")
    return int(value)


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
    body = (reason + "\n").encode("ascii")
    return closing_response(status, body, charset="us-ascii", date=date, with_body=with_body)


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
