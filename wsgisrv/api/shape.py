"""The shape of a route: what can be said of the paths that it matches before its regexp is asked.

Rules: pure; what is said here holds for every path that the route's own regexp matches, so an index made of
shapes leaves out no route. Where it is not certain, the shape is open.

Facts about Routes 2.5: ``route.routelist`` is the path as literal text and ``{"type", "name"}`` for a
variable. Without a requirement a variable is ``[^/]+?`` (``{.format}``: ``[^/.]+?``, and may be absent), so
it stays within its segment; ``*rest`` does not. A minimized route may end before its last segments.
``Mapper.match`` tries routes with the longest literal beginning first, and only routes with the same one in
the order of their declaration.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from typing import Any

_CLASS = r"\[(?:[A-Za-z0-9_](?:-[A-Za-z0-9_])?|\\[dw.-])+-?\]"
_NEGATED_CLASS = r"\[\^\\?/[A-Za-z0-9_.]*\]"
_WITHIN_SEGMENT = re.compile(
    rf"(?:[A-Za-z0-9_|()+*?-]|\(\?<!\\\\\)|\(\?:|\\[dw.-]|\{{\d+(?:,\d*)?\}}|{_CLASS}|{_NEGATED_CLASS})+"
)
"""Matches requirements of which it is certain that they match no slash; no other constructs are in it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Shape:
    """What is known of a route's paths.

    Args:
        segments: between the slashes, from the start: the literal text, or None for any one segment.
        is_open: whether anything may follow ``segments``; else nothing may.
        variables: name and index in ``segments`` of each, when the route matches exactly the paths of this
            shape that have no empty segment there; None when its regexp has to be asked.
        beginning: the literal beginning that Mapper.match sorts by.
    """

    segments: tuple[str | None, ...]
    is_open: bool
    variables: tuple[tuple[str, int], ...] | None
    beginning: str

    @property
    def literal(self) -> str | None:
        """The one path that the route matches, if there is only one."""
        return "/".join(map(str, self.segments)) if self.variables == () else None


def shape_of(route: Any) -> Shape:
    """Returns the shape of a routes.Route."""
    beginning = "".join(itertools.takewhile(_is_text, route.routelist))
    if route.minimization:
        if not beginning.startswith("/"):
            beginning = f"/{beginning}"
        return Shape((), True, None, beginning.rstrip("/"))
    pieces, is_open = _pieces(route)
    segments = tuple("".join(piece) if all(map(_is_text, piece)) else None for piece in pieces)
    variables: tuple[tuple[str, int], ...] | None = None
    varying = [(piece, index) for index, piece in enumerate(pieces) if segments[index] is None]
    if not is_open and all(_is_plain(route, piece) for piece, _ in varying):
        variables = tuple((piece[0]["name"], index) for piece, index in varying)
    return Shape(segments, is_open, variables, beginning.rstrip("/"))


def _pieces(route: Any) -> tuple[list[list[Any]], bool]:
    """Returns the parts of each segment, and whether the rest of the route is left out as uncertain."""
    pieces: list[list[Any]] = [[]]
    for part in route.routelist:
        if _is_text(part):
            first, *others = part.split("/")
            pieces[-1] += [first] if first else []
            pieces += [[text] if text else [] for text in others]
        elif _stays_within_segment(route, part):
            pieces[-1].append(part)
        else:
            return pieces[:-1], True
    return pieces, False


def _stays_within_segment(route: Any, part: dict[str, str]) -> bool:
    if part["type"] == "*" or part["name"] == "controller":
        return False
    requirement = route.reqs.get(part["name"])
    return not requirement or _WITHIN_SEGMENT.fullmatch(requirement) is not None


def _is_plain(route: Any, piece: list[Any]) -> bool:
    """Whether a segment is one variable that takes any text."""
    if len(piece) != 1 or _is_text(piece[0]):
        return False
    return piece[0]["type"] == ":" and not route.reqs.get(piece[0]["name"])


def _is_text(part: Any) -> bool:
    return isinstance(part, str)
