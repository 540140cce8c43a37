"""What JSON has no words for: found in a value, with its JSON pointer.

Rules: pure. Lists are ``list`` and ``tuple``, objects are ``dict``, and their subclasses. A value that holds
itself is nested without end, and one that holds one list many times over is as large as it reads; both are
bounded by what they were read from. A ValueError in a value stands for what could not be read there.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from wsgisrv.api.pointers import below

Misfit = tuple[str, str]
"""JSON pointer of the place, and what is wrong there."""


def find_misfit(value: Any, most_levels: int, most_values: int) -> Misfit | None:
    """Returns the first thing in a value that JSON has no words for, or None.

    Args:
        most_levels: of lists and objects within each other.
        most_values: in it, itself included.
    """
    return _Search(most_levels, most_values).misfit(value, 0)


class _Search:
    def __init__(self, most_levels: int, most_values: int) -> None:
        self._most_levels = most_levels
        self._left = most_values

    def misfit(self, value: Any, level: int) -> Misfit | None:
        self._left -= 1
        if self._left < 0:
            return "", "has more values than JSON of that length could have"
        if isinstance(value, str):
            return _text_misfit(value)
        if value is None or isinstance(value, bool | int):
            return None
        if isinstance(value, float):
            return None if math.isfinite(value) else ("", f"{value} is no JSON value")
        if isinstance(value, ValueError):
            return "", str(value)
        if not isinstance(value, dict | list | tuple):
            return "", f"{type(value).__name__} is no JSON value"
        if level == self._most_levels:
            return "", f"is nested deeper than {self._most_levels} levels"
        if isinstance(value, dict):
            return self._key_misfit(value) or self._inner_misfit(value.items(), level + 1)
        return self._inner_misfit(enumerate(value), level + 1)

    def _key_misfit(self, value: dict[Any, Any]) -> Misfit | None:
        for key in value:
            if not isinstance(key, str):
                return "", f"has a key that is {type(key).__name__}, not a text"
            if (found := _text_misfit(key)) is not None:
                return found
        return None

    def _inner_misfit(self, members: Iterable[tuple[Any, Any]], level: int) -> Misfit | None:
        for step, inner in members:
            if inner is None or type(inner) in (
                int,
                bool,
            ):  # for speed: there may be half a million
                self._left -= 1
                continue
            found = self.misfit(inner, level)
            if found is not None:
                pointer, problem = found
                return below("", step) + pointer, problem
        return None


def _text_misfit(text: str) -> Misfit | None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return "", "has half a surrogate pair in a text"
    return None
