"""What is said of a value that breaks its schema: every field, in words, and never too much of it."""

from __future__ import annotations

import decimal
import json
import time
from collections.abc import Mapping
from typing import Any

import pytest

from wsgisrv.api.schema import Check
from wsgisrv.errors import ConfigError


def problems(schema: Mapping[str, Any], value: Any, within: str = "") -> dict[str, Any]:
    check = Check(schema, "file:1", {})
    found = check.problems(value, within)
    assert check.fits(value) is not bool(found)
    return found


# The words

TEXT = {"type": "string", "minLength": 2}
CARD = {"type": "object", "properties": {"kind": {"const": "card"}, "number": TEXT}}
IBAN = {"type": "object", "properties": {"kind": {"const": "iban"}, "iban": TEXT}}


@pytest.mark.parametrize(
    ("schema", "value", "said"),
    [
        ({"const": True}, 1, {"": "has to be true"}),
        ({"enum": [None, {"a": 1}, "x"]}, 1, {"": 'has to be one of null, {"a": 1}, x'}),
        ({"properties": {"a": False}}, {"a": 1}, {"/a": "is not allowed"}),
        ({"additionalProperties": False}, {"a": 1}, {"": "may have no members"}),
        ({"propertyNames": {"maxLength": 2}}, {"abc": 1},
         {"/abc": "as a name has to have at most 2 characters"}),
        ({"contains": {"type": "null"}}, [1],
         {"": "has to have at least 1 of the items that it has to have"}),
        ({"contains": {"type": "null"}, "maxContains": 1}, [None, None],
         {"": "has to have at most 1 of the items that it has to have"}),
        ({"prefixItems": [{}], "unevaluatedItems": False}, [1, 2], {"": "has items that are not allowed"}),
        ({"required": ["a"], "x-says": {"required": "is what it is about"}}, {},
         {"/a": "is what it is about"}),
        ({"type": ["null", "integer"]}, "x", {"": "has to be a whole number or null"}),
    ],
)  # fmt: skip
def test_what_would_be_right_is_said_as_json_writes_it(
    schema: Mapping[str, Any], value: Any, said: dict[str, str]
) -> None:
    assert problems(schema, value) == said


@pytest.mark.parametrize(
    ("forms", "value", "said"),
    [
        ([{"type": "integer"}, {"type": "null"}], "x", {"": "has to be a whole number or null"}),
        ([{"type": "integer"}, {"type": "null"}], 1.0, {"": "has to be a whole number or null"}),
        ([TEXT, {"type": "null"}], "x", {"": "has to have at least 2 characters"}),
        ([{"type": "object", "required": ["a"]}, {"type": "null"}], {}, {"/a": "is required"}),
        ([{"const": "a"}, {"enum": ["b", "c"]}], "x", {"": "has to be one of a, b, c"}),
        ([CARD, IBAN], {"kind": "iban", "iban": "x"}, {"/iban": "has to have at least 2 characters"}),
        ([CARD, IBAN], {"kind": "cash"}, {"/kind": "has to be one of card, iban"}),
        ([{"required": ["a"]}, {"required": ["b"]}], {}, {"": "has to have a or b"}),
        ([{"required": ["a"], "properties": {"c": TEXT}}, {"required": ["b"], "properties": {"c": TEXT}}],
         {"c": 1}, {"/c": "has to be a string"}),
        ([{"minimum": 5}, {"multipleOf": 2}], 1, {"": "is in none of the forms that it may have"}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("keyword", ["anyOf", "oneOf"])
def test_of_several_forms_the_one_that_is_meant_is_explained(
    keyword: str, forms: list[Any], value: Any, said: dict[str, str]
) -> None:
    schema = {"properties": {"in": {keyword: forms}}}
    assert problems(schema, {"in": value}) == {f"/in{field}": text for field, text in said.items()}


def test_a_value_of_several_forms_that_may_have_one_is_told() -> None:
    schema = {"oneOf": [{"type": "integer"}, {"minimum": 3}]}
    assert problems(schema, 5) == {"": "is in several of the forms of which it may have one"}


LIMITED = {
    "type": "object",
    "properties": {
        "long": {"maxLength": 2},
        "small": {"minimum": 1},
        "more": {"exclusiveMinimum": 3},
        "form": {"format": "uuid"},
        "said": {"pattern": "a", "x-says": {"pattern": "has to have an a"}},
        "one": {"enum": [1]},
    },
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    "schema",
    [
        {"properties": {"in": {"$ref": "#/$defs/t"}}, "$defs": {"t": LIMITED}},
        {"properties": {"in": {"$ref": "#t"}}, "$defs": {"t": {"$anchor": "t", **LIMITED}}},
        {"$id": "http://example.com/s", "properties": {"in": {"$ref": "/t"}},
         "$defs": {"t": {"$id": "/t", **LIMITED}}},
        {"$id": "http://example.com/s", "properties": {"in": {"$ref": "#/$defs/t"}}, "$defs": {"t": LIMITED}},
        {**LIMITED, "$dynamicAnchor": "t",
         "properties": {**LIMITED["properties"], "in": {"$dynamicRef": "#t"}}},  # type: ignore[dict-item]
    ],
)  # fmt: skip
def test_what_a_reference_leads_to_is_explained_as_if_it_stood_there(
    schema: Mapping[str, Any],
) -> None:
    value = {"long": "abc", "small": 0, "more": 3, "form": "x", "said": "b", "one": 2, "other": 1}
    said = problems(schema, {"in": value})
    assert said.pop("/in/other").startswith("is not known; there are long, small, more")
    assert said == {
        "/in/long": "has to have at most 2 characters",
        "/in/small": "has to be at least 1",
        "/in/more": "has to be more than 3",
        "/in/form": "is no uuid",
        "/in/said": "has to have an a",
        "/in/one": "has to be one of 1",
    }


# Data that looks like a schema


@pytest.mark.parametrize("data", [{"type": "integer"}, {"x-says": {"type": "a"}}])
def test_data_in_a_schema_is_data(data: Any) -> None:
    for schema in ({"const": data}, {"enum": [data]}, {"default": data}):
        assert problems({"properties": {"a": schema}}, {"a": data}) == {}


def test_a_property_may_have_the_name_of_a_keyword() -> None:
    schema = {"properties": {"x-says": {"type": "integer"}, "type": {"type": "string"}}}
    assert problems(schema, {"x-says": 1.0, "type": 1}) == {
        "/x-says": "has to be a whole number",
        "/type": "has to be a string",
    }


# Schemas that are none


def its_own_part() -> dict[str, Any]:
    schema: dict[str, Any] = {}
    schema["properties"] = {"a": schema}
    return schema


@pytest.mark.parametrize(
    ("schema", "problem"),
    [
        ({"const": float("nan")}, "/const: nan is no JSON value"),
        ({"minimum": decimal.Decimal("1.5")}, "/minimum: Decimal is no JSON value"),
        ({"enum": [{1}]}, "/enum/0: set is no JSON value"),
        ({"const": {"a": b"x"}}, "/const/a: bytes is no JSON value"),
        ({"properties": {1: {}}}, "/properties: has a key that is int, not a text"),
        (its_own_part(), "it holds itself"),
        ({"format": "isbnn"}, "/format: Unknown format: 'isbnn'"),
        ({"x-says": "no"}, "x-says is a dict of texts by keyword"),
    ],
)
def test_a_schema_that_json_cannot_say_fails_at_start(schema: Any, problem: str) -> None:
    with pytest.raises(ConfigError, match=r"^file:1: no JSON Schema: ") as caught:
        Check(schema, "file:1", {})
    assert str(caught.value).endswith(problem)


# Bounds


PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name"],
    "additionalProperties": False,
}
PEOPLE = {"type": "object", "properties": {"people": {"type": "array", "items": PERSON}}}


def test_several_wrong_items_of_a_long_list_are_named() -> None:
    people: list[Any] = [{"name": "x", "age": 1}] * 100
    people[3], people[70], people[90] = {"age": 1}, {"name": 1}, {"name": "x", "agee": 1}
    assert problems(PEOPLE, {"people": people}) == {
        "/people/3/name": "is required",
        "/people/70/name": "has to be a string",
        "/people/90/agee": "is not known; there are name, age",
    }


def test_the_last_of_very_many_items_is_found() -> None:
    people: list[Any] = [{"name": "x", "age": 1}] * 50_000
    people.append({"name": 1})
    assert problems(PEOPLE, {"people": people}) == {"/people/50000/name": "has to be a string"}
    assert problems({"items": {"anyOf": [PERSON, {"type": "null"}]}}, people) == {
        "/50000": "is in none of the forms that it may have"
    }


@pytest.mark.parametrize(
    "schema",
    [
        {"minItems": 900_000},
        {"maxItems": 10},
        {"contains": {"const": 2}},
        {"if": {"maxItems": 1000}, "then": {"items": {"type": "string"}}, "else": {"maxItems": 5}},
        {"not": {"minItems": 3000}},
        {"oneOf": [{"minItems": 3000}, {"minItems": 4000}]},
    ],
)
def test_of_a_value_that_is_looked_at_in_part_nothing_is_said_that_is_untrue(
    schema: Mapping[str, Any],
) -> None:
    whole, part = [1] * 5000, [1] * 20
    assert list(problems(schema, whole)) == [""]
    long = {"fields": {f"f{number}": 1 for number in range(5000)}, "list": whole, "part": part}
    fields = {
        "properties": {"fields": {"required": ["f4999"], "minProperties": 4999}, "list": schema},
        "required": ["part"],
    }
    assert list(problems(fields, long)) == ["/list"]


def test_there_are_fifty_problems_at_most_and_each_is_short() -> None:
    value = {f"{number:010}{'k' * 190}": 1 for number in range(1000)}
    many: dict[str, Any] = {f"known{number}": {} for number in range(1000)}
    found = problems({"properties": many, "additionalProperties": False}, value)
    assert 20 < len(found) <= 50
    assert all(len(pointer) <= 201 and len(text) <= 200 for pointer, text in found.items())
    assert all(text.endswith("...") for text in found.values())
    assert len(json.dumps(found)) < 12_000


def test_a_long_name_is_said_in_short() -> None:
    ((pointer, text),) = problems(PERSON, {"name": "x", "k" * 1_000_000: 1}).items()
    assert pointer == f"/{'k' * 197}..."
    assert text == "is not known; there are name, age"


def test_texts_at_one_place_stay_short_together() -> None:
    schema = {"allOf": [{"pattern": f"{letter}{'x' * 100}"} for letter in "abcdef"]}
    (text,) = problems(schema, "").values()
    assert text.startswith("has to match axxx")
    assert len(text) == 200


def test_a_reference_into_a_form_may_leave_a_large_value_unexplained() -> None:
    schema: Any = {
        "properties": {"a": {"anyOf": [{"type": "integer"}, {"items": {}}]}},
        "additionalProperties": {"items": {"$ref": "#/properties/a/anyOf/0"}},
    }
    check = Check(schema, "file:1", {})
    value = {"b": [1] * 5000 + ["x"]}
    assert not check.is_valid(value)
    assert check.problems(value) == {}
    schema["properties"]["a"]["anyOf"][1] = {"type": "null"}  # which says nothing of members
    assert Check(schema, "file:1", {}).problems(value) == {"/b/5000": "has to be a whole number"}


def test_names_of_digits_and_empty_ones_are_named_as_they_are() -> None:
    schema = {
        "type": "object",
        "properties": {
            "": {"type": "object", "additionalProperties": {"type": "integer"}},
            "5": {"minimum": 1, "maximum": 3, "x-says": {"maximum": "is more than there are"}},
            "ids": {"type": "object", "additionalProperties": {"type": "integer"}},
            "form": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        },
    }
    check = Check(schema, "here", {})
    assert check.problems({"": {"a": "x"}}) == {"//a": "has to be a whole number"}
    assert check.problems({"": "x"}) == {"/": "has to be an object"}
    assert check.problems({"5": 7}) == {"/5": "is more than there are"}
    assert check.problems({"ids": {"01": "x"}}) == {"/ids/01": "has to be a whole number"}
    for size in (110, 3000):
        ids = {str(number): 1 for number in range(size)}
        assert check.problems({"ids": ids | {"7": "x"}}) == {"/ids/7": "has to be a whole number"}
        assert list(check.problems({"": ids | {"007": "x"}})) in (["//007"], ["//7"])


def test_forms_that_say_nothing_of_members_hide_no_other_field() -> None:
    thing = {
        "type": "object",
        "properties": {
            "name": {"type": "string"},
            "size": {"type": "integer"},
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
    }
    check = Check({"type": "array", "items": thing}, "here", {})
    good, bad = {"name": "a", "size": 1, "note": None}, {"name": 1, "size": "a", "note": 1}
    assert len(check.problems([good] * 30 + [bad] * 4)) == 12
    deep = {"type": "array", "items": {"anyOf": [thing, {"type": "null"}]}}
    assert check_cost(Check(deep, "here", {}), [bad] * 50_000) < 1
    assert check_cost(Check({"type": "array", "items": thing}, "here", {}), [bad] * 50_000) < 1


def check_cost(check: Check, value: Any) -> float:
    """Returns the seconds of CPU for the problems, of which there are some."""
    before = time.process_time()
    assert check.problems(value)
    return time.process_time() - before
