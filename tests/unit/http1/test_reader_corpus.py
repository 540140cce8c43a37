"""The corpus against the reader: each case whole, cut at every byte, and byte by byte."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from tests.support.corpus import FOLLOWER, Case, cases
from wsgisrv.http1.body import BodyDecoder, ChunkedDecoder, LengthDecoder
from wsgisrv.http1.errors import RefusedError
from wsgisrv.http1.head import CHUNKED
from wsgisrv.http1.limits import Limits
from wsgisrv.http1.names import Memo
from wsgisrv.http1.reader import RequestReader

MEMO = Memo()

Seen = tuple[int, str, dict[str, str], bytes]
"""Status, path, fields and body; a refused request has only the status."""


def limits(case: Case) -> Limits:
    return Limits(**case.options)


def read(pieces: Iterable[bytes], limits: Limits) -> list[Seen]:
    """Reads a connection as the server does and returns what it would answer.

    A request whose body does not end is answered as one that is cut short.
    """
    seen: list[Seen] = []
    try:
        seen.extend(_requests(pieces, limits))
    except RefusedError as refused:
        seen.append((refused.status, "", {}, b""))
    return seen


def _requests(pieces: Iterable[bytes], limits: Limits) -> Iterator[Seen]:
    reader = RequestReader(limits, MEMO)
    source = iter(pieces)
    for piece in source:
        head = reader.receive(piece)
        while head is not None:
            decoder: BodyDecoder | None = None
            if head.length:
                decoder = (
                    ChunkedDecoder(limits) if head.length == CHUNKED else LengthDecoder(head.length)
                )
            body, data = b"", reader.take_rest() if decoder else b""
            while decoder is not None:
                decoded, behind = decoder.decode(data)
                body += decoded
                if decoder.is_complete:
                    reader.give_back(behind) if behind else None
                    break
                data = next(source, b"")
                if not data:
                    raise RefusedError(400, "cut short")
            yield 200, head.path, head.fields, body
            if not head.keep_alive:
                return
            head = reader.receive(b"")


def check(case: Case, seen: list[Seen]) -> None:
    assert tuple(status for status, *_ in seen) == case.want
    for name, value in case.sees.items():
        if name.startswith("HTTP_"):
            assert seen[0][2][name] == value
    for name in case.lacks:
        assert name not in seen[0][2]
    if case.body is not None and "/ignore" not in seen[0][1]:
        assert seen[0][3].decode("latin-1") == case.body
    if case.paths:
        assert tuple(path for _, path, *_ in seen) == case.paths


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.name)
def test_the_answer_does_not_depend_on_where_a_request_is_cut(case: Case) -> None:
    data = case.send + (FOLLOWER if case.is_refused else b"")
    bounds = limits(case)
    check(case, read([data], bounds))
    for at in range(1, len(data)):
        check(case, read([data[:at], data[at:]], bounds))
    check(case, read((data[at : at + 1] for at in range(len(data))), bounds))
