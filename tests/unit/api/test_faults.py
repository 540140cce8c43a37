"""Errors on their way to the client: headers that are kept, tables that fail, and what is not answered."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
import webob
from webob import exc

from tests.support import wsgi
from wsgisrv import api
from wsgisrv.api.testing import Client
from wsgisrv.busy import BusyError
from wsgisrv.errors import ClientError

BUG = "the server failed; its log has the request id"


class OwnError(Exception):
    """One of a service's own."""


class StoppedError(BaseException):
    """As eventlet.Timeout: no Exception."""


class GoneError(ClientError, OSError):
    """As a server raises when its client has gone."""


class BodyError(ClientError, OSError):
    """As a server raises for a body that it gives up."""

    status = 408


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Wordless(exc.HTTPBadRequest):  # type: ignore[misc]
    said: ClassVar[Any] = {"what": object()}


class Untitled(exc.HTTPClientError):  # type: ignore[misc]
    code, title = 418, None


def app_of(action: Callable[[api.Request], Any], **more: Any) -> api.API:
    class Things:
        def show(self, request: api.Request) -> Any:
            return action(request)

    router = api.Router()
    router.connect("/show", controller=Things(), action="show", methods=["GET", "POST"])
    return api.API(router, **more)


def raising(error: BaseException, **more: Any) -> api.API:
    def action(request: api.Request) -> Any:
        raise error

    return app_of(action, **more)


def detail_of(response: webob.Response) -> str:
    (error,) = response.json["errors"]
    assert error["request_id"] == response.headers["X-OpenStack-Request-ID"]
    return str(error["detail"])


# Headers


def test_an_exceptions_headers_are_kept_but_for_those_of_its_body() -> None:
    headers = {
        "Content-Range": "bytes */9",
        "Content-Security-Policy": "x",
        "Content-Encoding": "gzip",
    }
    error = exc.HTTPRequestRangeNotSatisfiable("no", headers=headers)
    response = wsgi.call(raising(error), "/show")
    assert response.headers["Content-Range"] == "bytes */9"
    assert response.headers["Content-Security-Policy"] == "x"
    assert "Content-Encoding" not in response.headers
    assert response.content_type == "application/json"


@pytest.mark.parametrize(
    ("error", "location"),
    [
        (exc.HTTPFound(add_slash=True), "http://localhost/show/?a=%20b"),
        (exc.HTTPFound(location="/a?b=c%20d#e"), "/a?b=c%20d#e"),
        (exc.HTTPSeeOther(location="/\u00fc\u20ac?a=%2F"), "/%C3%BC%E2%82%AC?a=%2F"),
    ],
)
def test_a_redirection_says_where(error: exc.HTTPException, location: str) -> None:
    response = wsgi.call(raising(error), "/show?a=%20b")
    assert (response.headers["Location"], response.body) == (location, b"")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_success_that_is_raised_keeps_its_body(method: str) -> None:
    created = exc.HTTPCreated(json_body={"a": 1}, location="/z")
    response = wsgi.call(raising(created), "/show", method)
    assert (response.status_code, response.headers["Location"]) == (201, "/z")
    assert response.headers["Content-Length"] == "7"
    assert (response.content_type, response.body) == (
        "application/json",
        b'{"a":1}' if method == "GET" else b"",
    )


def test_of_an_action_that_refuses_only_what_its_answer_depends_on_is_kept() -> None:
    def action(request: api.Request) -> Any:
        request.answer_with("Vary", "Cookie")
        request.answer_with("ETag", '"x"')
        raise exc.HTTPConflict("no")

    headers = wsgi.call(app_of(action), "/show").headers
    assert ("Cookie" in headers["Vary"], "ETag" in headers) == (True, False)


def test_a_result_that_cannot_be_written_leaves_no_headers_behind() -> None:
    def action(request: api.Request) -> Any:
        request.answer_with("ETag", '"x"')
        return {"a": float("nan")}

    response = wsgi.call(app_of(action), "/show")
    assert (response.status_code, "ETag" in response.headers) == (500, False)


# What fails while an error is answered


@pytest.mark.parametrize(
    ("error", "faults", "logged"),
    [
        (OwnError("lent"), {OwnError: lambda error: {}[error]}, "OwnError: lent"),
        (OwnError("lent"), {OwnError: lambda _: None}, "OwnError became None, not an HTTP exception"),
        (UnspeakableError(), {UnspeakableError: exc.HTTPConflict}, "no words"),
        (exc.HTTPBadRequest(UnspeakableError()), {}, "no words"),
        (Wordless("x"), {}, "object is not JSON serializable"),
        (Untitled("x"), {}, "Untitled"),
        (exc.HTTPException("x", webob.Response()), {}, "HTTPException"),
        (exc.HTTPNotFound("x", headers=[("X-A", "a\r\nb: c")]), {}, "Bad header value"),
    ],
)  # fmt: skip
def test_what_fails_while_an_error_is_answered_is_a_bug_and_logged(
    error: Exception, faults: Any, logged: str, caplog: pytest.LogCaptureFixture
) -> None:
    response = wsgi.call(raising(error, faults=faults), "/show")
    assert (response.status_code, detail_of(response)) == (500, BUG)
    assert logged in caplog.text


def test_a_response_that_fails_after_its_head_is_answered_by_the_rules() -> None:
    class Failing(webob.Response):  # type: ignore[misc]
        def __call__(self, environ: Any, start_response: Any) -> Any:
            super().__call__(environ, start_response)
            raise OwnError

    said: list[Any] = []

    def start_response(*given: Any) -> Any:
        said.append(given)

    environ = webob.Request.blank("/show").environ
    app_of(lambda _: Failing(b"abc"))(environ, start_response)
    assert [status for status, *_ in said] == ["200 OK", "500 Internal Server Error"]
    assert isinstance(said[1][2][1], OwnError)


def test_a_head_that_was_sent_is_not_answered_again() -> None:
    def start_response(_status: str, _headers: Any, exc_info: Any = None) -> Any:
        raise exc_info[1]

    environ = webob.Request.blank("/show").environ
    with pytest.raises(OwnError):
        raising(OwnError())(environ, start_response)


# Whose error it is


def test_http_exceptions_and_the_servers_own_are_not_the_tables_bugs() -> None:
    faults = {Exception: lambda _: exc.HTTPConflict("any")}
    assert wsgi.call(raising(OwnError(), faults=faults), "/show").status_code == 409
    assert wsgi.call(raising(exc.HTTPNotFound("no"), faults=faults), "/show").status_code == 404
    assert wsgi.call(raising(BusyError("full"), faults=faults), "/show").status_code == 503
    mine = {BusyError: lambda _: exc.HTTPTooManyRequests("slower")}
    assert wsgi.call(raising(BusyError("full"), faults=mine), "/show").status_code == 429


def test_an_old_way_of_raising_a_response_is_the_response() -> None:
    wrapped = exc.HTTPException("no", exc.HTTPConflict("lent"))
    assert wsgi.call(raising(wrapped), "/show").status_code == 409


@pytest.mark.parametrize(
    "error", [StoppedError(), SystemExit(1), KeyboardInterrupt(), GeneratorExit()]
)
def test_what_is_no_exception_is_the_servers(error: BaseException) -> None:
    with pytest.raises(type(error)):
        wsgi.call(raising(error, faults={Exception: exc.HTTPConflict}), "/show")


def test_what_is_no_exception_is_answered_where_the_table_names_it() -> None:
    app = raising(StoppedError("10 seconds"), faults={StoppedError: exc.HTTPGatewayTimeout})
    response = wsgi.call(app, "/show")
    assert (response.status_code, detail_of(response)) == (504, "10 seconds")


def test_a_client_that_has_gone_is_the_servers() -> None:
    with pytest.raises(GoneError):
        wsgi.call(raising(GoneError("gone")), "/show")


@pytest.mark.parametrize(
    "read",
    [
        lambda request: request.body,
        lambda request: request.POST,
        lambda request: request.params,
        lambda request: request.json,
        lambda request: request.body_file.read(),
    ],
)
def test_a_body_that_does_not_come_is_the_clients_error_however_it_is_read(
    read: Callable[[api.Request], Any],
) -> None:
    class GivenUp(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise BodyError("it did not come")

    def action(request: api.Request) -> Any:
        request.content_type = "application/json" if "json" in read.__code__.co_names else ""
        read(request)

    for stream, status in ((io.BytesIO(b"abc"), 400), (GivenUp(), 408)):
        environ = webob.Request.blank("/show", method="POST").environ
        environ |= {"CONTENT_LENGTH": "50", "wsgi.input": stream}
        said: list[Any] = []
        app_of(action)(environ, lambda *given, said=said: said.append(given))
        assert int(said[0][0][:3]) == status


def test_a_fault_says_what_its_service_knows_of_it() -> None:
    class Lent:
        def show(self, request: api.Request) -> Any:
            guide = {"rel": "describedby", "href": "https://shelf.example/lending"}
            raise api.fault(
                exc.HTTPConflict("it is lent"),
                code="shelf.book-is-lent",
                title="The book is lent",
                type="https://shelf.example/problems/lent",
                links=[guide],
                until="2026-12-01",
            )

    router = api.Router()
    router.connect("/x", controller=Lent(), action="show", methods=["GET"])
    client = Client(api.API(router, described=api.Described("T")))
    (error,) = client.get("/x", status=409).json["errors"]
    assert (error["code"], error["title"]) == ("shelf.book-is-lent", "The book is lent")
    assert error["links"][0] == {"rel": "help", "href": "http://localhost/docs"}
    assert error["links"][1]["rel"] == "describedby"
    assert (error["until"], error["detail"], error["status"]) == ("2026-12-01", "it is lent", 409)
    assert "type" not in error
    asked = {"Accept": "application/problem+json"}
    problem = client.get("/x", headers=asked, status=409).json
    assert problem["type"] == "https://shelf.example/problems/lent"
    assert problem["code"] == "shelf.book-is-lent"
    with pytest.raises(ValueError, match="status is said by the document itself"):
        api.fault(exc.HTTPConflict(), status=200)


def test_every_error_has_a_link_to_help() -> None:
    (error,) = Client(api.API(api.Router())).get("/x", status=404).json["errors"]
    assert [link["rel"] for link in error["links"]] == ["help"]
