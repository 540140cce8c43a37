"""A collection in the OpenAPI document, and a list's answer held against it."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import uuid
from typing import Any

import pytest
from openapi_spec_validator import validate

from wsgisrv import api
from wsgisrv.api.filters import OPERATORS
from wsgisrv.api.testing import Client
from wsgisrv.errors import ConfigError


class State(enum.Enum):
    NEW = "new"
    OLD = "old"


class Level(enum.Enum):
    LOW = 1
    HIGH = 2


NAMED = {
    "type": "object",
    "required": ["id", "name"],
    "properties": {"id": {"type": "integer"}, "name": {"$ref": "#/$defs/name"}},
    "$defs": {"name": {"type": "string"}},
}
THINGS = api.Collection(
    "things",
    item=NAMED,
    sort_keys=("name", "size"),
    fields=("id", "name"),
    filters={
        "name": api.Filter(),
        "size": api.Filter(int, ("eq", "gt")),
        "price": api.Filter(decimal.Decimal),
        "weight": api.Filter(float, nullable=True),
        "state": api.Filter(State),
        "level": api.Filter(Level),
        "owner": api.Filter(uuid.UUID),
        "day": api.Filter(dt.date),
        "note": api.Filter(str, OPERATORS, nullable=True),
    },
)


class Things:
    def __init__(self, items: Any) -> None:
        self.items = items

    @api.lists(THINGS)
    def index(self, request: api.Request, page: api.Page) -> Any:
        return page.document(request, self.items)


class Other(Things):
    @api.lists(THINGS)
    @api.returns({"type": "object", "required": ["other"]})
    def index(self, request: api.Request, page: api.Page) -> Any:
        return self.items


def make(controller: Any, **more: Any) -> Client:
    router = api.Router()
    router.connect("/things", controller=controller, action="index", methods=["GET"])
    return Client(api.API(router, described=api.Described("things"), **more))


def operation(client: Client) -> Any:
    document = client.get("/openapi.json").json
    validate(document)
    return document["paths"]["/things"]["get"]


def parameters(client: Client) -> dict[str, Any]:
    return {one["name"]: one for one in operation(client)["parameters"]}


def test_the_document_says_all_that_holds_of_the_parameters() -> None:
    found = parameters(make(Things([])))
    assert found["marker"]["schema"] == {"type": "string", "minLength": 1, "maxLength": 255}
    sort, fields = found["sort"], found["fields"]
    for listed in (sort, fields):
        assert (listed["style"], listed["explode"]) == ("form", False)
        assert (listed["schema"]["minItems"], listed["schema"]["uniqueItems"]) == (1, True)
    assert sort["schema"]["maxItems"] == 5
    assert sort["schema"]["items"]["enum"] == [
        "name", "name:asc", "name:desc", "size", "size:asc", "size:desc",
    ]  # fmt: skip
    assert fields["schema"]["items"]["enum"] == ["id", "name"]


def test_a_filter_is_an_array_of_values_of_its_kind() -> None:
    found = parameters(make(Things([])))
    assert found["name"]["schema"]["type"] == "array"
    assert (found["name"]["style"], found["name"]["explode"]) == ("form", True)
    assert {name: found[name]["schema"]["items"] for name in THINGS.filters} == {
        "name": {"type": "string", "minLength": 1, "maxLength": 255},
        "size": {"anyOf": [{"type": "integer", "format": "int64"}, {"type": "string"}]},
        "price": {"type": "number", "format": "decimal"},
        "weight": {"anyOf": [{"type": "number", "format": "double"}, {"enum": ["null"]}]},
        "state": {"type": "string", "enum": ["new", "old"]},
        "level": {"type": "integer", "enum": [1, 2]},
        "owner": {"type": "string", "format": "uuid"},
        "day": {"type": "string", "format": "date"},
        "note": {"type": "string"},
    }
    for said in ("in:", '"a,b"', "null for items that have none", "null is another value"):
        assert said in found["note"]["description"]
        assert said not in found["name"]["description"]


GOOD, BAD = {"id": 1, "name": "a"}, {"id": "1"}


def test_a_page_is_held_against_the_schema_of_its_items(caplog: pytest.LogCaptureFixture) -> None:
    client = make(Things([GOOD, BAD]))
    assert client.get("/things").json == {"things": [GOOD, BAD]}
    assert "the result of Things.index: /things/1/name: is required; /things/1/id: " in caplog.text
    make(Things([GOOD, BAD]), result_errors="fail").get("/things", status=500)
    make(Things([GOOD, BAD]), result_errors="ignore").get("/things", status=200)
    make(Things([GOOD]), result_errors="fail").get("/things", status=200)


def test_fields_that_are_not_asked_for_are_not_missing() -> None:
    client = make(Things([GOOD]), result_errors="fail")
    assert client.get("/things?fields=id").json == {"things": [{"id": 1}]}


def test_what_an_action_returns_may_be_declared_otherwise() -> None:
    client = make(Other({"other": 1}), result_errors="fail")
    assert client.get("/things").json == {"other": 1}
    content = operation(client)["responses"]["200"]["content"]["application/json"]
    assert content["schema"] == {"type": "object", "required": ["other"]}
    make(Other({}), result_errors="fail").get("/things", status=500)


def test_an_item_that_is_no_schema_fails_at_start_where_its_collection_is_made() -> None:
    wrong = api.Collection("wrong", item={"type": "thing"})
    line = test_an_item_that_is_no_schema_fails_at_start_where_its_collection_is_made.__code__

    class Wrong:
        @api.lists(wrong)
        def index(self, request: api.Request, page: api.Page) -> None: ...

    with pytest.raises(ConfigError) as caught:
        make(Wrong())
    assert str(caught.value).startswith(f"{__file__}:{line.co_firstlineno + 1}: no JSON Schema")


def test_an_item_may_refer_to_itself() -> None:
    tree = {
        "type": "object",
        "required": ["id"],
        "properties": {
            "id": {"$ref": "#/$defs/number"},
            "kids": {"type": "array", "items": {"$ref": "#"}},
            "twin": {"$ref": "#/properties/id"},
        },
        "$defs": {"number": {"type": "integer"}},
        "additionalProperties": False,
    }
    named = {"$id": "http://x.example/item", "$defs": tree["$defs"], "$ref": "#/$defs/number"}
    trees = api.Collection("trees", item=tree, fields=("id", "kids"))
    numbers = api.Collection(
        "numbers", item={"allOf": [{"required": ["n"]}], "properties": {"n": named}}
    )
    item: dict[str, Any] = {"id": 1, "kids": [{"id": 2, "twin": 3}]}

    class Trees:
        @api.lists(trees)
        def index(self, request: api.Request, page: api.Page) -> Any:
            return page.document(request, [item])

        @api.lists(numbers)
        def numbered(self, request: api.Request, page: api.Page) -> Any:
            return page.document(request, [{"n": item["id"]}])

    router = api.Router()
    for name in ("index", "numbered"):
        router.connect(f"/{name}", controller=Trees(), action=name, methods=["GET"])
    client = Client(api.API(router, result_errors="fail", described=api.Described("T")))
    assert client.get("/index").json == {"trees": [item]}
    assert client.get("/index?fields=kids").json == {"trees": [{"kids": item["kids"]}]}
    client.get("/numbered")
    validate(client.get("/openapi.json").json)
    item["kids"][0]["twin"] = "3"
    client.get("/index", status=500)
