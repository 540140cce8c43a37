"""The writer: whatever an app gives, one response leaves, or an error says why not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgisrv.http1.writer import ResponseError, ResponseMemo, check_head, plain_response

MEMO = ResponseMemo()


@given(
    st.text(max_size=20),
    st.lists(st.tuples(st.text(max_size=12), st.text(max_size=20)), max_size=4),
)
def test_no_text_of_an_app_ends_a_line_of_the_head(
    status: str, headers: list[tuple[str, str]]
) -> None:
    try:
        head = check_head("200 " + status, headers, MEMO)
    except ResponseError:
        return
    lines = (head.status_line + head.fields).encode("latin-1")
    assert lines.count(b"\n") == lines.count(b"\r") == lines.count(b"\r\n")
    assert lines.count(b"\n") <= 1 + len(headers)
    assert lines.endswith(b"\r\n")


def test_a_length_is_taken_out_of_the_lines() -> None:
    head = check_head("200 OK", [("Content-LENGTH", "5"), ("A", "b")], MEMO)
    assert (head.length, head.fields, head.code) == (5, "A: b\r\n", 200)


@pytest.mark.parametrize(
    "headers",
    [[("Content-Length", "5"), ("content-length", "5")], [("Content-Length", "")], [("A", None)]],
)
def test_what_may_not_be_sent_is_refused(headers: Any) -> None:
    with pytest.raises(ResponseError):
        check_head("200 OK", headers, MEMO)


def test_names_are_remembered_up_to_a_bound() -> None:
    names = ResponseMemo().names
    for number in range(5000):
        assert not names[f"X-{number}"]
    assert len(names) <= 1024


def test_headers_that_come_again_are_remembered_up_to_a_bound_and_others_never() -> None:
    memo = ResponseMemo()
    for number in range(5000):
        headers = [("Content-Type", f"text/x-{number}"), ("Set-Cookie", f"secret={number}")]
        for _ in range(2):
            head = check_head("200 OK", headers, memo)
            assert (
                head.fields == f"Content-Type: text/x-{number}\r\nSet-Cookie: secret={number}\r\n"
            )
    assert 0 < len(memo.lines) <= 1024
    assert all(name == "Content-Type" for name, _ in memo.lines)


class Lying(str):
    """Text that says it is any other."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return hash("text/plain")


def test_a_header_that_claims_to_be_another_is_sent_as_one_that_was_checked() -> None:
    memo = ResponseMemo()
    check_head("200 OK", [("Content-Type", "text/plain")], memo)
    lying = Lying("text/html\r\nSet-Cookie: a=b")
    head = check_head("200 OK", [("Content-Type", lying)], memo)
    assert head.fields == "Content-Type: text/plain\r\n"
    with pytest.raises(ResponseError):
        check_head("200 OK", [("Content-Type", lying)], ResponseMemo())


def test_a_header_may_be_a_list() -> None:
    headers: Any = [["Content-Type", "text/plain"]]
    assert check_head("200 OK", headers, MEMO).fields == "Content-Type: text/plain\r\n"


def test_a_plain_response_is_whole() -> None:
    assert plain_response(400, "bad", date="Mon, 23 Nov 2026 15:00:00 GMT") == (
        b"HTTP/1.1 400 Bad Request\r\nDate: Mon, 23 Nov 2026 15:00:00 GMT\r\n"
        b"Content-Type: text/plain; charset=us-ascii\r\nContent-Length: 4\r\n"
        b"Connection: close\r\n\r\nbad\n"
    )


def test_upgrade_may_be_named_in_a_426_and_nowhere_else() -> None:
    head = check_head("426 Upgrade Required", [("UpGrade", "websocket")], MEMO)
    assert head.fields == "Connection: Upgrade\r\nUpGrade: websocket\r\n"
    for status, name in (("200 OK", "Upgrade"), ("426 Upgrade Required", "Connection")):
        with pytest.raises(ResponseError, match="hop-by-hop"):
            check_head(status, [(name, "websocket")], MEMO)
