"""egg:wsgisrv#catch_errors: what an app raises, and what the client and the log see of it."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from typing import Any
from wsgiref.handlers import SimpleHandler

import pytest

from tests.support.wsgi import call
from wsgisrv.busy import BusyError
from wsgisrv.errors import ClientError
from wsgisrv.middleware.catch_errors import CatchErrors
from wsgisrv.middleware.request_id import RequestId

PLAIN = [("Content-Type", "text/plain")]


class OwnError(Exception):
    pass


class ClosedPieces:
    """An iterable that fails where it is told to and remembers that it was closed."""

    def __init__(self, start_response: Any, pieces: list[Any]) -> None:
        self.start_response = start_response
        self.pieces = pieces
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        self.start_response("200 OK", PLAIN)
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            yield piece

    def close(self) -> None:
        self.closed += 1


def raising(environ: Any, start_response: Any) -> list[bytes]:
    raise OwnError("the password is hunter2")


def test_an_error_is_logged_with_id_and_traceback_and_told_as_a_document(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer = call(RequestId(CatchErrors(raising)), "/v1/x?token=abc")
    request_id = answer.headers["X-Openstack-Request-Id"]
    assert answer.status_code == 500
    assert answer.json["errors"][0] == {
        "request_id": request_id,
        "code": "internal_server_error",
        "status": 500,
        "title": "Internal Server Error",
        "detail": "the server failed; its log has the request id",
        "links": [],
    }
    (record,) = caplog.records
    assert record.getMessage() == f"{request_id} GET '/v1/x' failed"
    assert record.exc_info is not None
    assert record.exc_info[0] is OwnError
    assert b"hunter2" not in answer.body


def test_an_error_after_start_response_replaces_the_head_while_it_can() -> None:
    def late(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", PLAIN)
        raise OwnError

    assert call(CatchErrors(late), "/").status_code == 500


def test_a_service_that_is_busy_says_when_to_come_again(caplog: pytest.LogCaptureFixture) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        raise BusyError("blocking_queue is full", retry_after=3)

    answer = call(CatchErrors(app), "/")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "3")
    assert caplog.records[0].levelno == logging.WARNING


def test_a_head_request_has_no_body() -> None:
    assert call(CatchErrors(raising), "/", "HEAD").body == b""


def test_a_stream_that_fails_before_its_first_piece_is_a_clean_500_and_is_closed() -> None:
    made: list[ClosedPieces] = []

    def app(environ: Any, start_response: Any) -> ClosedPieces:
        made.append(ClosedPieces(start_response, [OwnError()]))
        return made[0]

    assert call(CatchErrors(app), "/").json["errors"][0]["status"] == 500
    assert made[0].closed == 1


def test_an_error_after_the_head_was_sent_is_the_servers(caplog: pytest.LogCaptureFixture) -> None:
    class Handler(SimpleHandler):
        caught: BaseException | None = None

        def log_exception(self, exc_info: Any) -> None:
            type(self).caught = exc_info[1]

    out = io.BytesIO()
    error = OwnError("in the midst")

    def app(environ: Any, start_response: Any) -> ClosedPieces:
        return ClosedPieces(start_response, [b"half", error])

    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/", "SERVER_PROTOCOL": "HTTP/1.1"}
    Handler(io.BytesIO(), out, io.StringIO(), environ).run(RequestId(CatchErrors(app)))
    assert Handler.caught is error
    assert out.getvalue().endswith(b"half")
    (record,) = caplog.records
    assert "GET '/' broke off: OwnError: in the midst" in record.getMessage()


@pytest.mark.parametrize("where", ["call", "stream"])
def test_what_the_client_did_is_left_to_the_server(
    where: str, caplog: pytest.LogCaptureFixture
) -> None:
    def app(environ: Any, start_response: Any) -> ClosedPieces:
        if where == "call":
            raise ClientError
        return ClosedPieces(start_response, [ClientError()])

    with pytest.raises(ClientError):
        call(CatchErrors(app), "/")
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_file_wrapper_reaches_the_server_as_it_is() -> None:
    class Wrapper(list[bytes]):
        pass

    wrapper = Wrapper()
    environ = {"REQUEST_METHOD": "GET", "wsgi.file_wrapper": Wrapper}
    assert CatchErrors(lambda *_: wrapper)(environ, lambda *_: lambda _: None) is wrapper
