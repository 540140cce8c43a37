"""The field lines as they came, and Host as something that a server may do without."""

from __future__ import annotations

import pytest

from wsgisrv.http1.errors import RefusedError
from wsgisrv.http1.limits import Limits
from wsgisrv.http1.names import Memo
from wsgisrv.http1.reader import RequestReader

FIELDS = b"Host: x\r\nX_y:  1 \r\nx-Y:2\r\n\r\n"
REQUEST = b"GET / HTTP/1.1\r\n" + FIELDS


def test_field_lines_stay_as_they_came_wherever_a_request_is_cut() -> None:
    for cut in range(len(REQUEST)):
        reader = RequestReader(Limits(), Memo())
        assert reader.receive(REQUEST[:cut]) is None
        head = reader.receive(REQUEST[cut:] + b"behind")
        assert head is not None
        assert head.raw_fields == FIELDS


def test_a_request_whose_fields_come_again_has_them_too() -> None:
    reader = RequestReader(Limits(), Memo())
    for line in (b"GET / HTTP/1.1\r\n", b"GET /other HTTP/1.1\r\n"):
        head = reader.receive(line + FIELDS)
        assert head is not None
        assert head.raw_fields == FIELDS


def test_host_may_be_missing_only_where_the_limits_say_so() -> None:
    request = b"GET / HTTP/1.1\r\nA: b\r\n\r\n"
    with pytest.raises(RefusedError):
        RequestReader(Limits(), Memo()).receive(request)
    head = RequestReader(Limits(requires_host=False), Memo()).receive(request)
    assert head is not None
    assert "HTTP_HOST" not in head.fields
    with pytest.raises(RefusedError):
        RequestReader(Limits(requires_host=False), Memo()).receive(
            b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"
        )
