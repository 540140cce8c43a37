"""A query as a schema sees it: texts become what the schema's properties say.

Rules: pure. A text that is no such value stays a text, so that the schema refuses it by name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,18})")
_NUMBER = re.compile(r"-?[0-9]{1,19}(\.[0-9]{1,19})?([eE][+-]?[0-9]{1,2})?")


def converters_of(schema: Mapping[str, Any]) -> dict[str, Callable[[str], Any]]:
    """Returns what makes a value of a text, by parameter, for those that are no strings."""
    found = {}
    for name, part in schema.get("properties", {}).items():
        kinds = part.get("type", "string") if isinstance(part, Mapping) else "string"
        kind = kinds if isinstance(kinds, str) else next(iter(kinds), "string")
        if kind in _CONVERTERS:
            found[name] = _CONVERTERS[kind]
    return found


def _integer(text: str) -> Any:
    return int(text) if _INTEGER.fullmatch(text) else text


def _number(text: str) -> Any:
    return float(text) if _NUMBER.fullmatch(text) else text


def _boolean(text: str) -> Any:
    return {"true": True, "false": False}.get(text.lower(), text)


def _list(text: str) -> Any:
    return text.split(",")


_CONVERTERS: Mapping[str, Callable[[str], Any]] = {
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "array": _list,
}
