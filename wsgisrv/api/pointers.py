"""JSON pointers and texts as answers have them: short, whatever a client sends.

Source: RFC 6901.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_LONGEST = 200  # characters of a text, or of one step of a pointer


def below(pointer: str, step: str | int) -> str:
    """Returns the pointer of what stands under a name or a number; ``?name`` where the pointer is ``?``."""
    name = _cut(str(step))
    if pointer == "?":
        return f"?{name}"
    return f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"


def actual_path(error: Any, value: Any) -> list[str | int]:
    """Returns the path of what an error of jsonschema-rs is about, as the value has it.

    Facts about jsonschema-rs 0.61: its ``instance_path`` leaves out names that are "", and has a number for
    a name of digits.
    """
    found: list[str | int] = []
    for step in error.instance_path:
        while (key := _key(value, step)) is None:
            if not isinstance(value, dict) or "" not in value:
                return [*error.instance_path]
            found, value = [*found, ""], value[""]
        found, value = [*found, key], value[key]
    while isinstance(value, dict) and "" in value and value != error.instance:
        found, value = [*found, ""], value[""]
    return found


def _key(value: Any, step: str | int) -> str | int | None:
    if isinstance(value, list | tuple):
        return step if isinstance(step, int) and step < len(value) else None
    if not isinstance(value, dict):
        return None
    if str(step) in value:
        return str(step)
    alike = (
        name for name in value if isinstance(step, int) and name.strip("0") == str(step).strip("0")
    )
    return next((name for name in alike if name.isdecimal() and int(name) == step), None)


def pointer_of(path: Iterable[str | int], within: str) -> str:
    """Returns the pointer of a path within a value.

    Args:
        within: the value's own; "?" for a query.
    """
    pointer = within
    for step in path:
        pointer = below(pointer, step)
    return pointer


def shortened(text: str) -> str:
    """Returns a text as one line of at most 200 characters."""
    return _cut(" ".join(text[: 2 * _LONGEST].split()))


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
