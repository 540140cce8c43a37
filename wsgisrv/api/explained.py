"""What a schema's refusal means, in words: a JSON pointer and what is allowed there.

Rules: pure. Says what would be right rather than which keyword failed, and never quotes the value.
Source: RFC 6901 for pointers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

_KINDS = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}
_LONGEST = 200  # characters of a text that is not ours


def explain(error: Any, schema: Mapping[str, Any], within: str) -> Iterator[tuple[str, str]]:
    """Yields pointer and text for each field that one error of jsonschema-rs is about.

    Args:
        error: a jsonschema_rs.ValidationError.
        schema: that was validated against.
        within: JSON pointer of the value; "?" for a query.
    """
    *way, keyword = error.schema_path or [""]
    around = _at(schema, way)
    pointer = pointer_of(error.instance_path, within)
    kind = error.kind
    if kind.name == "required":
        yield _below(pointer, kind.property), "is required"
        return
    if kind.name in ("additionalProperties", "unevaluatedProperties"):
        known = ", ".join(around.get("properties", ())) or "none"
        for name in kind.unexpected:
            yield _below(pointer, name), f"is not known; there are {known}"
        return
    said = around.get("x-says", {}).get(keyword)
    yield pointer, said or _text(str(kind.name), around, error)


def pointer_of(path: list[str | int], within: str) -> str:
    """Returns the JSON pointer of a path, or ``?name`` within a query."""
    pointer = within
    for step in path:
        pointer = _below(pointer, str(step))
    return pointer


def in_words(kinds: str | list[str]) -> str:
    """Returns JSON's types as words: ``a whole number or null``."""
    names = [kinds] if isinstance(kinds, str) else kinds
    return " or ".join(_KINDS.get(name, name) for name in names)


def _below(pointer: str, name: str) -> str:
    if pointer == "?":
        return f"?{name}"
    return f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"


def _at(schema: Any, way: list[str | int]) -> Mapping[str, Any]:
    """Returns the schema at the end of the way; an empty one where ``$ref`` makes it another way."""
    for step in way:
        try:
            schema = schema[step]
        except (KeyError, IndexError, TypeError):
            return {}
    return schema if isinstance(schema, Mapping) else {}


def _text(kind: str, around: Mapping[str, Any], error: Any) -> str:
    made = _TEXTS.get(kind)
    if made is not None and (text := made(around)):
        return text
    return " ".join(_other(kind, error).split())[:_LONGEST]


def _other(kind: str, error: Any) -> str:
    if kind == "type":
        kinds = sorted(error.kind.types, key=lambda name: name == "null")
        return f"has to be {in_words(kinds)}"
    if kind in ("anyOf", "oneOf", "oneOfNotValid", "oneOfMultipleValid"):
        return "is in none of the forms that it may have, or in several"
    return f"breaks the rule {kind}"


def _type(around: Mapping[str, Any]) -> str:
    return f"has to be {in_words(around['type'])}" if "type" in around else ""


def _between(low: str, high: str, verb: str, unit: str) -> Callable[[Mapping[str, Any]], str]:
    def text(around: Mapping[str, Any]) -> str:
        units = f" {unit}" if unit else ""
        if unit and around.get(high, around.get(low)) != 1:
            units += "s"
        if low in around and high in around:
            return f"{verb} {around[low]} to {around[high]}{units}"
        if low in around:
            return f"{verb.removesuffix(' from')} at least {around[low]}{units}"
        return f"{verb.removesuffix(' from')} at most {around.get(high)}{units}"

    return text


_characters = _between("minLength", "maxLength", "has to have", "character")
_items = _between("minItems", "maxItems", "has to have", "item")
_members = _between("minProperties", "maxProperties", "has to have", "member")
_number = _between("minimum", "maximum", "has to be from", "")

_TEXTS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "type": _type,
    "wsgisrv-whole": _type,
    "minLength": _characters,
    "maxLength": _characters,
    "minItems": _items,
    "maxItems": _items,
    "minProperties": _members,
    "maxProperties": _members,
    "minimum": _number,
    "maximum": _number,
    "exclusiveMinimum": lambda around: f"has to be more than {around.get('exclusiveMinimum')}",
    "exclusiveMaximum": lambda around: f"has to be less than {around.get('exclusiveMaximum')}",
    "multipleOf": lambda around: f"has to be a multiple of {around.get('multipleOf')}",
    "enum": lambda around: "has to be one of " + ", ".join(map(_json, around.get("enum", ()))),
    "const": lambda around: f"has to be {_json(around.get('const'))}",
    "pattern": lambda around: f"has to match {around.get('pattern')}",
    "format": lambda around: f"is no {around.get('format')}",
    "uniqueItems": lambda around: "has an item twice",
    "not": lambda around: "is not allowed",
    "false schema": lambda around: "is not allowed",
}


def _json(value: Any) -> str:
    return value if isinstance(value, str) else repr(value).replace("None", "null")
