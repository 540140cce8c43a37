"""A JSON body: what is accepted, what is refused, and how much of it is read."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from webob import exc

from wsgisrv import api
from wsgisrv.api import Request
from wsgisrv.api.body import MOST_BODY_BYTES, MOST_DEPTH, parse_json
from wsgisrv.api.testing import Client

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
    max_leaves=20,
)  # fmt: skip


class Stream(io.BytesIO):
    """A body that says how much of it was asked for, and gives a piece at a time."""

    def __init__(self, body: bytes, piece: int = MOST_BODY_BYTES + 2) -> None:
        super().__init__(body)
        self.asked = 0
        self._piece = piece

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None
        assert size >= 0, "the end of a body is the server's to know"
        self.asked = max(self.asked, self.tell() + size)
        return super().read(min(size, self._piece))


def request_with(body: bytes, **environ: Any) -> Request:
    return Request(
        {
            "REQUEST_METHOD": "POST",
            "CONTENT_TYPE": "application/json",
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": Stream(body),
            **environ,
        }
    )


@given(JSON_VALUES)
def test_what_json_says_is_what_comes_out(value: Any) -> None:
    assert parse_json(json.dumps(value).encode()) == value
    assert parse_json(json.dumps(value, ensure_ascii=False).encode()) == value


@given(st.binary(max_size=60))
def test_any_bytes_are_a_value_or_a_400(body: bytes) -> None:
    try:
        value = parse_json(body)
    except exc.HTTPBadRequest:
        return
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode()


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "empty"),
        (b"{", "not JSON"),
        (b"{} {}", "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b'{"a": 1, "b": 2, "a": 1}', "the key 'a' stands twice"),
        (b'[{"x": {"a": 1, "a": 1}}]', "the key 'a' stands twice"),
        (b'{"a": NaN}', "NaN is no JSON value"),
        (b"[Infinity]", "Infinity is no JSON value"),
        (b"-Infinity", "-Infinity is no JSON value"),
        (b"[1e999]", "1e999 is too large a number"),
        (b'{"a/b": {"x": [1, {"b": 1, "b": 2}]}}', "at /a~1b/x/1: the key 'b' stands twice"),
        (b'{"a": [NaN, {"a": 1, "a": 1}], "a": 1}', "NaN is no JSON value"),
        (b'{"a": NaN, "a": 1}', "NaN is no JSON value"),
        (b'{"a": NaN, 1}', "Expecting property name"),
        (b'{"a": [1, NaN]}', "at /a/1: NaN is no JSON value"),
        (b"[0, " + b"9" * 5000 + b"]", "at /1: 99999999999999999999 is too large a number"),
        (b"[0, -" + b"9" * 309 + b"]", "at /1: -9999999999999999999 is too large a number"),
        (b"\xef\xbb\xbf[]", "begins with a byte order mark"),
        (b'"\xff"', "not UTF-8 at byte 1"),
        (b'"\xed\xa0\x80"', "not UTF-8"),
        (b'{"a": ["\\ud800"]}', "at /a/0: has half a surrogate pair"),
        (b'{"\\udfff": 1}', "half a surrogate pair"),
        (b"[" * (MOST_DEPTH + 1) + b"]" * (MOST_DEPTH + 1), f"deeper than {MOST_DEPTH}"),
        (b'{"a":' * (MOST_DEPTH + 1) + b"1" + b"}" * (MOST_DEPTH + 1), f"deeper than {MOST_DEPTH}"),
        (b"[" * MOST_BODY_BYTES, "nested deeper"),
    ],
    ids=lambda value: value[:24] if isinstance(value, bytes) else "",
)
def test_a_doubtful_body_is_refused_by_name(body: bytes, problem: str) -> None:
    with pytest.raises(exc.HTTPBadRequest) as caught:
        _ = request_with(body).json_body
    assert problem in caught.value.detail


def test_a_body_may_be_as_deep_and_as_wide_as_the_limit_says() -> None:
    assert parse_json(b"[" * MOST_DEPTH + b"]" * MOST_DEPTH)
    assert len(parse_json(b"[" + b"[]," * 10_000 + b"{}]")) == 10_001
    assert parse_json(b'"\\ud83d\\ude00"') == "\U0001f600"
    in_text = "[" * (2 * MOST_DEPTH)
    assert parse_json(f'"{in_text}"'.encode()) == in_text


def test_a_number_that_a_double_holds_may_have_309_digits() -> None:
    assert parse_json(b"[1" + b"0" * 308 + b"]") == [10**308]
    assert parse_json(b'"' + b"9" * 5000 + b'"') == "9" * 5000


def test_a_body_is_read_once_and_no_further_than_its_length() -> None:
    stream = Stream(b'{"a": 1}GET / HTTP/1.1', piece=3)
    request = request_with(b"", **{"CONTENT_LENGTH": "8", "wsgi.input": stream})
    assert request.json_body == {"a": 1}
    assert request.json_body is request.json_body
    assert stream.asked == 8
    assert Request(request.environ).json_body is request.json_body


def test_a_body_without_length_is_read_to_its_end_where_the_server_ends_it() -> None:
    body = Stream(b'{"a": 1}', piece=3)
    request = request_with(
        b"", **{"CONTENT_LENGTH": "", "wsgi.input": body, "wsgi.input_terminated": True}
    )
    assert request.json_body == {"a": 1}


def test_a_body_without_length_is_not_waited_for_elsewhere() -> None:
    stream = Stream(b'{"a": 1}')
    with pytest.raises(exc.HTTPBadRequest, match="empty"):
        _ = request_with(b"", **{"CONTENT_LENGTH": "", "wsgi.input": stream}).json_body
    assert stream.asked == 0


def test_a_chunked_body_is_not_empty_where_the_server_does_not_end_it() -> None:
    environ = {"CONTENT_LENGTH": "", "HTTP_TRANSFER_ENCODING": "chunked"}
    with pytest.raises(exc.HTTPLengthRequired, match="has to have a Content-Length"):
        _ = request_with(b"{}", **environ).json_body
    assert request_with(b"{}", **environ, **{"wsgi.input_terminated": True}).json_body == {}


@pytest.mark.parametrize("length", ["x", "-1", "+2", "2 "])
def test_a_content_length_is_a_number(length: str) -> None:
    with pytest.raises(exc.HTTPBadRequest, match="the Content-Length is no number"):
        _ = request_with(b"{}", CONTENT_LENGTH=length).json_body


@pytest.mark.parametrize("length", [str(MOST_BODY_BYTES + 1), "9" * 5000])
def test_a_body_that_says_it_is_too_long_is_not_read(length: str) -> None:
    stream = Stream(b"x")
    with pytest.raises(exc.HTTPRequestEntityTooLarge):
        _ = request_with(b"", **{"CONTENT_LENGTH": length, "wsgi.input": stream}).json_body
    assert stream.asked == 0


def test_a_body_that_turns_out_too_long_is_read_no_further_than_the_limit() -> None:
    stream = Stream(b" " * (2 * MOST_BODY_BYTES))
    environ = {"CONTENT_LENGTH": "", "wsgi.input": stream, "wsgi.input_terminated": True}
    with pytest.raises(exc.HTTPRequestEntityTooLarge):
        _ = request_with(b"", **environ).json_body
    assert stream.asked == MOST_BODY_BYTES + 1


def test_a_service_may_take_longer_bodies() -> None:
    class Longer(Request):
        most_body_bytes = 2 * MOST_BODY_BYTES

    body = b'"' + b"x" * MOST_BODY_BYTES + b'"'
    assert len(Longer(request_with(body).environ).json_body) == MOST_BODY_BYTES


def test_a_body_cut_short_is_refused() -> None:
    with pytest.raises(exc.HTTPBadRequest, match="ends before its Content-Length"):
        _ = request_with(b'{"a": 1}', CONTENT_LENGTH="9").json_body


@pytest.mark.parametrize(
    ("status", "kind"), [(400, exc.HTTPBadRequest), (408, exc.HTTPRequestTimeout)]
)
def test_a_body_that_the_server_gives_up_has_the_servers_status(
    status: int, kind: type[exc.HTTPException]
) -> None:
    class GivenUpError(OSError):
        def __init__(self) -> None:
            super().__init__("it did not come")
            self.status = status

    class GivenUp(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise GivenUpError

    with pytest.raises(kind, match="it did not come"):
        _ = request_with(b"{}", **{"wsgi.input": GivenUp()}).json_body


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx",
     "application/json; charset=latin-1", "text/json"],
)  # fmt: skip
def test_another_media_type_is_415(content_type: str) -> None:
    with pytest.raises(exc.HTTPUnsupportedMediaType):
        _ = request_with(b"{}", CONTENT_TYPE=content_type).json_body


@pytest.mark.parametrize("encoding", ["gzip", "br", "identity, gzip"])
def test_an_encoded_body_is_415(encoding: str) -> None:
    with pytest.raises(exc.HTTPUnsupportedMediaType) as caught:
        _ = request_with(b"{}", HTTP_CONTENT_ENCODING=encoding).json_body
    assert caught.value.headers["Accept-Encoding"] == "identity"
    assert request_with(b"{}", HTTP_CONTENT_ENCODING="Identity").json_body == {}


def test_a_body_that_is_not_taken_is_not_read() -> None:
    stream = Stream(b"{}")
    with pytest.raises(exc.HTTPUnsupportedMediaType):
        _ = request_with(b"{}", CONTENT_TYPE="text/plain", **{"wsgi.input": stream}).json_body
    assert stream.asked == 0


@pytest.mark.parametrize("length", ["8", ""])
def test_the_octets_of_a_body_that_was_read_are_there_again(length: str) -> None:
    stream = Stream(b'{"a": 1}', piece=3)
    environ = {"CONTENT_LENGTH": length, "wsgi.input": stream, "wsgi.input_terminated": True}
    request = request_with(b"", **environ)
    assert request.json_body == {"a": 1}
    assert request.body == request.body_file.read() == b'{"a": 1}'
    other = request_with(b'{"a": 2}')
    assert (other.body, other.json_body) == (b'{"a": 2}', {"a": 2})


def test_json_is_read_as_strictly_under_its_short_name() -> None:
    with pytest.raises(exc.HTTPBadRequest, match="stands twice"):
        _ = request_with(b'{"a": 1, "a": 2}').json


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("application/x-www-form-urlencoded; charset=latin-1", exc.HTTPUnsupportedMediaType),
        ("multipart/form-data", exc.HTTPBadRequest),
    ],
)
def test_a_form_that_is_none_is_refused(content_type: str, kind: type[exc.HTTPException]) -> None:
    with pytest.raises(kind):
        _ = request_with(b"a=1", CONTENT_TYPE=content_type).POST
    plain = request_with(b"a=1", CONTENT_TYPE="application/x-www-form-urlencoded")
    assert dict(plain.POST) == dict(plain.params) == {"a": "1"}


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "Application/JSON", "application/json; charset=utf-8",
     'application/json;charset="UTF-8"', "application/json; odata=verbose"],
)  # fmt: skip
def test_json_in_utf_8_is_taken_however_it_is_spelt(content_type: str) -> None:
    assert request_with(b"{}", CONTENT_TYPE=content_type).json_body == {}


@pytest.mark.parametrize("body", [b"[]", b"1", b'"x"', b"null"])
def test_an_object_is_an_object(body: bytes) -> None:
    with pytest.raises(exc.HTTPBadRequest, match="JSON object"):
        _ = request_with(body).json_object


def test_the_query_is_utf_8_and_has_each_name_once() -> None:
    assert Request({"QUERY_STRING": "a=%C3%A9+x&b=&c"}).query == {"a": "\u00e9 x", "b": "", "c": ""}
    for query, problem in (
        ("a=%ff", "not UTF-8"),
        ("%ff=a", "not UTF-8"),
        ("a=1&a=1", "'a' twice"),
    ):
        with pytest.raises(exc.HTTPBadRequest, match=problem):
            _ = Request({"QUERY_STRING": query}).query
    with pytest.raises(exc.HTTPBadRequest, match="not UTF-8"):
        _ = Request({"QUERY_STRING": "a=%ff", "REQUEST_METHOD": "GET"}).params


def test_a_body_that_a_hook_has_read_or_copied_is_there_still() -> None:
    def look(request: api.Request, arguments: Any) -> None:
        assert request.copy().body == b'{"a": 1}'

    class Looking:
        @api.before(look)
        def create(self, request: api.Request, body: Any) -> Any:
            request.json_body = {"b": 2}
            return [body, request.json, request.body.decode()]

    router = api.Router()
    router.connect("/", controller=Looking(), action="create", methods=["POST"])
    answer = Client(api.API(router)).post_json("/", {"a": 1})
    assert answer.json == [{"a": 1}, {"b": 2}, '{"b":2}']
