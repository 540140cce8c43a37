"""Preconditions: what is declared of them, and what becomes of a request with one."""

from __future__ import annotations

import re
from typing import Any

import pytest
from openapi_spec_validator import validate

from wsgisrv import api
from wsgisrv.api.testing import Client

BODY = {"type": "object", "required": ["n"]}


class Things:
    """Of two kinds: /tagged has an ETag, /plain has none."""

    def __init__(self) -> None:
        self.state = {"n": 0}
        self.changes = 0

    @api.conditional()
    def show(self, request: api.Request) -> Any:
        request.check_etag(api.etag_of(self.state))
        return self.state

    @api.conditional(required=True)
    @api.body(BODY)
    def change(self, request: api.Request, body: Any) -> Any:
        request.check_etag(api.etag_of(self.state))
        self.state = body
        return body

    @api.answers(412, "it has moved on")
    @api.conditional()
    def remove(self, request: api.Request) -> None:
        request.check_etag(None)

    def plain(self, request: api.Request) -> Any:
        self.changes += 1
        return {}

    @api.sub_action("paint")
    @api.conditional()
    def paint(self, request: api.Request) -> Any:
        request.check_etag(api.etag_of(self.state))
        return {"painted": True}

    @api.sub_action("weigh")
    def weigh(self, request: api.Request) -> Any:
        return {"weight": 1}

    def undeclared(self, request: api.Request) -> Any:
        request.check_etag(api.etag_of(self.state))
        return {}

    @api.conditional()
    def forgotten(self, request: api.Request) -> Any:
        return {}


@pytest.fixture
def things() -> Things:
    return Things()


@pytest.fixture
def client(things: Things) -> Client:
    router = api.Router()
    for path, action, method in (
        ("/tagged", "show", "GET"), ("/tagged", "change", "PUT"), ("/tagged", "remove", "DELETE"),
        ("/plain", "plain", "GET"), ("/plain", "plain", "POST"), ("/plain", "plain", "OPTIONS"),
        ("/undeclared", "undeclared", "GET"), ("/forgotten", "forgotten", "GET"),
    ):  # fmt: skip
        router.connect(path, controller=things, action=action, methods=[method])
    router.sub_actions("/tagged/action", controller=things)
    return Client(api.API(router, described=api.Described("Things")))


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("header", ['"x"', 'W/"x"', '"x", "y"', '""'])
def test_if_match_is_refused_by_what_has_no_etag_before_anything_is_done(
    client: Client, things: Things, method: str, header: str
) -> None:
    refused = client.request("/plain", method=method, headers={"If-Match": header}, status=412)
    assert client.errors(refused) == ["If-Match: this resource has no ETag"]
    assert things.changes == 0


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("POST", {"If-Match": "*"}),
        ("GET", {"If-None-Match": "*"}),
        ("GET", {"If-None-Match": '"x"'}),
        ("POST", {"If-None-Match": '"x", W/"y"'}),
        ("OPTIONS", {"If-Match": '"x"', "If-None-Match": "*"}),
    ],
)
def test_what_holds_of_something_without_an_etag_is_let_through(
    client: Client, things: Things, method: str, headers: dict[str, str]
) -> None:
    client.request("/plain", method=method, headers=headers, status=200)
    assert things.changes == 1


def test_if_none_match_of_anything_is_refused_by_what_changes_something(
    client: Client, things: Things
) -> None:
    refused = client.post("/plain", b"", headers={"If-None-Match": "*"}, status=412)
    assert client.errors(refused) == ["If-None-Match: the resource is there already"]
    client.post("/plain", b"", headers={"If-Match": "x"}, status=400)
    client.post("/plain", b"", headers={"If-None-Match": "x"}, status=400)
    assert things.changes == 0


def test_only_the_sub_action_that_is_declared_has_preconditions(client: Client) -> None:
    tag = client.get("/tagged").headers["ETag"]
    for headers, status in (({"If-Match": tag}, 200), ({"If-Match": '"x"'}, 412), ({}, 200)):
        client.post_json("/tagged/action", {"paint": {}}, headers=headers, status=status)
    client.post_json("/tagged/action", {"weigh": {}}, headers={"If-Match": tag}, status=412)
    client.post_json("/tagged/action", {"weigh": {}}, status=200)


def test_who_has_to_say_if_match_and_does_not_gets_428(client: Client, things: Things) -> None:
    for headers in ({}, {"If-None-Match": '"x"'}):
        refused = client.put_json("/tagged", {"n": 1}, headers=headers, status=428)
        assert client.errors(refused) == [
            "this needs the header If-Match with the ETag that a GET has shown"
        ]
    assert things.state == {"n": 0}
    tag = client.get("/tagged").headers["ETag"]
    client.put_json("/tagged", {"n": 1}, headers={"If-Match": tag}, status=200)
    client.put_json("/tagged", {"n": 2}, headers={"If-Match": tag}, status=412)
    client.put_json("/tagged", {"n": 3}, headers={"If-Match": "*"}, status=200)


def test_a_412_says_when_the_etag_was_a_weak_one(client: Client) -> None:
    tag = client.get("/tagged").headers["ETag"]
    for header in (f"W/{tag}", f'"x", W/{tag}'):
        refused = client.put_json("/tagged", {"n": 1}, headers={"If-Match": header}, status=412)
        assert client.errors(refused) == [
            f"If-Match: W/{tag} is a weak ETag, which never matches here; a strong one is needed"
        ]
    refused = client.put_json("/tagged", {"n": 1}, headers={"If-Match": 'W/"x"'}, status=412)
    assert client.errors(refused) == ["If-Match: the resource has changed, or is not there"]


def test_checking_without_the_declaration_and_the_other_way_are_bugs(
    client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    client.get("/undeclared", status=500)
    assert "TypeError: check_etag needs @api.conditional() on the action" in caplog.text
    client.get("/forgotten", status=500)
    assert (
        "TypeError: Things.forgotten has @api.conditional() and did not call check_etag"
        in caplog.text
    )


def test_the_document_says_it(client: Client) -> None:
    document = client.get("/openapi.json").json
    validate(document)
    paths = document["paths"]

    def headers(operation: Any) -> dict[str, bool]:
        return {one["name"]: one["required"] for one in operation["parameters"]}

    show, change, remove = (paths["/tagged"][name] for name in ("get", "put", "delete"))
    assert headers(show) == headers(remove) == {"If-Match": False, "If-None-Match": False}
    assert headers(change) == {"If-Match": True, "If-None-Match": False}
    assert {"304", "412"} <= set(show["responses"])
    assert {"412", "428"} <= set(change["responses"])
    assert remove["responses"]["412"]["description"] == "it has moved on"
    assert "428" not in remove["responses"]
    action = paths["/tagged/action"]["post"]
    assert headers(action) == {"If-Match": False, "If-None-Match": False}
    assert "412" in action["responses"]
    assert "412" not in paths["/plain"]["post"]["responses"]
    assert headers(paths["/plain"]["post"]) == {}


def pattern(client: Client) -> str:
    (_, parameter) = client.get("/openapi.json").json["paths"]["/tagged"]["get"]["parameters"]
    assert parameter["name"] == "If-None-Match"
    return str(parameter["schema"]["pattern"])


@pytest.mark.parametrize("header", ["*", '"a"', 'W/"a"', '"a", W/"b","c"', '""', '"a,b"'])
def test_the_documents_pattern_is_of_what_is_taken(client: Client, header: str) -> None:
    assert re.search(pattern(client), header)
    client.get("/tagged", headers={"If-None-Match": header}, status=304 if header == "*" else 200)


@pytest.mark.parametrize("header", ["", "a", '"a', "*, *", '"a" "b"', 'w/"a"', '"a b"', '"\xe9"'])
def test_the_documents_pattern_is_of_nothing_else(client: Client, header: str) -> None:
    assert not re.search(pattern(client), header)
