"""A query as a schema sees it: texts become what the schema says of their parameters.

Rules: pure. A text that is no such value stays a text, so that the schema refuses it by name; so does one
where the schema takes no number, no boolean and no list. Nothing is read as null.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import operator
import re
from collections.abc import Iterator, Mapping
from typing import Any

from wsgisrv.api.subschemas import in_place

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,307})")  # as in a body: what a double may have
_NUMBER = re.compile(r"-?[0-9]{1,308}(\.[0-9]{1,308})?([eE][+-]?[0-9]{1,3})?")
_BOOLEANS = {"true": True, "false": False}
_KINDS = {bool: "boolean", int: "integer", float: "number", str: "string"}


@dataclasses.dataclass(frozen=True, slots=True)
class _Reading:
    """What a text may become.

    Args:
        kinds: of JSON's types, lists, objects and null left out.
        items: likewise of what is between commas, where it may be a list.
    """

    kinds: frozenset[str] = frozenset()
    items: frozenset[str] | None = None

    def value_of(self, text: str) -> Any:
        if self.items is not None and ("," in text or not self.kinds):
            items = self.items
            return [_value(part, items) for part in text.split(",")]
        return _value(text, self.kinds)

    def __or__(self, other: _Reading) -> _Reading:
        items = self.items if other.items is None else other.items | (self.items or frozenset())
        return _Reading(self.kinds | other.kinds, items)


class QueryReader:
    """Reads the queries of one schema.

    Args:
        schema: of the query; parameters are its properties, of whatever applies in place, and what
            patternProperties and additionalProperties say of others.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._named: dict[str, _Reading] = {}
        self._patterns: list[tuple[re.Pattern[str], _Reading]] = []
        self._others = _Reading()
        for one in in_place(schema, schema):
            for name, part in one.get("properties", {}).items():
                self._named[name] = self._named.get(name, _Reading()) | _reading(part, schema)
            for pattern, part in _compiled(one.get("patternProperties", {})):
                self._patterns.append((pattern, _reading(part, schema)))
            for keyword in ("additionalProperties", "unevaluatedProperties"):
                self._others |= _reading(one.get(keyword), schema)

    def __contains__(self, name: object) -> bool:
        """Whether a parameter is a list."""
        return self._reading_of(str(name)).items is not None

    def read(self, texts: Mapping[str, str]) -> dict[str, Any]:
        """Returns the values of a query's texts."""
        return {name: self._reading_of(name).value_of(text) for name, text in texts.items()}

    def _reading_of(self, name: str) -> _Reading:
        found = self._named.get(name)
        if found is None:
            matching = [reading for pattern, reading in self._patterns if pattern.search(name)]
            found = functools.reduce(operator.or_, matching) if matching else self._others
        return found


def _reading(schema: Any, root: Mapping[str, Any]) -> _Reading:
    found = _Reading()
    for one in in_place(schema, root):
        kinds = set(_kinds(one))
        items = None
        if "array" in kinds or "items" in one:
            parts = [one.get("items"), one.get("contains"), *one.get("prefixItems", ())]
            items = frozenset(kind for part in parts for kind in _reading(part, root).kinds)
        found |= _Reading(frozenset(kinds - {"array", "object", "null"}), items)
    return found


def _kinds(schema: Mapping[str, Any]) -> Iterator[str]:
    said = schema.get("type", ())
    yield from [said] if isinstance(said, str) else said
    values = [*schema.get("enum", ()), *([schema["const"]] if "const" in schema else [])]
    yield from (_KINDS[type(value)] for value in values if type(value) in _KINDS)


def _compiled(patterns: Mapping[str, Any]) -> Iterator[tuple[re.Pattern[str], Any]]:
    for pattern, part in patterns.items():
        try:
            yield re.compile(pattern), part
        except re.error:  # a pattern that only JSON Schema's dialect has: its parameters stay texts
            continue


def _value(text: str, kinds: frozenset[str]) -> Any:
    if "boolean" in kinds and text.lower() in _BOOLEANS:
        return _BOOLEANS[text.lower()]
    if "integer" in kinds and _INTEGER.fullmatch(text):
        return int(text)
    if "number" in kinds and _NUMBER.fullmatch(text) and math.isfinite(float(text)):
        return float(text)
    return text
