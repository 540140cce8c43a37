"""Routes that are declared twice: two implementations of one route, or a mistake.

Rules: two routes are the same when they have one path but for the names of its variables, a method in
common, and no condition on the request. Where their actions are there in different microversions, they are
one route with both; else it is refused at start, with both places.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from wsgisrv.api.controller import Action, Plan
from wsgisrv.api.entry import Entry
from wsgisrv.errors import ConfigError

_GROUP = re.compile(r"\?P<[^>]*>")


def without_twins(entries: Sequence[Entry]) -> list[Entry]:
    """Returns the entries, those of one route as one.

    Raises:
        ConfigError: when two actions answer one route in one version.
    """
    kept: list[Entry] = []
    known: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        if entry.needs_environ:
            kept.append(entry)
            continue
        names = [(_shape(entry), method) for method in entry.methods or [""]]
        twin = next((known[name] for name in names if name in known), None)
        if twin is None:
            kept.append(entry)
            known.update(dict.fromkeys(names, entry))
        else:
            _join(twin, entry)
    return kept


def _shape(entry: Entry) -> str:
    return str(_GROUP.sub("", entry.route.regmatch.pattern))


def _join(first: Entry, second: Entry) -> None:
    where = f"{second.place}: {second.route.routepath}: is declared at {first.place} too"
    same_methods = set(first.methods or ()) == set(second.methods or ())
    same_names = first.route.regmatch.pattern == second.route.regmatch.pattern
    if first.action is None or second.action is None or not (same_methods and same_names):
        raise ConfigError(where)
    at: list[Plan | None] = []
    for one, other in zip(first.action.at, second.action.at, strict=True):
        if one is not None and other is not None:
            raise ConfigError(f"{where}, as {first.action.name}")
        at.append(one or other)
    first.action = Action(first.action.name, at, first.action.place)
