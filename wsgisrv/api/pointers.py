"""JSON pointers and texts as answers have them: short, whatever a client sends.

Source: RFC 6901.
"""

from __future__ import annotations

from collections.abc import Iterable

_LONGEST = 200  # characters of a text, or of one step of a pointer


def below(pointer: str, step: str | int) -> str:
    """Returns the pointer of what stands under a name or a number; ``?name`` where the pointer is ``?``."""
    name = _cut(str(step))
    if pointer == "?":
        return f"?{name}"
    return f"{pointer}/{name.replace('~', '~0').replace('/', '~1')}"


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
