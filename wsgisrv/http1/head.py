"""A request's head: its fields as values, checked against each other.

Rules: called with bytes that match the grammar already; what is refused here is what only the whole head
shows (Host, framing, Expect). Each check quotes its source.
"""

from __future__ import annotations

from wsgisrv.http1 import grammar
from wsgisrv.http1.errors import RefusedError
from wsgisrv.http1.limits import Limits
from wsgisrv.http1.names import DROPPED, REPEATED, SINGLE, Memo
from wsgisrv.http1.target import check_authority, split_target

CHUNKED = -1
"""The ``length`` of a body in chunked coding."""


class RequestHead:
    """What a request says before its body.

    ``fields`` has the CGI name of each field with its value, several of one name joined as RFC 9110 5.3
    says. ``length`` is the body's, in bytes, 0 when there is none, or CHUNKED. ``minor`` is the 0 or 1
    of HTTP/1.0 and HTTP/1.1. ``path`` and ``query`` are as received, still percent-encoded, and so is
    ``line``, the request line. ``raw_fields`` has the field lines and the empty one as they came; the
    reader adds them, which keeps them anyway.
    """

    __slots__ = (
        "expect_continue", "fields", "keep_alive", "length", "line", "method", "minor", "path",
        "query", "raw_fields", "target",
    )  # fmt: skip

    line: bytes
    method: str
    target: str
    path: str
    query: str
    minor: int
    fields: dict[str, str]
    keep_alive: bool
    length: int
    expect_continue: bool
    raw_fields: bytes

    def with_line(self, line: bytes, method: str, target: str) -> RequestHead:
        """Returns a head with the same fields and version, of which no check depends on the rest.

        Args:
            method: not CONNECT.
            target: in origin-form.
        """
        head = RequestHead()
        head.line = line
        head.method = method
        head.target = target
        head.path, _, head.query = target.partition("?")
        head.minor = self.minor
        head.fields = self.fields
        head.keep_alive = self.keep_alive
        head.length = self.length
        head.expect_continue = self.expect_continue
        head.raw_fields = self.raw_fields
        return head


def parse_head(
    line: bytes, method: str, target: str, minor: int, block: str, memo: Memo, limits: Limits
) -> RequestHead:
    """Returns the head of a request.

    Args:
        line: the request line, of which method, target and minor are the parts.
        block: the field lines, each with its CRLF; matches the grammar, and its size was checked.

    Raises:
        RefusedError: for a head whose parts contradict each other or ask what we do not do.
    """
    head = RequestHead()
    head.line = line
    head.method = method
    head.target = target
    head.minor = minor
    head.fields = fields = _fields(block, memo, limits)
    if target[0] == "/" and method != "CONNECT":
        head.path, _, head.query = target.partition("?")
        authority = None
    else:
        head.path, head.query, authority = split_target(method, target)
    host = fields.get("HTTP_HOST")
    if host is None:
        if minor and limits.requires_host:
            raise RefusedError(400, "HTTP/1.1 request without Host")  # RFC 9112 3.2
    elif host not in memo.hosts:
        check_authority(host)
        memo.remember_host(host)
    if authority is not None:
        fields["HTTP_HOST"] = authority  # RFC 9112 3.2.2: Host is ignored
    connection = fields.get("HTTP_CONNECTION")
    head.keep_alive = bool(minor) if connection is None else _keeps_alive(connection, minor)
    if method == "CONNECT":
        # RFC 9110 9.3.6: a proxy in front takes a 2xx for a tunnel and passes on unseen what follows,
        # whatever the app meant by it.
        head.keep_alive = False
    head.length = 0
    if "CONTENT_LENGTH" in fields or "HTTP_TRANSFER_ENCODING" in fields:
        head.length = _body_length(fields, minor, limits)
    head.expect_continue = "HTTP_EXPECT" in fields and _expects_continue(fields, minor)
    return head


def _fields(block: str, memo: Memo, limits: Limits) -> dict[str, str]:
    fields: dict[str, str] = {}
    names, lines = memo.names, memo.lines
    for line in block.split("\r\n"):
        known = lines.get(line)
        if known is None:
            name, colon, value = line.partition(":")
            if not colon:
                break  # what follows the last CRLF
            key = names[name]
            value = value.strip(" \t")
            if key in REPEATED:
                memo.remember_line(line, key, value)
        else:
            key, value = known
        if key in fields:
            value = _joined(key, fields[key], value)
        elif key == DROPPED:
            if limits.header_underscores == "refuse":
                raise RefusedError(400, "header name with an underscore")
            continue
        fields[key] = value
    return fields


def _joined(key: str, first: str, second: str) -> str:
    """Joins two lines of one field (RFC 9110 5.3; for Cookie, RFC 6265 5.4 and RFC 9113 8.2.3)."""
    if key in SINGLE:
        raise RefusedError(400, "a header that may stand once stands twice")
    return f"{first}; {second}" if key == "HTTP_COOKIE" else f"{first},{second}"


def _keeps_alive(connection: str, minor: int) -> bool:
    """RFC 9112 9.3: whether the connection persists after this request."""
    if connection == "keep-alive":
        return True
    options = [option.strip(" \t") for option in connection.lower().split(",")]
    if "close" in options:
        return False
    return bool(minor) or "keep-alive" in options


def _body_length(fields: dict[str, str], minor: int, limits: Limits) -> int:
    """RFC 9112 6.1 to 6.3: how the body is framed, with every ambiguity refused."""
    codings = fields.get("HTTP_TRANSFER_ENCODING")
    declared = fields.get("CONTENT_LENGTH")
    if codings is not None:
        if declared is not None:
            raise RefusedError(400, "both Content-Length and Transfer-Encoding")
        if not minor:
            raise RefusedError(400, "Transfer-Encoding in HTTP/1.0")
        return _check_codings(codings)
    if declared is None or not grammar.CONTENT_LENGTH.fullmatch(declared):
        raise RefusedError(400, "invalid Content-Length")
    length = int(declared)
    if limits.max_body_bytes and length > limits.max_body_bytes:
        raise RefusedError(413, "the body is longer than the server allows")
    return length


def _check_codings(codings: str) -> int:
    names = [name.strip(" \t") for name in codings.lower().split(",")]
    if not all(grammar.TOKEN.fullmatch(name) for name in names):
        raise RefusedError(400, "invalid Transfer-Encoding")
    if names.count("chunked") > 1 or "chunked" in names[:-1]:
        raise RefusedError(400, "chunked is not the last transfer coding")
    if names != ["chunked"]:
        raise RefusedError(501, "unknown transfer coding")
    return CHUNKED


def _expects_continue(fields: dict[str, str], minor: int) -> bool:
    """RFC 9110 10.1.1: 100-continue is the only expectation; HTTP/1.0 cannot have it."""
    if fields["HTTP_EXPECT"].lower() != "100-continue":
        raise RefusedError(417, "unknown expectation")
    return bool(minor)
