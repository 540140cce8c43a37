"""The shape of a route: what can be said of the paths that it matches before its regexp is asked.

Rules: pure; what is said here holds for every path that the route's own regexp matches, so an index made of
shapes leaves out no route. Where it is not certain, the shape says less.

Facts about Routes 2.5: ``route.routelist`` is the path as literal text and ``{"type", "name"}`` for a
variable. Without a requirement a variable is ``[^/]+?`` (``{.format}``: ``[^/.]+?`` after a dot, and may be
absent), so it stays within its segment; ``*rest`` does not. A minimized route may end before its last
segments, but not within its literal beginning; only the last character of that may be missing, where it is
one of Routes' separators. ``Mapper.match`` tries routes with the longest literal beginning first, and only
routes with the same one in the order of their declaration.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Sequence
from typing import Any

Segment = str | tuple[str, str] | None
"""What stands between two slashes: a text; or what begins and ends with two texts; or None, anything."""

MEMBER_REQUIREMENT = r"[^\/]+(?<!\\)"
"""What Routes requires of the ``id`` of a resource's members: any text that does not end with a backslash."""

_CLASS = r"\[(?:[A-Za-z0-9_](?:-[A-Za-z0-9_])?|[.,;:@](?!-)|\\[dw.-])+-?\]"
_NEGATED_CLASS = r"\[\^[A-Za-z0-9_.,;:@]*\\?/[A-Za-z0-9_.,;:@]*\]"
_LOOK_AROUND = r"\(\?<?[=!](?:\\\\|[^()\[\]\\])*\)"  # which takes no character
_WITHIN_SEGMENT = re.compile(
    rf"(?:[A-Za-z0-9_|()+*?-]|{_LOOK_AROUND}|\(\?:|\\[dw.-]|\{{\d+(?:,\d*)?\}}|{_CLASS}|{_NEGATED_CLASS})+"
)
"""Matches requirements of which it is certain that they match no slash; no other constructs are in it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Way:
    """One form that a route's paths may have.

    Args:
        segments: between the slashes, from the start.
        end: the last segments, from the last one on, where anything may stand between them and
            ``segments``; None where nothing may follow ``segments``.
    """

    segments: tuple[Segment, ...]
    end: tuple[Segment, ...] | None = None

    @property
    def literal(self) -> str | None:
        """The one path of this form, if there is only one."""
        if self.end is None and all(map(_is_text, self.segments)):
            return "/".join(map(str, self.segments))
        return None


@dataclasses.dataclass(frozen=True, slots=True)
class Shape:
    """What is known of a route's paths.

    Args:
        ways: the forms that they have; each has one of them.
        variables: name and index in the path's segments of each, when the route matches exactly the paths of
            its one way that have no empty segment there and no backslash; None when its regexp has to be
            asked.
        beginning: the literal beginning that Mapper.match sorts by.
    """

    ways: tuple[Way, ...]
    variables: tuple[tuple[str, int], ...] | None
    beginning: str


def shape_of(route: Any) -> Shape:
    """Returns the shape of a routes.Route."""
    beginning = "".join(itertools.takewhile(_is_text, route.routelist))
    if route.minimization:
        if not beginning.startswith("/"):
            beginning = f"/{beginning}"
        return Shape((_minimized(route),), None, beginning.rstrip("/"))
    pieces, end = _pieces(route)
    if end is not None:
        return Shape((Way(_certain(pieces), _certain(end)),), None, beginning.rstrip("/"))
    segments = tuple(map(_segment, pieces))
    varying = [(piece, at) for at, piece in enumerate(pieces) if not _is_text(segments[at])]
    variables = None
    if all(_is_plain(route, piece) for piece, _ in varying):
        variables = tuple((piece[0]["name"], index) for piece, index in varying)
    return Shape(_with_and_without_format(segments, pieces[-1]), variables, beginning.rstrip("/"))


def _pieces(route: Any) -> tuple[list[list[Any]], list[list[Any]] | None]:
    """Returns the parts of each segment; and, where a variable may hold a slash, those behind the last such
    one, from the end.
    """
    pieces: list[list[Any]] = [[]]
    uncertain = []
    for part in route.routelist:
        if _is_text(part):
            first, *others = part.split("/")
            pieces[-1] += [first] if first else []
            pieces += [[text] if text else [] for text in others]
        else:
            if not _stays_within_segment(route, part):
                uncertain.append(len(pieces) - 1)
            pieces[-1].append(part)
    if not uncertain:
        return pieces, None
    # The segments of the first and the last uncertain variable are known in what is literal at their edges.
    first_piece, last_piece = pieces[uncertain[0]], pieces[uncertain[-1]]
    opening = [*itertools.takewhile(_is_text, first_piece), _ANYTHING]
    closing = [_ANYTHING, *reversed([*itertools.takewhile(_is_text, reversed(last_piece))])]
    return [*pieces[: uncertain[0]], opening], [*reversed(pieces[uncertain[-1] + 1 :]), closing]


_ANYTHING: dict[str, str] = {}  # in the place of what a variable holds


def _certain(pieces: Sequence[Sequence[Any]]) -> tuple[Segment, ...]:
    """Returns the segments up to the last one of which anything is known."""
    segments = [*map(_segment, pieces)]
    while segments and segments[-1] is None:
        del segments[-1]
    return tuple(segments)


def _segment(piece: Sequence[Any]) -> Segment:
    begins = "".join(itertools.takewhile(_is_text, piece))
    if all(map(_is_text, piece)):
        return begins
    return _within(begins, "".join(reversed([*itertools.takewhile(_is_text, reversed(piece))])))


def _within(begins: str, ends: str) -> Segment:
    return (begins, ends) if begins or ends else None


def _with_and_without_format(segments: tuple[Segment, ...], last: Sequence[Any]) -> tuple[Way, ...]:
    """Returns two ways where the path is a text with ``{.format}`` at its end, so that both are indexed."""
    *texts, variable = last or ({},)
    if _is_text(variable) or variable.get("type") != "." or not all(map(_is_text, texts)):
        return (Way(segments),)
    text = "".join(texts)
    return Way((*segments[:-1], text)), Way((*segments[:-1], (f"{text}.", "")))


def _minimized(route: Any) -> Way:
    text = route.routelist[0] if route.routelist else ""
    if not _is_text(text) or text[:1] in ("", "/"):
        return Way(("",), ())
    may_go_on = len(route.routelist) > 1 and text[-1] != "/"
    certain = text[:-1] if text[-1] in route.done_chars else text
    *segments, last = f"/{certain}".split("/")
    return Way((*segments, _within(last, "") if may_go_on else last), ())


def _stays_within_segment(route: Any, part: dict[str, str]) -> bool:
    if part["type"] == "*" or part["name"] == "controller":
        return False
    requirement = route.reqs.get(part["name"])
    return not requirement or _WITHIN_SEGMENT.fullmatch(requirement) is not None


def _is_plain(route: Any, piece: Sequence[Any]) -> bool:
    """Whether a segment is one variable that takes any text without a backslash."""
    if len(piece) != 1 or _is_text(piece[0]):
        return False
    requirement = route.reqs.get(piece[0]["name"])
    return piece[0]["type"] == ":" and requirement in (None, "", MEMBER_REQUIREMENT)


def _is_text(part: Any) -> bool:
    return isinstance(part, str)
