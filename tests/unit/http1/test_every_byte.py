"""Every byte in every place of a request: served where its RFC allows the byte, else refused.

The sets of bytes are written from the RFCs here once more, and not taken from the grammar under test.
"""

from __future__ import annotations

import string

import pytest

from wsgisrv.http1.body import ChunkedDecoder
from wsgisrv.http1.errors import RefusedError
from wsgisrv.http1.limits import Limits
from wsgisrv.http1.names import Memo
from wsgisrv.http1.reader import RequestReader

ALNUM = frozenset((string.ascii_letters + string.digits).encode())
TOKEN = ALNUM | frozenset(b"!#$%&'*+-.^_`|~")  # RFC 9110 5.6.2
VISIBLE = frozenset(range(0x21, 0x7F))
TEXT = VISIBLE | frozenset(b"\t ") | frozenset(range(0x80, 0x100))  # RFC 9110 5.5
HOST = ALNUM | frozenset(b"-._~:")  # RFC 3986 3.2.2 without sub-delims; a port may be empty
QUOTED = TEXT - frozenset(b'"\\')  # RFC 9110 5.6.4, qdtext

HEADS = [
    (b"G?T / HTTP/1.1\r\nHost: x\r\n\r\n", TOKEN),
    (b"GET /a?b HTTP/1.1\r\nHost: x\r\n\r\n", VISIBLE - frozenset(b"#")),
    (b"GET / HTTP/1.?\r\nHost: x\r\n\r\n", frozenset(b"01")),
    (b"GET / HTTP/?.1\r\nHost: x\r\n\r\n", frozenset(b"1")),
    (b"GET / HTTP?1.1\r\nHost: x\r\n\r\n", frozenset(b"/")),
    (b"GET?/ HTTP/1.1\r\nHost: x\r\n\r\n", frozenset(b" ")),
    (b"GET / HTTP/1.1?\nHost: x\r\n\r\n", frozenset(b"\r")),
    (b"GET / HTTP/1.1\r?Host: x\r\n\r\n", frozenset(b"\n")),
    (b"GET / HTTP/1.1\r\nHost: a?\r\n\r\n", HOST | frozenset(b"\t ")),
    (b"GET / HTTP/1.1\r\nHost: x\r\nA?b: c\r\n\r\n", TOKEN | frozenset(b":")),
    (b"GET / HTTP/1.1\r\nHost: x\r\n?A: b\r\n\r\n", TOKEN),
    (b"GET / HTTP/1.1\r\nHost: x\r\nA?: b\r\n\r\n", TOKEN | frozenset(b":")),
    (b"GET / HTTP/1.1\r\nHost: x\r\nA: b?c\r\n\r\n", TEXT),
    (b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n?\n", frozenset(b"\r")),
    (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1?\r\n\r\n", frozenset(b"0123456789\t ")),
    (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked?\r\n\r\n", frozenset(b"\t ")),
]
CHUNKS = [
    (b"0?\r\n\r\n", frozenset(b"0")),
    (b"?0\r\n\r\n", frozenset(b"0")),
    (b"?\r\n\r\n", frozenset(b"0")),
    (b"0;a?=b\r\n\r\n", TOKEN),
    (b"0;a=b?\r\n\r\n", TOKEN),
    (b'0;a="b?"\r\n\r\n', QUOTED),
    (b'0;a="b\\?"\r\n\r\n', TEXT),
    (b"0\r\nA?b: c\r\n\r\n", TOKEN | frozenset(b":")),
    (b"0\r\nA: b?\r\n\r\n", TEXT),
    (b"5\r\nhello?\n0\r\n\r\n", frozenset(b"\r")),
    (b"5\r\nhello\r?0\r\n\r\n", frozenset(b"\n")),
]


def serves(data: bytes) -> bool:
    try:
        return RequestReader(Limits(), Memo()).receive(data) is not None
    except RefusedError:
        return False


def decodes(data: bytes) -> bool:
    decoder = ChunkedDecoder(Limits())
    try:
        return decoder.decode(data)[1] == b"" and decoder.is_complete
    except RefusedError:
        return False


@pytest.mark.parametrize(("template", "allowed"), HEADS, ids=lambda value: repr(value)[:60])
def test_a_head_is_served_with_just_the_bytes_that_may_stand_there(
    template: bytes, allowed: frozenset[int]
) -> None:
    before, _, after = template.rpartition(b"?")
    served = {byte for byte in range(256) if serves(before + bytes([byte]) + after)}
    assert served == allowed


@pytest.mark.parametrize(("template", "allowed"), CHUNKS, ids=lambda value: repr(value)[:60])
def test_a_chunked_body_is_read_with_just_the_bytes_that_may_stand_there(
    template: bytes, allowed: frozenset[int]
) -> None:
    before, _, after = template.rpartition(b"?")
    read = {byte for byte in range(256) if decodes(before + bytes([byte]) + after)}
    assert read == allowed
