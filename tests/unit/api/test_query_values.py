"""A query's texts: which values they become, by which schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from wsgisrv import api
from wsgisrv.api.testing import Client

INTEGER = {"type": "integer"}
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "n": INTEGER,
        "any": True,
        "none": False,
        "nullable": {"type": ["null", "integer"]},
        "referred": {"$ref": "#/$defs/a~1b"},
        "either": {"anyOf": [INTEGER, {"type": "null"}]},
        "all": {"allOf": [{"type": "number"}, {"minimum": 1}]},
        "one": {"enum": [1, 2.5, "auto"]},
        "same": {"const": 7},
        "text": {"type": ["string", "integer"]},
        "ids": {"type": "array", "items": {"$ref": "#/$defs/a~1b"}},
        "names": {"type": "array", "items": {"type": "string"}},
        "some": {"anyOf": [INTEGER, {"type": "array", "items": INTEGER}]},
    },
    "patternProperties": {"^x[0-9]$": INTEGER, r"\p{Greek}": INTEGER},
    "additionalProperties": {"type": "boolean"},
    "allOf": [{"properties": {"deep": INTEGER}}],
    "unevaluatedProperties": True,
    "$defs": {"a/b": INTEGER},
}


class Things:
    @api.query(SCHEMA)
    def index(self, request: api.Request, query: Mapping[str, Any]) -> Any:
        return query

    @api.query({"type": "object", "minProperties": 1})
    def other(self, request: api.Request) -> Any:
        return {}


@pytest.fixture
def client() -> Client:
    router = api.Router()
    things = Things()
    router.connect("/", controller=things, action="index", methods=["GET"])
    router.connect("/other", controller=things, action="other", methods=["GET"])
    return Client(api.API(router))


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("n=-5", -5), ("any=5", "5"), ("nullable=5", 5), ("referred=5", 5), ("either=5", 5), ("all=5", 5.0),
        ("all=1.5e1", 15.0), ("one=1", 1), ("one=2.5", 2.5), ("one=auto", "auto"), ("same=7", 7),
        ("text=5", 5), ("text=a", "a"), ("ids=1,2", [1, 2]), ("ids=1", [1]), ("ids=1&ids=2,3", [1, 2, 3]),
        ("names=a,5", ["a", "5"]), ("names=", [""]), ("some=1", 1), ("some=1,2", [1, 2]), ("x1=5", 5),
        ("flag=TRUE", True), ("flag=false", False),
    ],
)  # fmt: skip
def test_a_text_becomes_what_the_schema_takes(client: Client, query: str, value: Any) -> None:
    assert client.get(f"/?{query}").json == {query.partition("=")[0]: value}


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("n=007", "?n: has to be a whole number"),
        ("n=", "?n: has to be a whole number"),
        ("n=1.0", "?n: has to be a whole number"),
        ("none=1", "?none: is not allowed"),
        ("nullable=null", "?nullable: has to be a whole number or null"),
        ("one=3", "?one: has to be one of 1, 2.5, auto"),
        ("ids=1,a", "?ids/1: has to be a whole number"),
        ("ids=", "?ids/0: has to be a whole number"),
        ("some=a", "?some: has to be a whole number or a list"),
        ("flag=1", "?flag: has to be true or false"),
        ("n=1&n=2", "the query has 'n' twice"),
    ],
)
def test_a_text_that_is_no_such_value_is_refused_by_name(
    client: Client, query: str, problem: str
) -> None:
    assert client.errors(client.get(f"/?{query}", status=400)) == [problem]


def test_a_query_as_a_whole_is_no_parameter(client: Client) -> None:
    problem = {"Accept": "application/problem+json"}
    refused = client.get("/other", status=400, headers=problem).json
    assert refused["detail"] == "the query: has to have at least 1 member"
    assert refused["errors"] == [{"detail": "has to have at least 1 member"}]


def test_a_query_of_a_schema_without_numbers_stays_as_it_is(client: Client) -> None:
    assert client.get("/other?a=5").json == {}


def asked(schema: dict[str, Any], query: str, status: int = 200) -> Any:
    class Asked:
        @api.query({"type": "object", **schema})
        def index(self, request: api.Request, query: Mapping[str, Any]) -> Any:
            return query

    router = api.Router()
    router.connect("/", controller=Asked(), action="index", methods=["GET"])
    answer = Client(api.API(router)).get(f"/?{query}", status=status)
    return answer.json if status == 200 else Client.errors(answer)


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"n": {"$ref": "#num"}}, "$defs": {"x": {"$anchor": "num", **INTEGER}}},
        {"properties": {"n": {"$ref": "num"}}, "$defs": {"x": {"$id": "num", **INTEGER}}},
        {"$id": "http://x.example/s", "properties": {"n": {"$ref": "http://x.example/s#/$defs/x"}},
         "$defs": {"x": INTEGER}},
        {"properties": {"n": {"$dynamicRef": "#num"}}, "$defs": {"x": {"$dynamicAnchor": "num", **INTEGER}}},
        {"unevaluatedProperties": INTEGER},
        {"patternProperties": {"n": {"type": ["integer", "null"]}, "^n$": INTEGER}},
    ],
)  # fmt: skip
def test_a_query_is_read_by_whatever_its_schema_refers_to(schema: dict[str, Any]) -> None:
    assert asked(schema, "n=5") == {"n": 5}


@pytest.mark.parametrize("inner", [{"contains": INTEGER}, {"prefixItems": [INTEGER]}])
def test_a_list_is_read_by_whatever_says_what_is_in_it(inner: dict[str, Any]) -> None:
    assert asked({"properties": {"n": {"type": "array", **inner}}}, "n=5") == {"n": [5]}


def test_numbers_are_read_as_in_a_body() -> None:
    number = {"properties": {"i": INTEGER, "n": {"type": "number"}}}
    assert asked(number, "i=18446744073709551615") == {"i": 18446744073709551615}
    assert asked(number, "n=1e100") == {"n": 1e100}
    assert asked(number, "n=0.1000000000000000055511151231257827") == {"n": 0.1}
    assert asked(number, "n=1e999", 400) == ["?n: has to be a number"]


def test_only_an_ampersand_separates() -> None:
    assert asked({}, "s=a;b=1&t=%C3%A9") == {"s": "a;b=1", "t": "é"}
    request = api.Request.blank("/?s=a;b=1&t=%C3%A9&t=2")
    assert request.params.mixed() == {"s": "a;b=1", "t": ["é", "2"]}
    request.GET["t"] = "3"
    assert request.query_string == "s=a%3Bb%3D1&t=3"
    assert request.query == {"s": "a;b=1", "t": "3"}
