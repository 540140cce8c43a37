"""What can be wrong with a request: each function breaks raw bytes at one joint of HTTP.

Rules: a fault takes its choices from the generator that it is given and from nowhere else, so that the
same seed breaks the same bytes in the same way.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

ATTACK = b"GET /attack HTTP/1.1\r\nHost: x\r\n\r\n"
"""What an attacker hides in a body."""

JOINTS = (
    b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\0", b" ", b"\t", b"\x0b", b"\x85", b"\xa0", b"\xff",
    b":", b",", b";", b"=", b'"', b"\\", b"-", b"+", b"_", b"#", b"%0d%0a", b"0", b"1", b"5", b"a",
    b"F", b"0x5", b"HTTP/1.1", b"HTTP/1.0", b"chunked", b", chunked", b"X: y\r\n z\r\n",
    b"0\r\n\r\n", b"5\r\nhello\r\n", b"%x\r\n%b\r\n" % (len(ATTACK), ATTACK), ATTACK,
)  # fmt: skip
"""Bytes that mean something where they stand, put where they should not."""

LINES = (
    b"Host: x", b"Host: y", b"Content-Length: 5", b"Content-Length: 33", b"Content-Length: 0",
    b"Content-Length: 05", b"content-length:5", b"Content_Length: 5", b"Content-Length: 5, 5",
    b"Content-Length : 5", b" Content-Length: 5", b"Transfer-Encoding: chunked",
    b"transfer-encoding:CHUNKED", b"Transfer-Encoding: identity", b"Transfer-Encoding: chunked, x",
    b"Transfer-Encoding:\x0bchunked", b"Transfer_Encoding: chunked", b"X: y\r\n\tTransfer-Encoding: a",
    b"Expect: 100-continue", b"Connection: close", b"Connection: keep-alive",
    b"Connection: upgrade\r\nUpgrade: x", b"Connection: Content-Length", b"Trailer: Host",
)  # fmt: skip
"""Field lines that say how a request is framed, or whose it is."""

SIZES = (
    b"0%x", b"%X", b"+%x", b"-%x", b"0x%x", b" %x", b"%x ", b"%x;", b"%x;a=b", b'%x;a="b\r\n"',
    b"%x\t", b"%x\n", b"0000000000000000%x", b"1%x", b"%x0", b"%x_", b"%x,%x", b"ffffffffffffffff%x",
)  # fmt: skip
"""Ways to write a chunk's size; those with a second directive name it twice."""

_SIZE_LINE = re.compile(rb"(?<=\r\n)([0-9A-Fa-f]{1,4})(?=[;\r])")


def joint_inserted(data: bytearray, pick: random.Random) -> None:
    at = pick.randrange(len(data) + 1)
    data[at:at] = pick.choice(JOINTS)


def joint_for_byte(data: bytearray, pick: random.Random) -> None:
    at = pick.randrange(len(data) + 1)
    data[at : at + 1] = pick.choice(JOINTS)


def byte_changed(data: bytearray, pick: random.Random) -> None:
    if data:
        data[pick.randrange(len(data))] = pick.randrange(256)


def bytes_left_out(data: bytearray, pick: random.Random) -> None:
    at = pick.randrange(len(data) + 1)
    del data[at : at + pick.randint(1, 4)]


def span_repeated(data: bytearray, pick: random.Random) -> None:
    at, to = sorted((pick.randrange(len(data) + 1), pick.randrange(len(data) + 1)))
    data[at:at] = data[at:to]


def line_inserted(data: bytearray, pick: random.Random) -> None:
    """One that frames, behind a line of the request's."""
    if ends := _line_ends(data):
        at = pick.choice(ends)
        data[at:at] = pick.choice(LINES) + b"\r\n"


def line_repeated(data: bytearray, pick: random.Random) -> None:
    """Now and then in another case, or moved rather than repeated."""
    ends = _line_ends(data)
    if len(ends) < 2:
        return
    index = pick.randrange(len(ends) - 1)
    line = bytes(data[ends[index] : ends[index + 1]])
    at = pick.choice(ends)
    match pick.randrange(3):
        case 0:
            data[at:at] = line
        case 1:
            data[at:at] = line.swapcase()
        case _:
            data[at:at] = line
            begin = ends[index] + (len(line) if at <= ends[index] else 0)
            del data[begin : begin + len(line)]


def line_end_changed(data: bytearray, pick: random.Random) -> None:
    if ends := _line_ends(data):
        at = pick.choice(ends)
        data[at - 2 : at] = pick.choice(
            (b"\n", b"\r", b"\n\r", b"\r\r\n", b"\r\n ", b"\r\n\t", b" \r\n")
        )


def chunk_size_changed(data: bytearray, pick: random.Random) -> None:
    if sizes := list(_SIZE_LINE.finditer(data)):
        match = pick.choice(sizes)
        size = int(match[1], 16) + pick.choice((-1, 0, 0, 0, 1))
        form = pick.choice(SIZES)
        data[match.start() : match.end()] = form % ((max(size, 0),) * form.count(b"%"))


def attack_in_body(data: bytearray, pick: random.Random) -> None:
    """Puts an attacker's request behind the head, framed or not."""
    end = data.find(b"\r\n\r\n") + 4
    if end > 3:
        data[end:] = pick.choice((ATTACK, *(framed(hidden) for hidden in HIDDEN)))


FAULTS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    joint_inserted, joint_for_byte, byte_changed, bytes_left_out, span_repeated, line_inserted,
    line_repeated, line_end_changed, chunk_size_changed, attack_in_body,
)  # fmt: skip

HIDDEN = (
    ATTACK, ATTACK * 2, b"\r\n" + ATTACK, b"\r\n\r\n" + ATTACK, b"0\r\n\r\n" + ATTACK,
    b"\n\n" + ATTACK, ATTACK[:-2], b"x" * 70 + ATTACK,
)  # fmt: skip
"""Bodies that look like requests, or like the end of a body and a request."""


def framed(hidden: bytes, trailers: bytes = b"") -> bytes:
    """Returns a chunked body."""
    return b"%x\r\n%b\r\n0\r\n%b\r\n" % (len(hidden), hidden, trailers)


def attack(pick: random.Random) -> bytes:
    """Returns a request that is in order and has an attacker's in its body, chunks or trailers."""
    hidden = pick.choice(HIDDEN)
    target = pick.choice((b"/", b"/ignore"))
    more = pick.choice((b"", b"", b"Expect: 100-continue\r\n", b"Connection: close\r\n"))
    head = b"POST %b HTTP/1.1\r\nHost: x\r\n%b" % (target, more)
    if pick.random() < 0.4:
        return head + b"Content-Length: %d\r\n\r\n" % len(hidden) + hidden
    trailers = pick.choice(
        (b"", b"A: GET /attack HTTP/1.1\r\n", b"GET: /attack HTTP/1.1\r\nA: b\r\n")
    )
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
    if pick.random() < 0.5:
        return chunked + framed(hidden, trailers)
    cut = pick.randrange(1, len(hidden))
    first = b'%x;a="GET /attack HTTP/1.1"\r\n%b\r\n' % (cut, hidden[:cut])
    return chunked + first + framed(hidden[cut:], trailers)


def _line_ends(data: bytearray) -> list[int]:
    """Returns where each line that ends in CRLF is over."""
    return [match.end() for match in re.finditer(rb"\r\n", data)]
