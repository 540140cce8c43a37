"""How much of a MySQL response has arrived: for every prefix of every kind of response."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wsgisrv.blocking.mysql_packets import MOST_ROWS, Arrived, arrived

MORE = 0x0008

small = st.binary(min_size=1, max_size=40)
rows_of_values = st.lists(st.lists(small, min_size=1, max_size=3), max_size=12)


def packet(payload: bytes, number: int = 0) -> bytes:
    return len(payload).to_bytes(3, "little") + bytes([number & 0xFF]) + payload


def number(value: int) -> bytes:
    """A length-encoded integer."""
    if value < 251:
        return bytes([value])
    return b"\xfc" + value.to_bytes(2, "little")


def ok(status: int, marker: int = 0, affected: int = 0) -> bytes:
    tail = status.to_bytes(2, "little") + b"\0\0info"
    return packet(bytes([marker]) + number(affected) + number(300) + tail)


def eof(status: int) -> bytes:
    return packet(b"\xfe\0\0" + status.to_bytes(2, "little"))


def error() -> bytes:
    return packet(b"\xff\x28\x04#42000You have an error")


def row(values: list[bytes]) -> bytes:
    return packet(b"".join(number(len(value)) + value for value in values))


def result(columns: int, rows: list[list[bytes]], status: int, *, old: bool) -> tuple[bytes, int]:
    """Returns a result's bytes and how long what stands before its rows is."""
    head = packet(number(columns)) + b"".join(
        packet(b"\x03def" + b"c" * 20) for _ in range(columns)
    )
    body = b"".join(map(row, rows))
    if old:
        return head + eof(status) + body + eof(status), len(head)
    return head + body + ok(status, 0xFE), len(head)


@given(
    columns=st.integers(1, 300),
    rows=rows_of_values,
    more=st.booleans(),
    old=st.booleans(),
    cut=st.floats(0, 1),
)
def test_a_result_is_whole_when_its_last_byte_is_there(
    columns: int, rows: list[list[bytes]], more: bool, old: bool, cut: float
) -> None:
    status = 2 | (MORE if more else 0)
    data, head = result(columns, rows, status, old=old)
    if more:
        data += ok(2, affected=1000)
    assert arrived(data)[0] is Arrived.WHOLE
    prefix = data[: min(int(cut * len(data)), len(data) - 1)]
    expected = Arrived.HEAD if len(prefix) >= head else Arrived.NOTHING
    assert arrived(prefix)[0] is expected


@given(rows=rows_of_values, old=st.booleans())
def test_no_prefix_is_taken_for_the_whole(rows: list[list[bytes]], old: bool) -> None:
    data, head = result(2, rows, 2, old=old)
    for length in range(len(data)):
        assert arrived(data[:length])[0] == (Arrived.HEAD if length >= head else Arrived.NOTHING)


def test_values_that_look_like_the_end_are_none() -> None:
    fake = eof(2) + ok(2, 0xFE) + error()
    data, _ = result(1, [[fake], [fake * 3]], 2, old=True)
    for length in range(len(data)):
        assert arrived(data[:length])[0] is not Arrived.WHOLE
    assert arrived(data)[0] is Arrived.WHOLE


def test_an_ok_and_an_error_are_whole_by_themselves() -> None:
    for response in (ok(2), ok(2, affected=70_000 & 0xFFFF), error()):
        assert arrived(response)[0] is Arrived.WHOLE
        for length in range(len(response)):
            assert arrived(response[:length])[0] is Arrived.NOTHING


def test_an_error_ends_rows_and_further_results() -> None:
    head, _ = result(1, [], 2, old=True)
    assert arrived(head[:-9] + row([b"x"]) + error())[0] is Arrived.WHOLE
    assert arrived(ok(MORE) + error())[0] is Arrived.WHOLE


def test_what_follows_an_ok_is_waited_for() -> None:
    assert arrived(ok(MORE))[0] is Arrived.HEAD
    assert arrived(ok(MORE) + ok(2))[0] is Arrived.WHOLE


def test_a_file_that_is_asked_for_and_a_progress_report_are_not_for_the_hub() -> None:
    assert arrived(packet(b"\xfb/etc/passwd"))[0] is Arrived.NOTHING
    assert arrived(packet(b"\xff\xff\xff\1\1\2\0\0\0"))[0] is Arrived.NOTHING


def test_a_long_response_is_not_walked_to_its_end() -> None:
    data, _ = result(1, [[b"x"]] * (MOST_ROWS + 10), 2, old=True)
    assert arrived(data) == (Arrived.HEAD, MOST_ROWS)
    assert arrived(data, 16) == (Arrived.HEAD, 16)
