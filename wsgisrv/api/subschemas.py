"""Where a JSON Schema holds schemas, and where it holds data that only looks like one.

Rules: pure. What stands under any other keyword (const, enum, default, examples, x-says) is data, and is left
alone: ``{"const": {"type": "integer"}}`` has one schema, not two.

Source: JSON Schema 2020-12, core sections 8 and 10 to 11; ``definitions`` is the older name of ``$defs``,
which the meta-schema of 2020-12 still has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_ONE = frozenset(
    {
        "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not", "propertyNames",
        "then", "unevaluatedItems", "unevaluatedProperties",
    }
)  # fmt: skip
_LIST = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_MAP = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})


def rebuilt(schema: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    """Returns a schema in which ``change`` has had its way with every schema, inner ones first.

    Args:
        schema: is not changed itself; True and False, and what is no schema, are returned as they are.
        change: gets a copy of one schema, whose inner schemas are changed already, and returns what stands
            in its place.
    """
    if not isinstance(schema, Mapping):
        return schema
    return change({keyword: _value(keyword, value, change) for keyword, value in schema.items()})


def _value(keyword: str, value: Any, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Any:
    if keyword in _ONE:
        return rebuilt(value, change)
    if keyword in _LIST and isinstance(value, list | tuple):
        return [rebuilt(part, change) for part in value]
    if keyword in _MAP and isinstance(value, Mapping):
        return {name: rebuilt(part, change) for name, part in value.items()}
    return value
