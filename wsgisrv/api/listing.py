"""A collection as the OpenAPI document says it: its parameters and the page that it answers with."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

from wsgisrv.api.filters import Filter
from wsgisrv.api.pagination import Collection

_TYPES: Mapping[type, dict[str, Any]] = {
    str: {"type": "string", "minLength": 1},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    dt.datetime: {"type": "string", "format": "date-time"},
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
    yield _parameter(
        "marker", {"type": "string"}, f"The last item seen: {collection.marker_means}."
    )
    if collection.sort_keys:
        key = f"({'|'.join(collection.sort_keys)})(:(asc|desc))?"
        text = "Keys to sort by, separated by commas, each with :asc or :desc behind it."
        yield _parameter("sort", {"type": "string", "pattern": f"^{key}(,{key})*$"}, text)
    if collection.fields:
        name = f"({'|'.join(collection.fields)})"
        text = "Fields that are shown, separated by commas."
        yield _parameter("fields", {"type": "string", "pattern": f"^{name}(,{name})*$"}, text)
    if collection.counts:
        yield _parameter("with_count", {"type": "boolean"}, "Whether all items are counted.")
    if collection.links:
        text = "Whether the page before the marker is asked for."
        yield _parameter("page_reverse", {"type": "boolean"}, text)
    for name, declared in collection.filters.items():
        yield _parameter(name, _filter_schema(declared), _filter_text(declared))


def page_schema(collection: Collection) -> dict[str, Any]:
    """Returns the schema of a page."""
    item: Mapping[str, Any] = collection.item if collection.item is not None else {"type": "object"}
    if collection.fields:
        item = {key: part for key, part in item.items() if key != "required"}
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


def _filter_schema(declared: Filter) -> dict[str, Any]:
    if tuple(declared.operators) == ("eq",) or declared.kind is str:
        return dict(_TYPES[declared.kind])
    return {"anyOf": [dict(_TYPES[declared.kind]), {"type": "string"}]}


def _filter_text(declared: Filter) -> str:
    if tuple(declared.operators) == ("eq",):
        return "Only items that have this value."
    operators = ", ".join(f"{name}:" for name in declared.operators)
    return f"Only items with this value; or one of {operators} and what it is compared with."
