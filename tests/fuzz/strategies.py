"""Requests written from the grammar, with what they mean, for hypothesis."""

from __future__ import annotations

import dataclasses
import itertools
import string

from hypothesis import strategies as st

_TCHAR = "!#$%&'*+-.^`|~" + string.digits + string.ascii_letters
_TARGET = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in "#?")
_OWS = st.text(" \t", max_size=2)


@dataclasses.dataclass(frozen=True, slots=True)
class Written:
    """One request as bytes, and what a reader must find in it."""

    raw: bytes
    method: str
    target: str
    fields: dict[str, str]
    body: bytes


_NAMES = st.text(_TCHAR, min_size=1, max_size=12).map(lambda name: f"X-{name}")
_INNER = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0xFF, blacklist_characters="\x7f"), max_size=30
).filter(lambda text: not any(0x7F <= ord(char) < 0xA0 for char in text))
_VALUES = _INNER.map(lambda text: text.strip(" \t\xa0"))
_METHODS = st.sampled_from(("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "M-SEARCH"))
_TARGETS = st.builds(
    lambda path, query: f"/{path}" + (f"?{query}" if query is not None else ""),
    st.text(_TARGET, max_size=20),
    st.none() | st.text(_TARGET + "?", max_size=20),
)
_BODIES = st.binary(max_size=200) | st.sampled_from(
    (b"GET /attack HTTP/1.1\r\nHost: x\r\n\r\n", b"0\r\n\r\n", b"\r\n\r\n")
)


@st.composite
def requests(draw: st.DrawFn) -> Written:
    """Returns a request that must be served, with a body of any framing."""
    method, target = draw(_METHODS), draw(_TARGETS)
    several = st.lists(
        st.tuples(_NAMES, _VALUES), max_size=4, unique_by=lambda field: _cgi(field[0])
    )
    named = dict(draw(several))
    lines = [f"{name}:{draw(_OWS)}{value}{draw(_OWS)}" for name, value in named.items()]
    fields = {_cgi(name): value for name, value in named.items()}
    framing = draw(st.sampled_from(("none", "length", "chunked")))
    body, data = b"", b""
    if framing == "length":
        body = data = draw(_BODIES)
        lines.append(f"Content-Length: {'0' * draw(st.integers(0, 3))}{len(body)}")
    elif framing == "chunked":
        body = draw(_BODIES)
        data = _chunked(draw, body)
        lines.append("Transfer-Encoding: chunked")
    lines.insert(draw(st.integers(0, len(lines))), "Host: x")
    head = "\r\n".join((f"{method} {target} HTTP/1.1", *lines, "", ""))
    return Written(head.encode("latin-1") + data, method, target, fields, body)


def _chunked(draw: st.DrawFn, body: bytes) -> bytes:
    cuts = sorted(draw(st.lists(st.integers(0, len(body)), max_size=4)))
    bounds = [0, *cuts, len(body)]
    pieces = []
    for begin, end in itertools.pairwise(bounds):
        if begin < end:
            extension = draw(st.sampled_from(("", ";a", ";a=b", ';a="b;\\" c"')))
            size = draw(st.sampled_from(("{:x}", "{:X}", "0{:x}"))).format(end - begin)
            pieces.append(f"{size}{extension}\r\n".encode() + body[begin:end] + b"\r\n")
    trailer = draw(st.sampled_from((b"", b"X-Trailer: t\r\n", b"A: b\r\nC: d\r\n")))
    return b"".join(pieces) + b"0\r\n" + trailer + b"\r\n"


def _cgi(name: str) -> str:
    return "HTTP_" + name.upper().replace("-", "_")


@st.composite
def cuts(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """Returns the data in pieces."""
    at = sorted(draw(st.lists(st.integers(0, len(data)), max_size=6)))
    bounds = [0, *at, len(data)]
    return [data[a:b] for a, b in itertools.pairwise(bounds) if a < b]
