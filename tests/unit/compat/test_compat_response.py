from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from wsgisrv.compat.response import Gathered, Whole, as_headers, without_connection


class Result:
    """An iterable that notes its end."""

    def __init__(self, *pieces: Any) -> None:
        self.pieces = pieces
        self.closed = 0

    def __iter__(self) -> Iterator[Any]:
        return iter(self.pieces)

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize(
    ("least", "pieces", "sent"),
    [
        (4096, [b"a", b"b", b""], [b"ab"]),
        (0, [b"a", b"", b"b"], [b"a", b"b"]),
        (1, [b"a", b"", b"b"], [b"a", b"b"]),
        (3, [b"aa", b"bb", b"c"], [b"aabb", b"c"]),
        (3, [b"", b""], [b""]),
        (3, [], []),
        (3, [b"aaa", "text"], [b"aaa", b"text"]),
    ],
)
def test_pieces_are_gathered_until_they_are_worth_a_chunk(
    least: int, pieces: list[Any], sent: list[bytes]
) -> None:
    assert list(Gathered(pieces, least)) == sent


def test_text_that_is_not_ascii_is_an_error() -> None:
    with pytest.raises(UnicodeEncodeError):
        Whole(["\u0230"])
    with pytest.raises(UnicodeEncodeError):
        list(Gathered(["\u0230"], 1))


def test_what_the_app_returned_is_closed() -> None:
    result = Result(b"a")
    Gathered(result, 1).close()
    Whole(result).close()
    assert result.closed == 2
    Whole([b"a"]).close()


def test_headers_become_text_with_capitalized_names() -> None:
    given = [("content-length", 3), ("X-iD", "aB")]
    assert as_headers(given, capitalize=True) == [("Content-Length", "3"), ("X-Id", "aB")]
    assert as_headers(given, capitalize=False) == [("content-length", "3"), ("X-iD", "aB")]


@pytest.mark.parametrize(
    ("value", "closes"),
    [("close", True), ("Close, x", True), ("keep-alive", False), ("", False)],
)
def test_connection_is_taken_for_a_wish(value: str, closes: bool) -> None:
    headers = [("A", "b"), ("connection", value)]
    assert without_connection(headers) == ([("A", "b")], closes)
    assert without_connection([("A", "b")]) == ([("A", "b")], False)
