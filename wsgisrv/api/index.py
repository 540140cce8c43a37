"""The index of a router: from a method and a path to the few routes that may match.

Rules: built once from the shapes of all routes; a lookup then costs a step for each segment of the path,
however many routes there are. Nothing that a client sends is kept. Of the candidates, the first that
matches in the order of ``rank`` wins, which is the order of Mapper.match.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from wsgisrv.api.entry import Entry, Match
from wsgisrv.current import ROUTE

_by_rank = attrgetter("rank")


class _Node:
    """What is known of the routes after some segments of a path."""

    __slots__ = ("any_segment", "ending", "literal", "opening")

    def __init__(self) -> None:
        self.literal: dict[str, _Node] = {}
        self.any_segment: _Node | None = None
        self.ending: list[Entry] = []  # the path has to end here
        self.opening: list[Entry] = []  # anything may follow


class Index:
    """The routes of one method.

    Args:
        method: as the routes' conditions have it; "" for all that none of them names.
        entries: those of the method.
    """

    def __init__(self, method: str, entries: Sequence[Entry]) -> None:
        self._method = method
        self._root = _Node()
        self._most_segments = max((len(entry.shape.segments) for entry in entries), default=0)
        for entry in sorted(entries, key=_by_rank):
            self._add(entry)
        self._literal: dict[str, Match] = {}
        self._literal = self._decide_literal_paths(entries)

    def find(self, path: str, environ: dict[str, Any] | None = None) -> Match | None:
        """Returns what answers ``path``, if anything does.

        Args:
            environ: of the request, for the routes that have conditions on it; is told the route.
        """
        decided = self._literal.get(path)
        if decided is not None:
            if environ is not None:
                environ[ROUTE] = path
            return decided[0], decided[1].copy()
        # One segment more than any route has stands for all that are too many.
        segments = path.split("/", self._most_segments)
        for entry in self._candidates(segments):
            if entry.needs_environ:
                match = self._find_by_condition(entry, path, environ or {})
            else:
                match = entry.match(path, segments)
            if match is not None:
                if environ is not None:
                    environ[ROUTE] = entry.route_path
                return match
        return None

    def _find_by_condition(self, entry: Entry, path: str, environ: dict[str, Any]) -> Match | None:
        # The method is the one that is looked for: for HEAD it may be GET, for Allow each in turn.
        if self._method:
            environ = {**environ, "REQUEST_METHOD": self._method}
        return entry.match_environ(path, environ)

    def _add(self, entry: Entry) -> None:
        node = self._root
        for segment in entry.shape.segments:
            if segment is not None:
                node = node.literal.setdefault(segment, _Node())
            else:
                node.any_segment = node.any_segment or _Node()
                node = node.any_segment
        (node.opening if entry.shape.is_open else node.ending).append(entry)

    def _candidates(self, segments: Sequence[str]) -> Sequence[Entry]:
        """Returns the routes of the path's shape, in the order of rank."""
        node = self._root
        for segment in segments:
            child = node.literal.get(segment)
            if child is None:
                child = node.any_segment
            elif node.any_segment is not None:
                return self._all_candidates(segments)
            if node.opening:
                return self._all_candidates(segments)
            if child is None:
                return ()
            node = child
        if node.opening:
            return self._all_candidates(segments)
        return node.ending

    def _all_candidates(self, segments: Sequence[str]) -> Sequence[Entry]:
        """Likewise, where the path leads to more than one place: never more than there are routes."""
        nodes = [self._root]
        found: list[Entry] = []
        for segment in segments:
            following = []
            for node in nodes:
                found += node.opening
                if segment in node.literal:
                    following.append(node.literal[segment])
                if node.any_segment is not None:
                    following.append(node.any_segment)
            nodes = following
        for node in nodes:
            found += node.opening
            found += node.ending
        return sorted(found, key=_by_rank)

    def _decide_literal_paths(self, entries: Sequence[Entry]) -> dict[str, Match]:
        """Finds, for each path that a route spells out, what answers it."""
        decided = {}
        for path in {entry.shape.literal for entry in entries if entry.shape.literal}:
            segments = path.split("/", self._most_segments)
            if not any(entry.needs_environ for entry in self._candidates(segments)):
                match = self.find(path)
                if match is not None:
                    decided[path] = match
        return decided
