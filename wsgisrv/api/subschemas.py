"""Where a JSON Schema holds schemas, and where it holds data that only looks like one.

Rules: pure. What stands under any other keyword (const, enum, default, examples, x-says) is data, and is left
alone: ``{"const": {"type": "integer"}}`` has one schema, not two.

Source: JSON Schema 2020-12, core sections 8 and 10 to 11; ``definitions`` is the older name of ``$defs``,
which the meta-schema of 2020-12 still has. RFC 6901 for the pointers of ``$ref``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

_ONE = frozenset(
    {
        "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not", "propertyNames",
        "then", "unevaluatedItems", "unevaluatedProperties",
    }
)  # fmt: skip
_LIST = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_MAP = frozenset({"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"})
_REFERENCES = frozenset({"$ref", "$dynamicRef"})
_IN_PLACE = frozenset({"allOf", "anyOf", "dependentSchemas", "else", "oneOf", "then"})


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


def inner(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yields the schemas that stand directly in one; True and False are left out."""
    for keyword, value in schema.items():
        for part in _parts(keyword, value):
            if isinstance(part, Mapping):
                yield part


def in_place(schema: Any, root: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yields a schema and those that it applies to the same value, each once.

    Args:
        root: in which references are looked up.
    """
    waiting, seen = [schema], set()
    while waiting:
        one = waiting.pop(0)
        if not isinstance(one, Mapping) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        waiting += [part for word in _IN_PLACE & one.keys() for part in _parts(word, one[word])]
        waiting += [referred(root, one[word]) for word in _REFERENCES & one.keys()]


def _parts(keyword: str, value: Any) -> Iterator[Any]:
    if keyword in _ONE:
        yield value
    elif keyword in _LIST and isinstance(value, list | tuple):
        yield from value
    elif keyword in _MAP and isinstance(value, Mapping):
        yield from value.values()


def every(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yields a schema and all that are within it; True and False are left out."""
    yield schema
    for part in inner(schema):
        yield from every(part)


def referred(root: Mapping[str, Any], reference: Any) -> Any:
    """Returns what a reference leads to within the root, or None."""
    uri, _, fragment = unquote(str(reference)).partition("#")
    start: Any = root
    if uri:
        named = (one for one in every(root) if _ends_alike(one.get("$id"), uri))
        start = next(named, None)
    if fragment and not fragment.startswith("/"):
        anchors = ("$anchor", "$dynamicAnchor")
        within = every(start) if isinstance(start, Mapping) else ()
        return next((one for one in within if fragment in map(one.get, anchors)), None)
    found = start
    for step in fragment.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, list | tuple) and name.isdecimal() and int(name) < len(found):
            found = found[int(name)]
        else:
            found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _ends_alike(identity: Any, uri: str) -> bool:
    """Whether a schema's ``$id`` is a URI, or what it is relative to is left open."""
    known = str(identity or "").removesuffix("#")
    return bool(known) and (known == uri or known.endswith(f"/{uri}") or uri.endswith(f"/{known}"))
