"""The errors of a value by a schema: some of them, at a cost that no value drives up.

Rules: every error that is returned is one of the whole value. A value of a usual size is validated as a
whole, which finds all; of a larger one its beginning is, and errors that may come of the cut are left out;
when that leaves none, the first error of the whole is found.

Facts about jsonschema-rs 0.61: ``iter_errors`` finds all errors before it yields one, 10 us each: 900 kB of
``[{},{},...]`` with 30 required fields took 94 s. Each error has a copy of the value it is about.
``validate`` stops at the first error, but for anyOf and oneOf it collects all those of their forms, and of
the forms within those; ``if`` asks for yes or no alone, and so costs what ``is_valid`` does.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from wsgisrv.api.body import MOST_DEPTH
from wsgisrv.api.explained import NO_FORM
from wsgisrv.api.places import Places
from wsgisrv.api.pointers import actual_path
from wsgisrv.api.subschemas import every, in_place, rebuilt

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator, ValidationError

_MOST_ERRORS = 4000  # about 40 ms
_MOST_NODES = 1000
_MOST_NODES_WITH_FORMS, _MOST_LEVELS_WITH_FORMS = 100, 5  # forms may multiply errors at each level
_LONGEST_TEXT, _LONGEST_NAME = 1000, 200  # characters; each error has a copy
_FORMS = ("anyOf", "oneOf")
_OF_MEMBERS = frozenset({
    "additionalProperties", "contains", "dependentSchemas", "items", "patternProperties", "prefixItems",
    "properties", "unevaluatedItems", "unevaluatedProperties",
})  # fmt: skip
_CUT_OR_NOT = frozenset({"type", "additionalProperties", "falseSchema", "propertyNames"})
"""Kinds of errors that a container has whatever is cut off its end."""
_CONDITIONAL = frozenset({"then", "else", "unevaluatedItems", "unevaluatedProperties"})
"""Keywords that apply by what else a value has."""


class Breaches:
    """What finds the errors of values.

    Args:
        schema: that is compiled.
        compile_: returns the validator of a schema; raises ValueError when there is none.

    Raises:
        ValueError: when the schema does not compile.
    """

    __slots__ = ("_all", "_first", "_most_levels", "_most_nodes", "validator")

    def __init__(
        self, schema: Mapping[str, Any], compile_: Callable[[Any], Draft202012Validator]
    ) -> None:
        self.validator = compile_(schema)
        self._all = Places(schema)
        parts = list(every(schema))
        heaviest = max(sum(map(_weight, in_place(one, schema))) for one in parts)
        self._most_nodes = max(1, min(_MOST_ERRORS // max(heaviest, 1), _MOST_NODES))
        self._most_levels = MOST_DEPTH
        self._first: tuple[Draft202012Validator, Places] | None = self.validator, self._all
        if any("propertyNames" in one or _has_deep_forms(one, schema) for one in parts):
            self._most_nodes = min(self._most_nodes, _MOST_NODES_WITH_FORMS)
            self._most_levels = _MOST_LEVELS_WITH_FORMS
            self._first = _asking_yes_or_no(schema, compile_)

    def of(self, value: Any) -> list[tuple[ValidationError, Places]]:
        """Returns errors of a value, each with the places of its schema; none when it cannot be told cheaply.

        Raises:
            ValueError: when the value has what JSON has not.
        """
        part = _Beginning(self._most_nodes).of(value, self._most_levels)
        errors = list(self.validator.iter_errors(part))
        if part != value:
            errors = [error for error in errors if _is_of_whole(error, part, value)]
        return [(error, self._all) for error in errors] or self._first_of(value)

    def _first_of(self, value: Any) -> list[tuple[ValidationError, Places]]:
        from jsonschema_rs import ValidationError

        if self._first is None:
            return []
        validator, places = self._first
        try:
            validator.validate(value)
        except ValidationError as error:
            return [(error, places)]
        return []


class _Beginning:
    """A copy of a value's beginning: lists lack their ends, objects some members, long texts their ends."""

    def __init__(self, most_nodes: int) -> None:
        self._left = most_nodes

    def of(self, value: Any, levels: int) -> Any:
        self._left -= 1
        if isinstance(value, str):
            return value[:_LONGEST_TEXT]
        if isinstance(value, dict):
            # What is no container first, so that one long list does not hide all that follows it.
            members = itertools.islice(value.items(), max(self._left, 0))
            return dict(self._some(sorted(members, key=_is_container), levels))
        if isinstance(value, list):
            return [inner for _, inner in self._some(enumerate(value), levels)]
        if isinstance(value, tuple):
            return tuple(inner for _, inner in self._some(enumerate(value), levels))
        return value

    def _some(self, members: Any, levels: int) -> Iterator[tuple[Any, Any]]:
        for name, inner_value in members:
            if self._left <= 0 or not levels:
                return
            if isinstance(name, int) or len(name) <= _LONGEST_NAME:
                yield name, self.of(inner_value, levels - 1)


def _is_container(member: tuple[str, Any]) -> bool:
    return isinstance(member[1], dict | list | tuple)


def _is_of_whole(error: ValidationError, part: Any, value: Any) -> bool:
    """Whether an error of the beginning is one of the whole value as well."""
    if not _CONDITIONAL.isdisjoint(map(str, error.evaluation_path[:-1])):
        return False
    for step in actual_path(error, part):
        try:
            part, value = part[step], value[step]
        except (KeyError, TypeError):  # a path that cannot be told
            return False
    if error.kind.name == "required":
        return error.kind.property not in value  # type: ignore[attr-defined]
    return error.kind.name in _CUT_OR_NOT or bool(part == value)


def _has_deep_forms(schema: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    """Whether a form says something of a value's members; a text or null, for instance, does not."""
    forms = [form for keyword in _FORMS for form in schema.get(keyword, ())]
    return any(not _OF_MEMBERS.isdisjoint(one) for form in forms for one in in_place(form, root))


def _weight(schema: Mapping[str, Any]) -> int:
    """Returns how many errors a schema may find in one value, those of its members left out."""
    return len(schema) + len(schema.get("required", ()))


def _asking_yes_or_no(
    schema: Mapping[str, Any], compile_: Callable[[Any], Draft202012Validator]
) -> tuple[Draft202012Validator, Places] | None:
    """Returns a validator that says no more of anyOf and oneOf than that none of the forms fits.

    None where a reference leads into one of them, which stands in another place then.
    """
    asking = rebuilt(schema, _with_if)
    try:
        return compile_(asking), Places(asking)
    except ValueError:
        return None


def _with_if(schema: dict[str, Any]) -> dict[str, Any]:
    says = schema.get("x-says", {})
    parts = [
        {
            "if": {keyword: schema.pop(keyword)},
            "else": False,
            "x-says": {"else": says.get(keyword, NO_FORM)},
        }
        for keyword in _FORMS
        if keyword in schema
    ]
    return {**schema, "allOf": [*schema.get("allOf", ()), *parts]} if parts else schema
