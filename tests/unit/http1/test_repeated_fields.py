"""Fields that come again on a connection: whatever stands before and behind them, a reader that has seen
them judges as one that has not.
"""

from __future__ import annotations

import pytest

from tests.support.corpus import Case, cases
from wsgisrv.http1.errors import RefusedError
from wsgisrv.http1.limits import Limits
from wsgisrv.http1.names import Memo
from wsgisrv.http1.reader import RequestReader

LIMITS = Limits(max_body_bytes=1000)

LINES = (
    b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.0\r\n", b"HEAD /%41?q=1?2 HTTP/1.1\r\n",
    b"CONNECT x:80 HTTP/1.1\r\n", b"CONNECT /x HTTP/1.1\r\n", b"OPTIONS * HTTP/1.1\r\n",
    b"GET http://other/p HTTP/1.1\r\n", b"GET / HTTP/1.2\r\n", b"GET / HTTP/2.0\r\n",
    b"GET / HTTP/1.1\n", b"\r\nGET / HTTP/1.1\r\n", b"GET /" + b"x" * 8000 + b" HTTP/1.1\r\n",
    b"G@T / HTTP/1.1\r\n", b"GET  / HTTP/1.1\r\n", b"GET /#x HTTP/1.1\r\n", b"GET / HTTP/1.1\r\r\n",
    b"GET / HTTP/1.1x\n", b"GET / HTTP/1.1\n\n", b"M" * 65 + b" / HTTP/1.1\r\n", b"", b"A: b\r\n",
)  # fmt: skip

Verdict = tuple[object, ...]


def verdict(reader: RequestReader, data: bytes) -> Verdict:
    try:
        head = reader.receive(data)
    except RefusedError as refused:
        return ("refused", refused.status)
    if head is None:
        return ("incomplete",)
    names = [name for name in dir(head) if not name.startswith("_") and name != "fields"]
    values = [value for name in names if not callable(value := getattr(head, name))]
    return (*values, dict(head.fields), reader.take_rest())


def fresh() -> RequestReader:
    return RequestReader(LIMITS, Memo())


def fields_of(raw: bytes) -> bytes:
    return raw[raw.index(b"\n") + 1 :]


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.name)
def test_fields_that_come_again_are_judged_as_the_first_time(case: Case) -> None:
    raw = case.send
    if b"\n" not in raw:
        raw += b"\r\n\r\n"
    for line in LINES:
        again = line + fields_of(raw)
        reader = fresh()
        if verdict(reader, raw)[0] != "refused" and reader.is_idle:
            assert verdict(reader, again) == verdict(fresh(), again)


@pytest.mark.parametrize("line", LINES, ids=lambda line: repr(line)[:40])
@pytest.mark.parametrize(
    "fields",
    [
        b"Host: x\r\nA: b\r\n\r\n",
        b"Host: x\r\nContent-Length: 3\r\n\r\nabc",
        b"Host: x\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"Host: x\r\nConnection: close\r\n\r\n",
        b"Host: x\r\nConnection: x\r\n\r\n",
        b"Host: x\r\nA: b\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\n\r\n",
        b"Host: x\r\nA: b\r\nC: d\r\n\r\n",
        b"Host: x\r\nA: b\r\n",
        b"\r\n",
    ],
)
def test_only_the_same_bytes_are_the_same_fields(line: bytes, fields: bytes) -> None:
    for before in (b"Host: x\r\nA: b\r\n\r\n", fields):
        for first in (b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.0\r\n"):
            reader = fresh()
            if verdict(reader, first + before)[0] != "refused" and reader.is_idle:
                assert verdict(reader, line + fields) == verdict(fresh(), line + fields)


def test_a_request_that_changes_its_fields_changes_no_other_requests() -> None:
    reader = fresh()
    raw = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
    for _ in range(3):
        head = reader.receive(raw)
        assert head is not None
        environ = dict(head.fields)
        environ["HTTP_HOST"] = "changed"
        assert head.fields == {"HTTP_HOST": "x"}
