"""What a schema's refusal means, in words: a JSON pointer and what is allowed there.

Rules: pure. Says what would be right rather than which keyword failed, and never quotes the value, but for
names of fields.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from wsgisrv.api.places import Places
from wsgisrv.api.pointers import actual_path, below, pointer_of, shortened

_KINDS = {
    "string": "a string",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}
_MOST_NAMES = 50  # of fields in one error

NO_FORM = "is in none of the forms that it may have"
_SEVERAL_FORMS = "is in several of the forms of which it may have one"


class Problem(NamedTuple):
    """What is wrong in one place.

    Args:
        pointer: JSON pointer of the place, or ``?name`` of a query.
        text: what is allowed there.
        is_of_type: whether the value is of another type, so that other problems there say nothing.
    """

    pointer: str
    text: Any
    is_of_type: bool = False


def explain(error: Any, places: Places, within: str, value: Any) -> Iterator[Problem]:
    """Yields a problem for each field that one error of jsonschema-rs is about.

    Args:
        error: a jsonschema_rs.ValidationError.
        places: of the schema that was validated against.
        within: JSON pointer of the value; "?" for a query.
        value: that was validated.
    """
    around, keyword = places.of(error)
    said = around.get("x-says", {}).get(keyword)
    pointer = pointer_of(actual_path(error, value), within)
    kind = error.kind
    if kind.name == "required":
        yield Problem(below(pointer, kind.property), said or "is required")
    elif kind.name in ("additionalProperties", "unevaluatedProperties"):
        known = ", ".join(around.get("properties", ())) or "none"
        # What else has been evaluated, in allOf for instance, is not said around it.
        is_all = kind.name == "additionalProperties" and "patternProperties" not in around
        there = f"; there are {known}" if is_all else ""
        for name in itertools.islice(kind.unexpected, _MOST_NAMES):
            text = said or shortened(f"is not known{there}")
            yield Problem(below(pointer, name), text)
    elif said:
        yield Problem(pointer, said)
    elif kind.name in ("anyOf", "oneOf"):
        yield from _form_problems(error, places, within, value)
    elif kind.name == "propertyNames":
        for inner in explain(kind.error, places, "", kind.error.instance):
            place = below(pointer, kind.error.instance)
            yield Problem(place, shortened(f"as a name {inner.text}"))
            return
    else:
        text = _text(kind, around, keyword)
        yield Problem(pointer, shortened(text), kind.name in ("type", "wsgisrv-whole"))


def in_words(kinds: str | Sequence[str]) -> str:
    """Returns JSON's types as words: ``a whole number or null``."""
    names = [kinds] if isinstance(kinds, str) else kinds
    return " or ".join(_KINDS.get(name, name) for name in names)


# The forms of anyOf and oneOf


def _form_problems(error: Any, places: Places, within: str, value: Any) -> Iterator[Problem]:
    """Yields what is wrong by the one form that is meant, or else what all forms together want."""
    pointer = pointer_of(actual_path(error, value), within)
    forms: list[list[Any]] = error.kind.context
    if not all(forms):
        yield Problem(pointer, _SEVERAL_FORMS)
        return
    here = len(error.instance_path)
    of_type = [form for form in forms if not _type_errors(form, here)]
    meant = [form for form in of_type if not _choices(form, here + 1)] or of_type
    if not of_type:
        kinds = [kind for form in forms for kind in _kinds(_type_errors(form, here)[0], places)]
        yield Problem(pointer, f"has to be {in_words(_null_last(kinds))}", is_of_type=True)
    elif len(meant) == 1:
        for inner in meant[0]:
            yield from explain(inner, places, within, value)
    else:
        yield from _common_problems(meant, here, places, within, value) or [
            Problem(pointer, NO_FORM)
        ]


def _common_problems(
    forms: list[list[Any]], here: int, places: Places, within: str, value: Any
) -> list[Problem]:
    """Returns what the forms have in common: the choice that one field is, one of some fields, a problem."""
    choices = [choice for form in forms for choice in _choices(form, here)[:1]]
    if len(choices) == len(forms) and len({str(one.instance_path) for one in choices}) == 1:
        values = [choice for one in choices for choice in _values(one.kind)]
        return [Problem(pointer_of(actual_path(choices[0], value), within), _one_of(values))]
    lacking = [form[0] for form in forms if len(form) == 1 and form[0].kind.name == "required"]
    if len(lacking) == len(forms) and all(len(one.instance_path) == here for one in lacking):
        names = " or ".join(dict.fromkeys(one.kind.property for one in lacking))
        return [Problem(pointer_of(actual_path(lacking[0], value), within), f"has to have {names}")]
    problems = [
        {one: None for inner in form for one in explain(inner, places, within, value)}
        for form in forms
    ]
    return [one for one in problems[0] if all(one in others for others in problems)]


def _type_errors(form: list[Any], here: int) -> list[Any]:
    """Returns the errors that say that the value itself is of another type."""
    return [
        one
        for one in form
        if one.kind.name in ("type", "wsgisrv-whole") and len(one.instance_path) == here
    ]


def _choices(form: list[Any], least: int) -> list[Any]:
    """Returns the errors that say that a value is not the one that it has to be, from a depth on."""
    return [
        one
        for one in form
        if one.kind.name in ("const", "enum") and len(one.instance_path) >= least
    ]


# The words for keywords


def _text(kind: Any, around: Mapping[str, Any], keyword: str) -> str:
    made = _TEXTS.get(kind.name)
    if kind.name == "falseSchema" and keyword == "additionalProperties":
        return "may have no members"
    if made is not None:
        return made(kind.value, {**around, kind.name: kind.value})
    if kind.name == "contains":
        count = around.get(keyword, 1) if keyword != "contains" else 1
        verb = "at most" if keyword == "maxContains" else "at least"
        return f"has to have {verb} {count} of the items that it has to have"
    return f"breaks the rule {kind.name}"


def _kinds(error: Any, places: Places) -> Sequence[str]:
    """Returns the types that an error of the type asks for."""
    if error.kind.name == "type":
        return list(error.kind.types)
    kinds = places.of(error)[0].get("type", "integer")
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _null_last(kinds: Sequence[str]) -> list[str]:
    return sorted(dict.fromkeys(kinds), key=lambda kind: kind == "null")


def _type(kinds: Any, around: Mapping[str, Any]) -> str:
    kinds = around.get("type", kinds)
    return f"has to be {in_words(kinds if isinstance(kinds, str) else _null_last(kinds))}"


def _whole(_value: Any, around: Mapping[str, Any]) -> str:
    return f"has to be {in_words(around.get('type', 'integer'))}"


def _between(low: str, high: str, verb: str, unit: str) -> Callable[[Any, Mapping[str, Any]], str]:
    def text(value: Any, around: Mapping[str, Any]) -> str:
        units = f" {unit}" if unit else ""
        if unit and around.get(high, around.get(low)) != 1:
            units += "s"
        if low in around and high in around:
            return f"{verb} {around[low]} to {around[high]}{units}"
        if low in around:
            return f"{verb.removesuffix(' from')} at least {around[low]}{units}"
        return f"{verb.removesuffix(' from')} at most {value}{units}"

    return text


_characters = _between("minLength", "maxLength", "has to have", "character")
_items = _between("minItems", "maxItems", "has to have", "item")
_members = _between("minProperties", "maxProperties", "has to have", "member")
_number = _between("minimum", "maximum", "has to be from", "")

_TEXTS: Mapping[str, Callable[[Any, Mapping[str, Any]], str]] = {
    "type": _type,
    "wsgisrv-whole": _whole,
    "minLength": _characters,
    "maxLength": _characters,
    "minItems": _items,
    "maxItems": _items,
    "minProperties": _members,
    "maxProperties": _members,
    "minimum": _number,
    "maximum": _number,
    "exclusiveMinimum": lambda value, _around: f"has to be more than {value}",
    "exclusiveMaximum": lambda value, _around: f"has to be less than {value}",
    "multipleOf": lambda value, _around: f"has to be a multiple of {value}",
    "enum": lambda value, _around: _one_of(value),
    "const": lambda value, _around: f"has to be {_json(value)}",
    "pattern": lambda value, _around: f"has to match {value}",
    "format": lambda value, _around: f"is no {value}",
    "uniqueItems": lambda _value, _around: "has an item twice",
    "unevaluatedItems": lambda _value, _around: "has items that are not allowed",
    "not": lambda _value, _around: "is not allowed",
    "falseSchema": lambda _value, _around: "is not allowed",
}


def _values(kind: Any) -> list[Any]:
    return list(kind.options) if kind.name == "enum" else [kind.expected_value]


def _one_of(values: Sequence[Any]) -> str:
    texts = list(dict.fromkeys(map(_json, values)))
    return shortened(f"has to be one of {', '.join(texts)}")


def _json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
