"""A collection as the OpenAPI document says it: its parameters and the page that it answers with."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from wsgisrv.api.filters import LONGEST_VALUE, MOST_CONDITIONS, Filter
from wsgisrv.api.pagination import MOST_SORT_KEYS, Collection

_TYPES: Mapping[type, dict[str, Any]] = {
    str: {"type": "string", "minLength": 1, "maxLength": LONGEST_VALUE},
    int: {"type": "integer", "format": "int64"},
    float: {"type": "number", "format": "double"},
    decimal.Decimal: {"type": "number", "format": "decimal"},
    bool: {"type": "boolean"},
    dt.datetime: {"type": "string", "format": "date-time"},
    dt.date: {"type": "string", "format": "date"},
    uuid.UUID: {"type": "string", "format": "uuid"},
}


def page_parameters(collection: Collection) -> Iterator[dict[str, Any]]:
    """Yields the parameters of a list."""
    limit = {
        "type": "integer",
        "minimum": 1,
        "maximum": collection.most_limit,
        "default": collection.default_limit,
    }
    yield _parameter("limit", limit, "Most items of the page.")
    marker = {"type": "string", "minLength": 1, "maxLength": LONGEST_VALUE}
    yield _parameter("marker", marker, f"The last item seen: {collection.marker_means}.")
    if collection.sort_keys:
        keys = [f"{key}{way}" for key in collection.sort_keys for way in ("", ":asc", ":desc")]
        text = "Keys to sort by, separated by commas, each with :asc or :desc behind it."
        yield _list_parameter("sort", keys, text, most=MOST_SORT_KEYS)
    if collection.fields:
        text = "Fields that are shown, separated by commas."
        yield _list_parameter("fields", collection.fields, text, most=len(collection.fields))
    if collection.counts:
        yield _parameter("with_count", {"type": "boolean"}, "Whether all items are counted.")
    if collection.links:
        text = "Whether the page before the marker is asked for."
        yield _parameter("page_reverse", {"type": "boolean"}, text)
    for name, declared in collection.filters.items():
        values = {"type": "array", "items": _value_schema(declared), "maxItems": MOST_CONDITIONS}
        parameter = _parameter(name, values, _filter_text(declared))
        yield {**parameter, "style": "form", "explode": True}


def item_schema(collection: Collection) -> Mapping[str, Any]:
    """Returns the schema of an item as a schema of its own, whose references lead to places within it."""
    item = collection.item if collection.item is not None else {"type": "object"}
    return item if "$id" in item else {"$id": "urn:wsgisrv:item", **item}


def some_fields_schema(collection: Collection) -> Mapping[str, Any]:
    """Returns the schema of an item of which a client may have asked for some fields alone."""
    item = collection.item if collection.item is not None else {"type": "object"}
    return {key: part for key, part in item.items() if key != "required" or not collection.fields}


def page_schema(collection: Collection, item: Any) -> dict[str, Any]:
    """Returns the schema of a page.

    Args:
        item: the schema of an item, or a reference to it.
    """
    link = {
        "type": "object",
        "required": ["rel", "href"],
        "properties": {"rel": {"enum": ["first", "prev", "next"]}, "href": {"type": "string"}},
    }
    properties: dict[str, Any] = {
        collection.key: {"type": "array", "items": item},
        "links": {"type": "array", "items": link},
    }
    if collection.counts:
        properties["count"] = {"type": "integer", "minimum": 0}
    return {
        "type": "object",
        "required": [collection.key],
        "properties": properties,
        "additionalProperties": False,
    }


def _parameter(name: str, schema: dict[str, Any], text: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": text}


def _list_parameter(name: str, values: Sequence[str], text: str, most: int) -> dict[str, Any]:
    """Returns a parameter whose values are separated by commas."""
    schema = {
        "type": "array",
        "items": {"type": "string", "enum": [*values]},
        "minItems": 1,
        "maxItems": most,
        "uniqueItems": True,
    }
    return {**_parameter(name, schema, text), "style": "form", "explode": False}


def _value_schema(declared: Filter) -> dict[str, Any]:
    kind = declared.kind
    value = _enum_schema(kind) if issubclass(kind, enum.Enum) else dict(_TYPES[kind])
    if not declared.is_plain:
        return {"type": "string"} if kind is str else {"anyOf": [value, {"type": "string"}]}
    if declared.nullable and kind is not str:
        return {"anyOf": [value, {"enum": ["null"]}]}
    return value


def _enum_schema(kind: type[enum.Enum]) -> dict[str, Any]:
    values = [member.value for member in kind]
    if all(type(value) is int for value in values):
        return {"type": "integer", "enum": values}
    return {"type": "string", "enum": [str(value) for value in values]}


def _filter_text(declared: Filter) -> str:
    text = "Only items that have this value"
    if not declared.is_plain:
        operators = ", ".join(f"{name}:" for name in declared.operators)
        text = f"Only items with this value; or one of {operators} and what it is compared with"
    if {"in", "nin"} & set(declared.operators):
        text += ', values separated by commas, in double quotes where they have commas: "a,b"'
    if declared.nullable:
        text += '; null for items that have none, and "null" for the text'
    if {"neq", "nin"} & set(declared.operators):
        text += "; null is another value than any that is given"
    return f"{text}. Of several all have to hold."
