"""Where a JSON Schema has schemas within it, so that what is data is never taken for one.

Rules: pure. ``{"const": {"type": "integer"}}`` holds one schema, the whole, and a property may be called
``$ref``: only the keywords below lead to further schemas.

Source: JSON Schema 2020-12, Core (sections 8 and 10) and Validation (appendix A: ``definitions``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

_SINGLE = frozenset({
    "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not", "propertyNames",
    "then", "unevaluatedItems", "unevaluatedProperties",
})  # fmt: skip
_LISTS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_MAPS = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})


def rebuilt(schema: Any, change: Callable[[dict[str, Any]], Any]) -> Any:
    """Returns a copy in which each schema, the inner ones first, is what ``change`` makes of it.

    Args:
        schema: a mapping or a boolean.
        change: gets a copy of its own, and what it returns stands in its place. Booleans are left alone.
    """
    if not isinstance(schema, Mapping):
        return schema
    made = dict(schema)
    for keyword, value in schema.items():
        if keyword in _SINGLE:
            made[keyword] = rebuilt(value, change)
        elif keyword in _LISTS and isinstance(value, list | tuple):
            made[keyword] = [rebuilt(part, change) for part in value]
        elif keyword in _MAPS and isinstance(value, Mapping):
            made[keyword] = {name: rebuilt(part, change) for name, part in value.items()}
    return change(made)
