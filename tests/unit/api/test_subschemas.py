"""The walk through the schemas of a schema."""

from __future__ import annotations

from typing import Any

import pytest

from wsgisrv.api.subschemas import rebuilt


def marked(schema: Any) -> Any:
    return rebuilt(schema, lambda one: {**one, "mark": True})


@pytest.mark.parametrize(
    "keyword",
    ["additionalProperties", "contains", "contentSchema", "else", "if", "items", "not", "propertyNames",
     "then", "unevaluatedItems", "unevaluatedProperties"],
)  # fmt: skip
def test_a_schema_under_a_keyword_is_changed(keyword: str) -> None:
    assert marked({keyword: {"a": 1}}) == {keyword: {"a": 1, "mark": True}, "mark": True}
    assert marked({keyword: False}) == {keyword: False, "mark": True}


@pytest.mark.parametrize("keyword", ["allOf", "anyOf", "oneOf", "prefixItems"])
def test_schemas_in_a_list_are_changed(keyword: str) -> None:
    assert marked({keyword: ({}, True)}) == {keyword: [{"mark": True}, True], "mark": True}


@pytest.mark.parametrize(
    "keyword", ["$defs", "definitions", "dependentSchemas", "patternProperties", "properties"]
)
def test_schemas_by_name_are_changed_whatever_the_name(keyword: str) -> None:
    assert marked({keyword: {"const": {}}}) == {keyword: {"const": {"mark": True}}, "mark": True}


@pytest.mark.parametrize("keyword", ["const", "enum", "default", "examples", "x-says", "required"])
def test_data_is_left_alone(keyword: str) -> None:
    data = [{"properties": {"a": {"type": "integer"}}}]
    assert marked({keyword: data})[keyword] is data


def test_the_schema_itself_stays_as_it_was() -> None:
    schema: Any = {"properties": {"a": {"items": {}}}}
    assert rebuilt(schema, lambda one: {"n": len(one)}) == {"n": 1}
    assert schema == {"properties": {"a": {"items": {}}}}
