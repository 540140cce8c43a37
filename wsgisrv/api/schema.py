"""JSON Schema: a schema compiled at start, a quick yes or no, and on a no every field by its JSON pointer.

Rules: draft 2020-12. Nothing is fetched: a ``$ref`` stays within its schema. An integer is written without
a fraction: 1974.0 is none, though the draft would take it, since it would reach the action as a float.
Messages never quote the value, which may be a secret. ``x-says`` beside a keyword replaces what is said
when it refuses: ``{"pattern": "^[a-z]+$", "x-says": {"pattern": "has to have small letters"}}``.

jsonschema-rs says yes in 0.4 us for an object of four fields, fastjsonschema (drafts up to 7, and only the
first error) in 1.5 us; both on Python 3.11.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from wsgisrv.api.explained import explain
from wsgisrv.errors import ConfigError, first_line

if TYPE_CHECKING:
    from jsonschema_rs import Draft202012Validator, ValidationError

Formats = Mapping[str, Callable[[str], bool]]
"""A service's own values of ``format``, each with what says whether a text is one."""

_MOST_PROBLEMS = 50
_WHOLE = "wsgisrv-whole"


class Check:
    """One compiled schema.

    Args:
        schema: that is compiled; a dict.
        place: ``file:line`` of its declaration.
        formats: that it may use.

    Raises:
        ConfigError: when it is no schema, or jsonschema-rs is not installed; names the place.
    """

    __slots__ = ("_validator", "is_valid", "schema")

    def __init__(self, schema: Mapping[str, Any], place: str, formats: Formats) -> None:
        self.schema = schema
        self._validator = _compiled(schema, place, formats)
        self.is_valid: Callable[[Any], bool] = self._validator.is_valid

    def problems(self, value: Any, within: str = "") -> dict[str, str]:
        """Returns what is wrong with the value by field, at most some fifty; empty when nothing is.

        Args:
            within: JSON pointer of the value; "?" for a query.
        """
        found: dict[str, str] = {}
        of_type: set[str] = (
            set()
        )  # what else may be wrong with a value of another type says nothing
        errors = sorted(self._some_errors(value), key=lambda error: error.kind.name != "required")
        for error in errors:
            for pointer, text in explain(error, self.schema, within):
                known = found.get(pointer)
                if error.kind.name == "type":
                    of_type.add(pointer)
                    found[pointer] = text
                elif pointer in of_type:
                    continue
                elif known is None:
                    found[pointer] = text
                elif text not in known:
                    found[pointer] = f"{known}; {text}"
        return found

    def _some_errors(self, value: Any) -> Iterator[ValidationError]:
        for number, error in enumerate(self._validator.iter_errors(value)):
            if number == _MOST_PROBLEMS:
                return
            yield error


class _Whole:
    """The keyword that keeps 1974.0 from being an integer."""

    def __init__(self, parent: Any, value: Any, path: Any) -> None:
        pass

    def validate(self, instance: Any) -> None:
        if type(instance) is float:
            raise ValueError("not a whole number")


def _compiled(schema: Mapping[str, Any], place: str, formats: Formats) -> Draft202012Validator:
    try:
        import jsonschema_rs
    except ImportError:
        raise ConfigError(
            f"{place}: JSON Schema needs jsonschema-rs: pip install 'wsgisrv[validation]'"
        ) from None
    if not isinstance(schema, Mapping):
        raise ConfigError(f"{place}: a schema is a dict, not {type(schema).__name__}")
    try:
        return jsonschema_rs.Draft202012Validator(
            _strict(schema),
            validate_formats=True,
            formats=dict(formats),
            keywords={_WHOLE: _Whole},
            retriever=_fetch_nothing,
        )
    except jsonschema_rs.ValidationError as error:
        where = "/".join(map(str, error.instance_path))
        text = first_line(error).partition(": ")[2].partition(" Failed validating")[0]
        raise ConfigError(f"{place}: no JSON Schema: /{where}: {text}") from None
    except (jsonschema_rs.ReferencingError, ValueError, TypeError) as error:
        raise ConfigError(f"{place}: no JSON Schema: {first_line(error)}") from None


def _fetch_nothing(uri: str) -> Any:
    raise ValueError(f"{uri} is not in the schema, and nothing is fetched")


def _strict(schema: Any) -> Any:
    """Returns the schema with the keyword of ours wherever an integer is allowed and no other number."""
    if isinstance(schema, list | tuple):
        return [_strict(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    made = {key: _strict(part) for key, part in schema.items()}
    kinds = made.get("type")
    if kinds == "integer" or (
        isinstance(kinds, list) and "integer" in kinds and "number" not in kinds
    ):
        made[_WHOLE] = True
    return made
