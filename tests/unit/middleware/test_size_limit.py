"""egg:wsgisrv#size_limit: bodies up to a length."""

from __future__ import annotations

import io
from typing import Any

import pytest

from tests.support.wsgi import call
from wsgisrv.errors import ConfigError
from wsgisrv.middleware.catch_errors import CatchErrors
from wsgisrv.middleware.size_limit import BodyTooLargeError, LimitedInput, filter_factory


class Stream(io.BytesIO):
    """Refuses to be asked for much more than the limit at a time."""

    def read(self, size: int | None = -1) -> bytes:
        assert size is not None
        assert 0 <= size <= 11, "a read without a bound"
        return super().read(size)


def reads(environ: Any, start_response: Any) -> list[bytes]:
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(len(body)).encode()]


def chunked(body: bytes) -> dict[str, Any]:
    return {
        "HTTP_TRANSFER_ENCODING": "chunked",
        "wsgi.input": Stream(body),
        "wsgi.input_terminated": True,
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/",
    }


def status_of(app: Any, environ: dict[str, Any]) -> str:
    said: list[str] = []

    def start(status: str, headers: Any, exc_info: Any = None) -> Any:
        said[:] = [status]

    b"".join(app(environ, start))
    return said[0]


def limited(app: Any = reads, most: str = "10") -> Any:
    return filter_factory({}, max_request_body_size=most)(app)


def test_a_length_over_the_limit_is_413_before_the_app_is_called() -> None:
    def never(environ: Any, start_response: Any) -> list[bytes]:
        raise AssertionError

    answer = call(limited(never), "/", "POST", body=b"x" * 11)
    assert answer.status_code == 413
    assert answer.json["errors"][0]["detail"] == "the body is longer than 10 bytes"


@pytest.mark.parametrize("length", ["1" * 5000, "-1", "1_0", "x", "\u0661"])
def test_a_length_that_is_none_is_refused(length: str) -> None:
    status = status_of(limited(), {**chunked(b""), "CONTENT_LENGTH": length})
    assert status[:3] in ("400", "413")


@pytest.mark.parametrize(("size", "status"), [(0, "200"), (10, "200"), (11, "413"), (10**6, "413")])
def test_a_chunked_body_is_counted_as_it_is_read(size: int, status: str) -> None:
    assert status_of(limited(), chunked(b"x" * size)).startswith(status)


def test_a_stream_that_reads_while_it_answers_is_counted_too() -> None:
    def lazy(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])
        yield environ["wsgi.input"].read()

    assert status_of(limited(lazy), chunked(b"x" * 11)).startswith("413")


def test_a_read_of_much_asks_for_no_more_than_may_come() -> None:
    stream = LimitedInput(Stream(b"x" * 100), 10)
    with pytest.raises(BodyTooLargeError):
        stream.read(10**9)


def test_catch_errors_behind_it_does_not_make_it_a_500() -> None:
    assert status_of(limited(CatchErrors(reads)), chunked(b"x" * 11)).startswith("413")


def test_a_body_in_no_field_of_another_protocol_is_counted() -> None:
    environ = chunked(b"x" * 11) | {"SERVER_PROTOCOL": "HTTP/2"}
    del environ["HTTP_TRANSFER_ENCODING"]
    assert status_of(limited(), environ).startswith("413")


def test_lines_and_pieces_are_what_a_file_gives() -> None:
    data = b"one\ntwo\nthree"
    assert LimitedInput(io.BytesIO(data), 13).readlines() == data.splitlines(keepends=True)
    assert LimitedInput(io.BytesIO(data), 13).readlines(4) == [b"one\n"]
    stream = LimitedInput(io.BytesIO(data), 13)
    assert [stream.readline(2), stream.readline(), stream.read(3)] == [b"on", b"e\n", b"two"]
    assert stream.read(None) == b"\nthree"
    with pytest.raises(BodyTooLargeError):
        LimitedInput(io.BytesIO(b"x" * 20), 13).readline()


@pytest.mark.parametrize("value", ["", "-1", "ten", "1.5", "9" * 30])
def test_a_wrong_value_is_named_with_what_is_allowed(value: str) -> None:
    with pytest.raises(ConfigError, match=r"max_request_body_size = .*: allowed is a whole number"):
        limited(most=value)
