"""The OpenAPI document, and the page that shows it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from wsgisrv import api
from wsgisrv.api.responses import either_content
from wsgisrv.api.testing import Client
from wsgisrv.errors import ConfigError

NAMED = {
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string", "pattern": "x", "x-says": {"pattern": "has an x"}}},
}
QUERY = {"type": "object", "properties": {"ids": {"type": "array", "items": {"type": "string"}}}}
ITEMS = api.Collection(
    "things", sort_keys=("name",), fields=("name",), counts=True, item=NAMED,
    filters={"size": api.Filter(int, ("eq", "gt")), "name": api.Filter()},
)  # fmt: skip


class Things:
    @api.lists(ITEMS)
    def index(self, request: api.Request, page: api.Page) -> Any:
        """Lists things."""

    @api.version("1.1")
    @api.body(NAMED)
    @api.returns(NAMED)
    @api.responds(201, location="/things/{name}")
    def create(self, request: api.Request, body: Any) -> Any:
        """Adds a thing.

        With more to say.
        """

    @api.query(QUERY)
    @api.conditional()
    def show(self, request: api.Request, thing_id: str, query: Any) -> Any: ...

    @api.answers(409, "it is in use")
    @api.conditional()
    def delete(self, request: api.Request, thing_id: str) -> None: ...

    @api.sub_action("paint")
    @api.body(NAMED)
    @api.responds(202)
    def paint(self, request: api.Request, thing_id: str) -> None: ...

    def events(self, request: api.Request) -> Iterator[Any]:
        """Streams events."""
        yield {}

    @api.produces("image/png", "application/json")
    @api.returns(NAMED)
    def picture(self, request: api.Request) -> Any: ...

    @api.sub_action("weigh")
    def weigh(self, request: api.Request, thing_id: str) -> Any: ...


@pytest.fixture
def client() -> Client:
    router = api.Router()
    things = Things()
    thing = router.resource(
        "thing", "things", controller=things, argument="thing_id",
        requirements={"thing_id": "[a-z]+"},
    )  # fmt: skip
    thing.sub_actions(controller=things)
    router.connect("/events", controller=things, action="events", methods=["GET"])
    router.connect("/picture", controller=things, action="picture", methods=["GET"])
    versions = api.Microversions("shelf", "1.0", "1.1")
    described = api.Described('A & "B" <script>', answers={503: "come back later"})
    return Client(api.API(router, versions=versions, described=described), service_type="shelf")


def document(client: Client, version: str = "1.1") -> Any:
    found = client.get(f"/openapi.json?version={version}").json
    validate(found)
    return found


def parameters(operation: Any) -> dict[str, Any]:
    return {one["name"]: one for one in operation["parameters"]}


def test_there_is_one_document_for_each_version_and_the_newest_by_default(client: Client) -> None:
    assert "post" not in document(client, "1.0")["paths"]["/things"]
    assert "post" in document(client, "1.1")["paths"]["/things"]
    assert client.get("/openapi.json").json == document(client, "1.1")
    refused = client.get("/openapi.json?version=1.2", status=400)
    assert client.errors(refused) == ["?version: there are 1.0 to 1.1"]


def test_the_document_says_what_is_declared(client: Client) -> None:
    paths = document(client)["paths"]
    assert set(paths) == {
        "/things", "/things/{thing_id}", "/things/{thing_id}/action", "/events", "/picture",
    }  # fmt: skip
    listing, create = paths["/things"]["get"], paths["/things"]["post"]
    assert set(parameters(listing)) == {
        "OpenStack-API-Version", "limit", "marker", "sort", "fields", "with_count", "page_reverse",
        "size", "name",
    }  # fmt: skip
    assert create["summary"] == "Adds a thing."
    assert set(create["responses"]) == {"201", "400", "404", "406", "413", "415", "503"}
    body = create["requestBody"]["content"]["application/json"]["schema"]
    assert body["properties"]["name"] == {"type": "string", "pattern": "x"}
    show, delete = paths["/things/{thing_id}"]["get"], paths["/things/{thing_id}"]["delete"]
    assert parameters(show)["thing_id"]["schema"]["pattern"] == "^(?:[a-z]+)$"
    assert {"If-None-Match", "ids"} <= set(parameters(show))
    assert "If-Match" in parameters(delete)
    assert set(delete["responses"]) == {"204", "400", "404", "406", "409", "412", "503"}
    assert "content" not in delete["responses"]["204"]


def test_what_is_no_document_is_said_with_its_media_type(client: Client) -> None:
    paths = document(client)["paths"]
    events = paths["/events"]["get"]["responses"]["200"]["content"]
    assert events == {"application/jsonl": {}}
    picture = paths["/picture"]["get"]["responses"]["200"]["content"]
    assert picture["image/png"] == {}
    assert picture["application/json"]["schema"]["required"] == ["name"]


def test_sub_actions_are_the_forms_of_one_body(client: Client) -> None:
    action = document(client)["paths"]["/things/{thing_id}/action"]["post"]
    forms = action["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
    assert [form["required"] for form in forms] == [["paint"], ["weigh"]]
    assert {"200", "202"} <= set(action["responses"])


def test_the_shelfs_documents_are_valid(tmp_path: Path) -> None:
    for version, found in shelf_documents(tmp_path):
        validate(found)
        assert found["info"]["version"] == version
        operations = [o["operationId"] for path in found["paths"].values() for o in path.values()]
        assert len(set(operations)) == len(operations)


def shelf_documents(tmp_path: Path) -> Iterator[tuple[str, Any]]:
    from wsgisrv.demo.app import shelf_app
    from wsgisrv.demo.db import Database

    database = Database(f"sqlite:///{tmp_path}/shelf.sqlite")
    database.create_schema()
    shelf = Client(shelf_app(database), service_type="shelf")
    for version in ("1.0", "1.1", "1.2", "1.3"):
        yield version, shelf.get(f"/openapi.json?version={version}").json


def test_the_page_loads_its_own_files_alone(client: Client) -> None:
    page = client.get("/docs", headers={"Accept": "text/html"})
    assert "A &amp; &quot;B&quot; &lt;script>" in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assets = re.findall(r'(?:src|href)="(docs/[^"]*)"', page.text)
    assert len(assets) == 2
    for name in assets:
        asset = client.get(f"/{name}")
        assert "http:" not in asset.text
        assert "https:" not in asset.text
    for name in ("other.js", "..%2Fapp.py", "docs.html"):
        client.get(f"/docs/{name}", status=404)


def test_a_document_that_the_client_has_is_304(client: Client) -> None:
    tag = client.get("/openapi.json").headers["ETag"]
    client.get("/openapi.json", headers={"If-None-Match": tag}, status=304)


# What is declared by others, and has to be right all the same

NAME = {"type": "string", "minLength": 1}
REFERRING = {
    "type": "object",
    "$defs": {"name": NAME},
    "required": ["name", "x-says"],
    "properties": {
        "name": {"$ref": "#/$defs/name"},
        "inner": {"$ref": "#"},
        "x-says": {"const": {"x-says": 1}},
    },
}
ANCHORED = {"items": {"$ref": "#one"}, "$defs": {"x/y": {"$anchor": "one", "type": "integer"}}}
BOOK = {"title": "Book", "type": "object", "properties": {"name": NAME}}
SHELF = {"title": "Shelf", "type": "object", "properties": {"books": {"items": BOOK}}}


def documented(controller: object, *routes: tuple[str, str, str], **more: Any) -> Any:
    """Returns the document of routes: method, path and action."""
    router = api.Router()
    for method, path, action in routes:
        router.connect(path, controller=controller, action=action, methods=[method])
    described = api.Described("T", more=more.pop("more", {}))
    found = Client(api.API(router, described=described, **more)).get("/openapi.json").json
    validate(found)
    return found


class Odd:
    def nothing(self, request: api.Request, **arguments: Any) -> Any:
        """Says nothing."""

    def unsaid(self, request, body):  # type: ignore[no-untyped-def] # as many write it
        """Has a body that is not declared.

        And goes on
        to say more.

        Args:
            request: is not for readers of the document.
        """

    def optional(self, request: api.Request) -> dict[str, Any] | None:
        raise NotImplementedError

    def lines(self, request: api.Request) -> Iterator[Any]:
        raise NotImplementedError

    def file(self, request: api.Request) -> api.File:
        raise NotImplementedError

    @api.body(REFERRING)
    @api.returns(REFERRING)
    def referring(self, request: api.Request) -> dict[str, Any]:
        raise NotImplementedError

    @api.body(ANCHORED)
    @api.returns(SHELF)
    def anchored(self, request: api.Request) -> dict[str, Any]:
        raise NotImplementedError

    @api.body({"title": "Book", "type": "string"})
    @api.returns(BOOK)
    def titled(self, request: api.Request) -> dict[str, Any]:
        raise NotImplementedError

    @api.query({"type": "object", "properties": {"a": True, "b": {"$ref": "#/$defs/b"}},
                "required": ["b"], "$defs": {"b": {"type": "array", "description": "some"}}})  # fmt: skip
    def asked(self, request: api.Request) -> dict[str, Any]:
        raise NotImplementedError

    @api.query({"type": "object", "patternProperties": {"^x-": {}}, "minProperties": 1})
    def asked_anything(self, request: api.Request) -> dict[str, Any]:
        raise NotImplementedError


class Acting:
    @api.sub_action("one")
    @api.returns(BOOK)
    def one(self, request: api.Request, body: Any) -> dict[str, Any]:
        """Does one thing.

        Slowly.
        """
        raise NotImplementedError

    @api.sub_action("two")
    @api.returns(BOOK)
    @api.policy("any")
    def two(self, request: api.Request) -> dict[str, Any]:
        """Does two things."""
        raise NotImplementedError

    @api.sub_action("three")
    @api.returns(NAME)
    def three(self, request: api.Request) -> Any: ...


class Yes:
    def knows(self, rule: str) -> bool:
        return True

    def allows(self, rule: str, target: Any, credentials: Any) -> bool:
        return True


def test_names_of_operations_are_unique_and_those_declared_first_keep_theirs() -> None:
    routes = [
        ("GET", path, "nothing") for path in ("/root", "/", "/a_b", "/a-b", "/x/{id}", "/x/id")
    ]
    found = documented(Odd(), *routes)["paths"]
    ids = {path: operations["get"]["operationId"] for path, operations in found.items()}
    assert ids == {
        "/root": "get_root", "/": "get_root_2", "/a_b": "get_a_b", "/a-b": "get_a_b_2",
        "/x/{id}": "get_x_id", "/x/id": "get_x_id_2",
    }  # fmt: skip


def test_a_schema_that_refers_to_itself_does_so_in_the_document_too() -> None:
    found = documented(Odd(), ("POST", "/x", "referring"), ("POST", "/y", "anchored"))
    body = found["paths"]["/x"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    name = body["$ref"].removeprefix("#/components/schemas/")
    schema = found["components"]["schemas"][name]
    assert schema["properties"]["name"] == {"$ref": f"{body['$ref']}/$defs/name"}
    assert schema["properties"]["inner"] == body
    assert schema["properties"]["x-says"] == {"const": {"x-says": 1}}
    result = found["paths"]["/x"]["post"]["responses"]["200"]["content"]["application/json"]
    assert result["schema"] == body
    anchored = found["paths"]["/y"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    name = anchored["$ref"].removeprefix("#/components/schemas/")
    items = found["components"]["schemas"][name]["items"]
    assert items == {"$ref": f"{anchored['$ref']}/%24defs/x~1y"}


def test_a_title_that_is_a_name_names_the_schema() -> None:
    found = documented(Odd(), ("POST", "/y", "anchored"), ("POST", "/z", "titled"))
    schemas = found["components"]["schemas"]
    assert schemas["Book"]["type"] == "object"
    assert schemas["Book2"]["type"] == "string"
    assert schemas["Shelf"]["properties"]["books"]["items"] == {"$ref": "#/components/schemas/Book"}
    operation = found["paths"]["/z"]["post"]
    reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    assert reference.endswith("/Book2")


def test_a_query_is_told_whole_where_parameters_cannot_say_it() -> None:
    found = documented(Odd(), ("GET", "/a", "asked"), ("GET", "/b", "asked_anything"))["paths"]
    asked = parameters(found["/a"]["get"])
    assert (asked["a"]["schema"], asked["a"]["required"]) == (True, False)
    assert (asked["b"]["description"], asked["b"]["explode"]) == ("some", False)
    assert asked["b"]["required"]
    whole = parameters(found["/b"]["get"])["query"]
    assert (whole["style"], whole["explode"]) == ("form", True)
    assert whole["schema"]["minProperties"] == 1


def test_what_an_action_does_not_say_is_not_guessed() -> None:
    actions = ["unsaid", "optional", "lines", "file"]
    found = documented(Odd(), *(("POST", f"/{name}", name) for name in actions))["paths"]
    unsaid = found["/unsaid"]["post"]
    assert {"200", "204", "413", "415"} <= set(unsaid["responses"])
    assert unsaid["requestBody"]["content"] == {"application/json": {"schema": {}}}
    assert unsaid["summary"] == "Has a body that is not declared."
    assert unsaid["description"] == "And goes on\nto say more."
    assert {"200", "204"} <= set(found["/optional"]["post"]["responses"])
    lines = found["/lines"]["post"]["responses"]
    assert "204" not in lines
    assert lines["200"]["content"] == {"application/jsonl": {}}
    assert found["/file"]["post"]["responses"]["200"]["content"] == {"*/*": {}}


def test_routes_of_one_path_are_one_operation() -> None:
    class Forms:
        @api.body(BOOK)
        def by_number(self, request: api.Request, id: str) -> dict[str, Any]:  # noqa: A002
            """Shows by number."""
            return {}

        @api.responds(202)
        def by_name(self, request: api.Request, name: str) -> dict[str, Any]:
            """Shows by name."""
            return {}

        def drop(self, request: api.Request, other: str) -> None: ...

    found = documented(
        Forms(),
        ("GET", "/x/{id:[0-9]+}", "by_number"),
        ("GET", "/x/{name:[a-z]+}", "by_name"),
        ("DELETE", "/x/{other}", "drop"),
    )["paths"]
    assert set(found) == {"/x/{id}"}
    shown = found["/x/{id}"]["get"]
    assert shown["summary"] == "Shows by number. Or: Shows by name."
    forms = parameters(shown)["id"]["schema"]["anyOf"]
    assert [form["pattern"] for form in forms] == ["^(?:[0-9]+)$", "^(?:[a-z]+)$"]
    assert {"200", "202", "413"} <= set(shown["responses"])
    assert not shown["requestBody"]["required"]
    assert list(parameters(found["/x/{id}"]["delete"])) == ["id"]


def test_sub_actions_are_told_one_by_one_and_answer_the_same_or_either() -> None:
    router = api.Router()
    router.sub_actions("/x", controller=Acting())
    app = api.API(router, enforcer=Yes(), described=api.Described("T"))
    found = Client(app).get("/openapi.json").json
    validate(found)
    operation = found["paths"]["/x"]["post"]
    forms = operation["requestBody"]["content"]["application/json"]["schema"]["oneOf"]
    assert forms[0]["description"] == "Does one thing.\n\nSlowly."
    assert "- `two`: Does two things." in operation["description"]
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema == {"anyOf": [{"$ref": "#/components/schemas/Book"}, NAME]}
    assert "403" in operation["responses"]


def test_a_service_adds_to_its_document() -> None:
    more = {
        "info": {"license": {"name": "MIT"}},
        "paths": {"/x": {"get": {"deprecated": True}}},
        "security": [{"token": []}],
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }
    found = documented(Odd(), ("GET", "/x", "nothing"), more=more)
    assert found["info"] == {"title": "T", "version": "1.0", "description": "", **more["info"]}  # type: ignore[dict-item]
    assert found["paths"]["/x"]["get"]["deprecated"]
    assert found["paths"]["/x"]["get"]["summary"] == "Says nothing."
    assert {"schemas", "headers", "securitySchemes"} == set(found["components"])


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"title": None}, "title is a str, not None"),
        ({"answers": {"503": "busy"}}, "an answer has a status of 200 to 599, not '503'"),
        ({"answers": {700: "odd"}}, "an answer has a status of 200 to 599, not 700"),
        ({"answers": {503: None}}, "the answer 503 needs a text, not None"),
        ({"more": {"info": float("nan")}}, "more is no JSON"),
        ({"more": []}, "more is a dict"),
    ],
)
def test_what_cannot_stand_in_a_document_fails_at_start(wrong: Any, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        api.Described(**{"title": "T", **wrong})
    assert str(caught.value).startswith(f"{__file__}:")
    assert complaint in str(caught.value)
    with pytest.raises(ConfigError, match=rf"{re.escape(__file__)}:\d+: an answer has"):
        api.answers(99, "odd")


def test_answers_have_their_headers(client: Client) -> None:
    operation = document(client)["paths"]["/things/{thing_id}"]["get"]
    assert operation["responses"].pop("414")["content"] == {"text/plain": {}}  # the server's own
    names = {status: set(one["headers"]) for status, one in operation["responses"].items()}
    always = {"X-OpenStack-Request-ID", "OpenStack-API-Version", "Vary"}
    assert names["200"] == {*always, "ETag"}
    assert names["304"] == {*always, "ETag"}
    assert names["412"] == always
    assert names["503"] == {*always, "Retry-After"}
    assert {"If-Match", "If-None-Match"} <= set(parameters(operation))


def test_paths_are_those_that_answer() -> None:
    class Formats:
        def show(self, request: api.Request, format: str = "") -> dict[str, Any]:  # noqa: A002
            return {}

    router = api.Router()
    router.connect("/l{.format}", controller=Formats(), action="show", methods=["GET"])
    router.connect("/any", controller=Odd(), action="nothing", methods=None)
    router.redirect("/old/{id}", "/x/{id}", _redirect_code="308 Permanent Redirect")
    client = Client(api.API(router, described=api.Described("T")))
    found = client.get("/openapi.json").json
    validate(found)
    paths = found["paths"]
    assert set(paths) == {"/l", "/l.{format}", "/any", "/old/{id}"}
    assert list(parameters(paths["/l"]["get"])) == []
    assert list(parameters(paths["/l.{format}"]["get"])) == ["format"]
    assert set(paths["/any"]) == {"get", "post", "put", "patch", "delete"}
    moved = paths["/old/{id}"]["get"]
    assert moved["summary"] == "Moved to /x/{id}."
    assert list(moved["responses"]) == ["308"]
    assert client.get("/old/1", status=308).headers["Location"] == "/x/1"


def test_of_two_contents_each_form_is_told_once_and_whole() -> None:
    number, text = {"type": "integer"}, {"type": "string"}
    choice = {"anyOf": [number, text]}
    whole = {"title": "not a choice alone", "anyOf": [number, text]}

    def joined(one: Any, other: Any) -> Any:
        return either_content({"a": {"schema": one}}, {"a": {"schema": other}})["a"]["schema"]

    assert joined(number, number) == number
    assert joined(choice, number) == choice
    assert joined(whole, number) == {"anyOf": [whole, number]}
