"""The schemas of an OpenAPI document: those that stand where they are used, and those that have a name.

Rules: pure. A declared schema is copied into the document without what is ours alone. One whose ``title`` is
a name (``Book``) gets that name among the components, so that a generated client has a model of it; so does
one that refers to a place within itself, which would be another place in the document.

Source: OpenAPI 3.1, Reference Object; JSON Schema 2020-12, Core, 8.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote

from wsgisrv.api.subschemas import rebuilt, referred

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
_SCHEMAS = "#/components/schemas/"


class Components:
    """Args:
    schemas: that are there before any is placed, by name.
    """

    def __init__(self, schemas: Mapping[str, Any]) -> None:
        self.schemas: dict[str, Any] = dict(schemas)
        self._referring: dict[str, Any] = {}  # schemas as they were declared, by name

    def placed(self, schema: Any, name: str) -> Any:
        """Returns what stands for a declared schema in the document.

        Args:
            name: that it gets when it needs one and its title is none.
        """
        if not isinstance(schema, Mapping):
            return schema
        outer = {key: value for key, value in schema.items() if key != "$id"}
        outer = rebuilt(outer, self._placed_resource)
        schema = {**outer, **({"$id": schema["$id"]} if "$id" in schema else {})}
        if not any(_own_references(schema)):
            return rebuilt(schema, self._placed_part)
        known = (found for found, other in self._referring.items() if other == schema)
        wanted = _title(schema) or re.sub(r"[^A-Za-z0-9._-]+", "_", name)
        free = (found for found in _numbered(wanted) if found not in self.schemas)
        found = next(known, None) or next(free)
        if found not in self._referring:
            self._referring[found] = schema
            self.schemas[found] = self._moved(schema, found)
        return {"$ref": f"{_SCHEMAS}{found}"}

    def resolved(self, placed: Any) -> Any:
        """Returns the schema that ``placed`` returned, or that it refers to."""
        reference = placed.get("$ref", "") if isinstance(placed, Mapping) else ""
        if not reference.startswith(_SCHEMAS):
            return placed
        return referred({"components": {"schemas": self.schemas}}, reference)

    def _placed_resource(self, part: dict[str, Any]) -> Any:
        """Returns what stands for a part that has an ``$id``, and so references of its own."""
        identity = part.get("$id")
        return self.placed(part, identity) if isinstance(identity, str) else part

    def _placed_part(self, part: dict[str, Any]) -> Any:
        part.pop("x-says", None)
        title = _title(part)
        if not title:
            return part
        for name in _numbered(title):
            if name not in self._referring and self.schemas.setdefault(name, part) == part:
                return {"$ref": f"{_SCHEMAS}{name}"}
        return part

    def _moved(self, schema: Mapping[str, Any], name: str) -> Any:
        """Returns the schema for its new place, with its references."""
        own_id = schema.get("$id", "")

        def change(part: dict[str, Any]) -> Any:
            reference = part.get("$ref")
            if isinstance(reference, str) and (inner := _inner(reference, own_id)) is not None:
                pointer = inner if inner[:1] in ("", "/") else _anchor(schema, inner)
                part["$ref"] = f"{_SCHEMAS}{name}{pointer}"
            return self._placed_part(part)

        outer = {key: value for key, value in schema.items() if key not in ("title", "$id")}
        made: dict[str, Any] = rebuilt(outer, change)
        return {**({"title": schema["title"]} if "title" in schema else {}), **made}


def _title(schema: Mapping[str, Any]) -> str:
    title = schema.get("title")
    return title if isinstance(title, str) and _NAME.fullmatch(title) else ""


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 1
    while True:
        number += 1
        yield f"{name}{number}"


def _own_references(schema: Mapping[str, Any]) -> list[str]:
    """Returns every reference that leads to a place within the schema."""
    found: list[str] = []
    own_id = schema.get("$id", "")

    def look(part: dict[str, Any]) -> dict[str, Any]:
        reference = part.get("$ref")
        if isinstance(reference, str) and _inner(reference, own_id) is not None:
            found.append(reference)
        return part

    rebuilt(schema, look)
    return found


def _inner(reference: str, own_id: str) -> str | None:
    """Returns the fragment of a reference into the schema that it stands in; None of another."""
    rest = reference.removeprefix(own_id)
    return rest[1:] if rest.startswith("#") and not rest.startswith(_SCHEMAS) else None


def _anchor(value: Any, name: str) -> str:
    """Returns the JSON pointer of an anchor, or "" when there is none."""
    members: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        if name in (value.get("$anchor"), value.get("$dynamicAnchor")):
            return ""
        members = value.items()
    elif isinstance(value, list | tuple):
        members = enumerate(value)
    for key, inner in members:
        if _has_anchor(inner, name):
            step = str(key).replace("~", "~0").replace("/", "~1")
            return f"/{quote(step)}{_anchor(inner, name)}"
    return ""


def _has_anchor(value: Any, name: str) -> bool:
    if isinstance(value, Mapping):
        here = name in (value.get("$anchor"), value.get("$dynamicAnchor"))
        return here or any(_has_anchor(inner, name) for inner in value.values())
    return isinstance(value, list | tuple) and any(_has_anchor(inner, name) for inner in value)
