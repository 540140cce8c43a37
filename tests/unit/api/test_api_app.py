"""An API called as a server calls it: what an action means by its result, and how it is sent."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
import webob
from webob import exc

from tests.support import wsgi
from wsgisrv.api import API, InvalidFields, Request, Router, Version, responds, versions_app
from wsgisrv.busy import BusyError
from wsgisrv.current import REQUEST_ID
from wsgisrv.errors import ConfigError


class StolenError(Exception):
    """One of a service's own."""


class MissingError(StolenError):
    """A kind of it."""


class Things:
    """One action for each thing that an action may do."""

    closed = 0

    def dict(self, request: Request, name: str = "") -> Any:
        return {"name": name, "args": dict(request.urlvars)}

    def list(self, request: Request) -> Any:
        return ["\u00e9", 1, None]

    def none(self, request: Request) -> None:
        return None

    def busy(self, request: Request) -> None:
        raise BusyError("64 jobs wait already", retry_after=7)

    @responds(202)
    def accepted(self, request: Request) -> None:
        return None

    @responds(204)
    def removed(self, request: Request) -> None:
        return None

    @responds(204)
    def removed_wrongly(self, request: Request) -> Any:
        return {"name": "x"}

    @responds(201, location="/dict/{name}")
    def created(self, request: Request) -> Any:
        return {"name": "a/b \u00e9"}

    def response(self, request: Request) -> webob.Response:
        return webob.Response("<p>", status=203, content_type="text/html")

    def stream(self, request: Request) -> Iterator[Any]:
        try:
            yield {"n": 1}
            yield {"n": 2}
        finally:
            self.closed += 1

    def empty_stream(self, request: Request) -> Iterator[Any]:
        yield from ()

    def refusing_stream(self, request: Request) -> Iterator[Any]:
        yield self._refuse()

    def _refuse(self) -> Any:
        raise exc.HTTPForbidden("not yours")

    def text(self, request: Request) -> str:
        return "text"

    def not_json(self, request: Request) -> Any:
        return {"x": float("nan")}

    def refused(self, request: Request) -> None:
        raise exc.HTTPServiceUnavailable("<b>later</b>", headers={"Retry-After": "7"})

    def challenged(self, request: Request) -> None:
        challenges = [("WWW-Authenticate", "Basic realm=a"), ("WWW-Authenticate", "Bearer")]
        mine = ("X-OpenStack-Request-ID", "req-of-another")
        raise exc.HTTPUnauthorized(headers=[*challenges, ("Vary", "Cookie, Accept"), mine])

    def returned(self, request: Request) -> Any:
        return exc.HTTPForbidden("no")

    def plain(self, request: Request) -> None:
        raise exc.HTTPGone

    def moved(self, request: Request) -> None:
        raise exc.HTTPFound(location="http://elsewhere.example/")

    def unmodified(self, request: Request) -> None:
        raise exc.HTTPNotModified(headers={"ETag": '"x"'})

    def stolen(self, request: Request) -> None:
        raise MissingError("it is gone")

    def bug(self, request: Request) -> None:
        raise RuntimeError("the password is swordfish")

    def fields(self, request: Request) -> None:
        raise InvalidFields({"/a": "is wrong", "?b": "is unknown", "": "is empty"})


def make_app(things: Things | None = None) -> API:
    things = things or Things()
    router = Router()
    for name in [name for name in dir(Things) if not name.startswith("_") and name != "closed"]:
        router.connect(f"/{name}", controller=things, action=name, methods=["GET", "POST"])
    router.connect("/dict/{name}", controller=things, action="dict", methods=["GET"])
    return API(router, faults={StolenError: lambda error: exc.HTTPConflict(str(error))})


def call(path: str, method: str = "GET", app: Any = None, **more: Any) -> webob.Response:
    return wsgi.call(app or make_app(), path, method, **more)


def the_error(response: webob.Response) -> dict[str, Any]:
    assert response.content_type == "application/json"
    (error,) = response.json["errors"]
    assert error.keys() == {"request_id", "code", "status", "title", "detail", "links"}
    assert error["status"] == response.status_code
    assert error["request_id"] == response.headers["X-OpenStack-Request-ID"]
    found: dict[str, Any] = error
    return found


def test_a_dict_or_a_list_is_sent_as_json() -> None:
    response = call("/dict/x")
    assert (response.status, response.content_type) == ("200 OK", "application/json")
    assert response.json == {"name": "x", "args": {"name": "x"}}
    assert call("/list").body == '["\u00e9",1,null]'.encode()


def test_a_path_argument_is_text_as_the_client_meant_it() -> None:
    assert call("/dict/%C3%A9%20x").json["name"] == "\u00e9 x"
    assert the_error(call("/dict/%ff"))["detail"] == "the path is not UTF-8"


def test_a_nul_in_the_path_is_400() -> None:
    assert "NUL" in the_error(call("/dict/a%00b"))["detail"]


def test_none_is_204_unless_it_is_declared_otherwise() -> None:
    assert (call("/none").status, call("/none").body) == ("204 No Content", b"")
    assert (call("/accepted").status, call("/accepted").body) == ("202 Accepted", b"")


@pytest.mark.parametrize(
    ("path", "method", "route"),
    [
        ("/dict/x", "GET", "/v1/dict/{name}"),
        ("/list", "GET", "/v1/list"),
        ("/list", "HEAD", "/v1/list"),
        ("/nothing", "GET", None),
        ("/list", "DELETE", None),
    ],
)
def test_the_server_is_told_the_route_below_its_mount_point(
    path: str, method: str, route: str | None
) -> None:
    environ = {"SCRIPT_NAME": "/v1", "PATH_INFO": path, "REQUEST_METHOD": method}
    setup_testing_defaults(environ)
    list(make_app()(environ, lambda *_: lambda _data: None))
    assert environ.get("wsgisrv.route") == route


def test_a_created_thing_has_its_location_below_the_mount_point() -> None:
    assert call("/created").headers["Location"] == "/dict/a%2Fb%20%C3%A9"
    response = call("/created", environ={"SCRIPT_NAME": "/v1 \u00c3\u00a9"})
    assert response.status == "201 Created"
    assert response.headers["Location"] == "/v1%20%C3%A9/dict/a%2Fb%20%C3%A9"


def test_a_response_is_sent_as_it_is() -> None:
    response = call("/response")
    assert (response.status_code, response.content_type, response.body) == (
        203,
        "text/html",
        b"<p>",
    )


def test_an_iterator_is_streamed_as_json_lines_and_closed() -> None:
    things = Things()
    response = call("/stream", app=make_app(things))
    assert response.content_type == "application/jsonl"
    assert [json.loads(line) for line in response.body.splitlines()] == [{"n": 1}, {"n": 2}]
    assert call("/empty_stream").body == b""
    assert things.closed == 1


def test_a_stream_is_closed_when_the_client_leaves() -> None:
    things = Things()
    body: Any = make_app(things)(environ_for("/stream"), lambda *_: lambda _: None)
    assert next(iter(body)) == b'{"n":1}\n'
    body.close()
    assert things.closed == 1


def test_a_stream_that_refuses_at_its_start_is_a_fault() -> None:
    assert the_error(call("/refusing_stream"))["detail"] == "not yours"


@pytest.mark.parametrize("path", ["/dict", "/stream", "/none", "/refused", "/nothing", "/created"])
def test_head_is_get_without_the_body(path: str) -> None:
    get, head = call(path), call(path, "HEAD")
    assert (head.status, head.body) == (get.status, b"")
    kept = {"X-OpenStack-Request-ID"}
    assert {k: v for k, v in head.headers.items() if k not in kept} == {
        k: v for k, v in get.headers.items() if k not in kept
    }


def test_options_says_what_a_path_has() -> None:
    response = call("/dict/x", "OPTIONS")
    assert (response.status_code, response.headers["Allow"]) == (204, "GET, HEAD, OPTIONS")
    assert call("/nothing", "OPTIONS").status_code == 404


def test_another_method_is_405_with_allow() -> None:
    response = call("/dict/x", "DELETE")
    assert response.headers["Allow"] == "GET, HEAD, OPTIONS"
    assert the_error(response)["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    ("query", "headers"),
    [("?_method=DELETE", {}), ("", {"X_HTTP_Method_Override": "DELETE"})],
)
def test_the_method_is_the_request_lines(query: str, headers: dict[str, str]) -> None:
    assert call(f"/dict{query}", "POST", **headers).status_code == 200


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "text/html, image/*"])
def test_a_client_that_takes_no_json_gets_406(accept: str) -> None:
    assert the_error(call("/dict", Accept=accept))["status"] == 406


@pytest.mark.parametrize(
    "accept",
    ["*/*", "application/*", "text/html, application/json;q=0.1", "", "x" * 500 + "/x, */*;q=0.1",
     "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"],
)  # fmt: skip
def test_a_client_that_takes_json_among_others_gets_it(accept: str) -> None:
    assert call("/dict", Accept=accept).status_code == 200


def test_an_http_exception_keeps_its_headers_and_loses_its_html() -> None:
    response = call("/refused", Accept="application/json")
    assert response.headers["Retry-After"] == "7"
    assert the_error(response)["detail"] == "<b>later</b>"
    assert the_error(response)["code"] == "service_unavailable"
    assert "<html" not in call("/returned").text
    assert the_error(call("/returned"))["status"] == 403
    assert the_error(call("/plain"))["detail"]


def test_a_header_that_stands_several_times_is_kept_each_time() -> None:
    headers = call("/challenged").headers
    assert headers.getall("WWW-Authenticate") == ["Basic realm=a", "Bearer"]
    assert headers.getall("Vary") == ["Cookie, Accept"]
    assert len(headers.getall("X-OpenStack-Request-ID")) == 1


def test_a_full_queue_is_503_with_the_time_to_wait_and_says_nothing_of_the_inside() -> None:
    response = call("/busy")
    assert response.headers["Retry-After"] == "7"
    error = the_error(response)
    assert (error["status"], error["detail"]) == (503, "the service is busy; try again later")


def test_what_is_no_error_has_no_error_document() -> None:
    moved = call("/moved")
    assert (moved.status_code, moved.body) == (302, b"")
    assert moved.headers["Location"] == "http://elsewhere.example/"
    unmodified = call("/unmodified")
    assert (unmodified.status_code, unmodified.headers["ETag"]) == (304, '"x"')


def test_a_services_own_exception_means_what_its_table_says() -> None:
    error = the_error(call("/stolen"))
    assert (error["status"], error["detail"]) == (409, "it is gone")


@pytest.mark.parametrize("path", ["/bug", "/text", "/not_json"])
def test_a_bug_is_logged_and_tells_the_client_its_request_id_alone(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    error = the_error(call(path))
    assert error["status"] == 500
    assert error["detail"] == "the server failed; its log has the request id"
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert error["request_id"] in record.getMessage()
    assert record.exc_info


def test_a_path_cannot_forge_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def show(self, request: Request, rest: str) -> None:
            raise RuntimeError

    router = Router()
    router.connect("/{rest}", controller=Broken(), action="show", methods=["GET"])
    call("/x%0Aforged", app=API(router))
    assert "\n" not in caplog.records[0].getMessage()


def test_every_wrong_field_is_named() -> None:
    details = [error["detail"] for error in call("/fields").json["errors"]]
    assert details == ["/a: is wrong", "?b: is unknown", "the body: is empty"]


def test_a_filters_request_id_is_kept() -> None:
    environ = environ_for("/bug", **{REQUEST_ID: "req-1"})
    status: list[Any] = []
    body = make_app()(environ, lambda *answer: status.append(answer) or (lambda _: None))  # type: ignore[func-returns-value]
    assert json.loads(b"".join(body))["errors"][0]["request_id"] == "req-1"
    assert ("X-OpenStack-Request-ID", "req-1") in status[0][1]


def test_a_request_has_one_context() -> None:
    request = Request({})
    assert request.context is Request(request.environ).context
    assert request.context.request_id.startswith("req-")


def test_the_versions_document_has_links_that_are_good_for_the_client() -> None:
    app = versions_app(
        [Version("v1.0", "SUPPORTED", "/v1/"), Version("v2.3", "CURRENT", "/v2/", "2.1", "2.3")]
    )
    response = call("http://shelf.example:81/", app=app)
    assert response.json == {
        "versions": [
            {
                "id": "v1.0",
                "status": "SUPPORTED",
                "links": [{"rel": "self", "href": "http://shelf.example:81/v1/"}],
            },
            {
                "id": "v2.3",
                "status": "CURRENT",
                "links": [{"rel": "self", "href": "http://shelf.example:81/v2/"}],
                "min_version": "2.1",
                "max_version": "2.3",
            },
        ]
    }
    assert call("/x", app=app).status_code == 404


@pytest.mark.parametrize("status", [99, 199, 300, 404, 299])
def test_an_action_responds_with_success(status: int) -> None:
    with pytest.raises(ConfigError, match=rf"^{__file__}:\d+: .*200 to 299, not {status}$"):
        responds(status)


@pytest.mark.parametrize("location", ["/dict/{", "/dict/{}", "/dict/}"])
def test_a_location_that_is_no_text_with_fields_fails_at_start(location: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{__file__}:\d+: location = "):
        responds(201, location=location)


def test_an_answer_without_body_has_none() -> None:
    assert call("/removed").status_code == 204
    assert call("/removed_wrongly").status_code == 500


def environ_for(path: str, **more: Any) -> dict[str, Any]:
    environ: dict[str, Any] = webob.Request.blank(path).environ
    return {**environ, "wsgi.input": io.BytesIO(), **more}
