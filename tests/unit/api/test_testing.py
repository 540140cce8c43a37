"""The client for tests."""

from __future__ import annotations

from typing import Any

import pytest
import webob
import webtest

from wsgisrv import api
from wsgisrv.api.testing import Client


class Things:
    def index(self, request: api.Request) -> Any:
        context = request.context
        return [context.user_id, list(context.roles), request.headers.get("X-Mine")]

    def version(self, request: api.Request) -> Any:
        return list(request.microversion)

    def bug(self, request: api.Request) -> Any:
        raise RuntimeError("swordfish")

    def many(self, request: api.Request) -> Any:
        raise api.InvalidFields({"/a b": "is wrong", "?c": "is not known", "": "is empty"})

    def text(self, request: api.Request) -> Any:
        return webob.Response("text", content_type="text/html")

    def cookie(self, request: api.Request) -> Any:
        response = webob.Response(json_body=dict(request.cookies))
        response.set_cookie("a", "1")
        return response


class Mine(Client):
    pass


@pytest.fixture
def client() -> Client:
    router = api.Router()
    for name in ("index", "version", "bug", "many", "text", "cookie"):
        router.connect(f"/{name}", controller=Things(), action=name, methods=["GET"])
    versions = api.Microversions("thing", "1.0", "1.2")
    app = api.API(router, versions=versions, identity_headers=True)
    return Mine(app, service_type="thing", version="1.1", headers={"X-Mine": "yes"})


def test_a_client_made_of_another_keeps_all_but_what_is_said(client: Client) -> None:
    client.authorization = ("Bearer", "token")
    user = client.as_user("u", "p", ["reader", "admin"]).at("1.2")
    assert isinstance(user, Mine)
    assert user.authorization == ("Bearer", "token")
    assert user.get("/index").json == ["u", ["reader", "admin"], "yes"]
    assert client.as_user("u", roles="reader").get("/index").json == ["u", ["reader"], "yes"]
    assert user.get("/version").json == [1, 2]
    assert client.get("/version").json == [1, 1]
    client.get("/cookie")
    assert client.at("1.0").get("/cookie").json == {"a": "1"}


def test_both_kinds_of_errors_are_told_alike(client: Client) -> None:
    said = ["/a b: is wrong", "?c: is not known", "the body: is empty"]
    assert client.errors(client.get("/many", status=400)) == said
    problem = client.get("/many", headers={"Accept": "application/problem+json"}, status=400)
    assert client.errors(problem) == said
    one = client.get("/none", headers={"Accept": "application/problem+json"}, status=404)
    assert client.errors(one) == ["no resource at /none"]


def test_what_is_no_error_document_is_an_assertion(client: Client) -> None:
    for path in ("/text", "/index"):
        with pytest.raises(AssertionError, match="no error document"):
            client.errors(client.get(path))
    response = client.get("/many", status=400)
    response.headers["X-OpenStack-Request-ID"] = "req-other"
    with pytest.raises(AssertionError, match="not the request's own id"):
        client.errors(response)


def test_the_bug_behind_a_500_is_its_cause(client: Client) -> None:
    with pytest.raises(webtest.AppError) as caught:
        client.get("/bug")
    assert repr(caught.value.__cause__) == "RuntimeError('swordfish')"
    client.get("/bug", status=500)


def test_a_header_of_each_request_is_refused_for_all(client: Client) -> None:
    with pytest.raises(ValueError, match="Content-Type is said with each request"):
        Client(client.app, headers={"Content-Type": "text/plain"})
