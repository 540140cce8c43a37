"""The index of a router: from a method and a path to the few routes that may match.

Rules: built once from the shapes of all routes; a lookup then costs a step for each segment of the path,
however many routes there are. Nothing that a client sends is kept. Of the candidates, the first that
matches in the order of ``rank`` wins, which is the order of Mapper.match; one that is not there in the
microversion asked for is passed over.

What stays linear are routes that may match one path by all that is known of their shapes: in one place, with
a regexp that may hold a slash, and no literal text behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import attrgetter
from typing import Any

from wsgisrv.api.controller import Action
from wsgisrv.api.entry import Entry, Match
from wsgisrv.api.shape import Segment, Way
from wsgisrv.current import ROUTE

_by_rank = attrgetter("rank")


class _Node:
    """What is known of the routes after some segments of a path."""

    __slots__ = ("any_segment", "anywhere", "ending", "forks", "from_end", "literal", "partial")

    def __init__(self) -> None:
        self.literal: dict[str, _Node] = {}
        self.any_segment: _Node | None = None
        # By the lengths of how a segment begins and ends, then by these: one look for each pair of lengths.
        self.partial: dict[tuple[int, int], dict[tuple[str, str], _Node]] = {}
        self.ending: list[Entry] = []  # the path has to end here
        self.anywhere: list[Entry] = []  # anything may follow
        self.from_end: _Node | None = None  # anything may, but for the last segments
        self.forks = False  # whether there is one of the three

    def add(self, segments: Iterable[Segment]) -> _Node:
        """Returns the node that the segments lead to."""
        node = self
        for segment in segments:
            if segment is None:
                node.any_segment = node.any_segment or _Node()
                node = node.any_segment
            elif isinstance(segment, str):
                node = node.literal.setdefault(segment, _Node())
            else:
                node.forks = True
                begins, ends = segment
                known = node.partial.setdefault((len(begins), len(ends)), {})
                node = known.setdefault(segment, _Node())
        return node

    def partly(self, segment: str) -> list[_Node]:
        """Returns the nodes of segments that begin and end as this one does."""
        found = []
        size = len(segment)
        for (begins, ends), known in self.partial.items():
            if begins + ends <= size:
                node = known.get((segment[:begins], segment[size - ends :]))
                if node is not None:
                    found.append(node)
        return found


class Index:
    """The routes of one method.

    Args:
        method: as the routes' conditions have it; "" for all that none of them names.
        entries: those of the method.
    """

    def __init__(self, method: str, entries: Sequence[Entry]) -> None:
        self._method = method
        self._root = _Node()
        ways = [way for entry in entries for way in entry.shape.ways]
        self._most_segments = max((len(way.segments) for way in ways), default=0)
        self._most_from_end = max((len(way.end or ()) for way in ways), default=0)
        for entry in sorted(entries, key=_by_rank):
            for way in entry.shape.ways:
                self._add(entry, way)
        self._literal: dict[str, tuple[Action, dict[str, Any], str]] = {}
        self._literal = self._decide_literal_paths(ways)

    def find(
        self, path: str, environ: dict[str, Any] | None = None, version: int | None = None
    ) -> Match | None:
        """Returns what answers ``path``, if anything does.

        Args:
            environ: of the request, for the routes that have conditions on it; is told the route.
            version: index of the microversion in which it has to be there; None for any.
        """
        decided = self._literal.get(path)
        if decided is not None:
            if environ is not None:
                environ[ROUTE] = decided[2]
            return decided[0], decided[1].copy()
        # One segment more than any route has stands for all that are too many.
        segments = path.split("/", self._most_segments)
        for entry in self._candidates(path, segments):
            if entry.needs_environ:
                match = self._find_by_condition(entry, path, {} if environ is None else environ)
            else:
                match = entry.match(path, segments)
            if match is None:
                continue
            if entry.is_versioned and version is not None and match[0].at[version] is None:
                continue
            if environ is not None:
                environ[ROUTE] = entry.route_path
            return match
        return None

    def _find_by_condition(self, entry: Entry, path: str, environ: dict[str, Any]) -> Match | None:
        """Asks the route's condition, which may leave something in the environ.

        The method that it sees is the one that is looked for: for HEAD it may be GET, for Allow each in turn.
        """
        if not self._method:
            return entry.match_environ(path, environ)
        of_request = environ.get("REQUEST_METHOD", self._method)
        environ["REQUEST_METHOD"] = self._method
        try:
            return entry.match_environ(path, environ)
        finally:
            environ["REQUEST_METHOD"] = of_request

    def _add(self, entry: Entry, way: Way) -> None:
        node = self._root.add(way.segments)
        if way.end is None:
            node.ending.append(entry)
            return
        node.forks = True
        if way.end:
            node.from_end = node.from_end or _Node()
            node = node.from_end.add(way.end)
            node.forks = True
        node.anywhere.append(entry)

    def _candidates(self, path: str, segments: Sequence[str]) -> Sequence[Entry]:
        """Returns the routes of the path's shape, in the order of rank."""
        node = self._root
        for segment in segments:
            child = node.literal.get(segment)
            if child is None:
                child = node.any_segment
            elif node.any_segment is not None:
                return self._all_candidates(path, segments)
            if node.forks:
                return self._all_candidates(path, segments)
            if child is None:
                return ()
            node = child
        if node.forks:
            return self._all_candidates(path, segments)
        return node.ending

    def _all_candidates(self, path: str, segments: Sequence[str]) -> Sequence[Entry]:
        """Likewise, where the path leads to more than one place: never more than there are routes."""
        found: list[Entry] = []
        for node in _walk(self._root, segments, found):
            found += node.anywhere
            if node.from_end is not None:
                back = path.rsplit("/", self._most_from_end)[::-1]
                for behind in _walk(node.from_end, back, []):
                    found += behind.anywhere
        return sorted(found, key=_by_rank) if len(found) > 1 else found

    def _decide_literal_paths(
        self, ways: Iterable[Way]
    ) -> dict[str, tuple[Action, dict[str, Any], str]]:
        """Finds, for each path that a route spells out, what answers it in every version, and its route."""
        decided = {}
        for path in {way.literal for way in ways if way.literal}:
            segments = path.split("/", self._most_segments)
            if any(entry.needs_environ for entry in self._candidates(path, segments)):
                continue
            environ: dict[str, Any] = {}
            match = self.find(path, environ)
            if match is not None and None not in match[0].at:
                decided[path] = (*match, environ[ROUTE])
        return decided


def _walk(start: _Node, segments: Iterable[str], ending: list[Entry]) -> list[_Node]:
    """Returns the nodes on the ways of the segments after which anything may follow.

    Args:
        ending: gets the routes that end where the segments do.
    """
    forks: list[_Node] = []
    nodes = [start]
    for segment in segments:
        following = []
        for node in nodes:
            if node.forks:
                forks.append(node)
                if node.partial:
                    following += node.partly(segment)
            child = node.literal.get(segment)
            if child is not None:
                following.append(child)
            if node.any_segment is not None:
                following.append(node.any_segment)
        if not following:
            return forks
        nodes = following
    for node in nodes:
        ending += node.ending
    return forks + nodes
