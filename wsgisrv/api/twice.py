"""Routes that are declared twice: two implementations of one route, or a mistake.

Rules: two routes are the same when they have one path but for the names of its variables, and no condition on
the request. Where their actions are there in different microversions, each answers in its own. Else it is
refused at start, with both places, when they have a method in common, or when the first has every method, so
that the second would never answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from wsgisrv.api.entry import Entry
from wsgisrv.errors import ConfigError


def check_twins(entries: Iterable[Entry], versions: int) -> None:
    """Checks that no two actions answer one route in one version.

    Args:
        entries: in the order of their declaration.
        versions: how many microversions there are; 1 where there are none.

    Raises:
        ConfigError: when there are two.
    """
    known: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.needs_environ:
            continue
        alike = known.setdefault(entry.route.makeregexp([], include_names=False), [])
        for twin in alike:
            if _has_methods_of(twin, entry.methods) and _meet(twin, entry, versions):
                path = entry.route.routepath
                raise ConfigError(f"{entry.place}: {path}: is declared at {twin.place} too")
        alike.append(entry)


def _has_methods_of(first: Entry, methods: Sequence[str] | None) -> bool:
    """Whether the first has one of the methods that a second has; None is every one.

    One for every method may stand behind those for some: it has the others.
    """
    if first.methods is None:
        return True
    return methods is not None and not set(first.methods).isdisjoint(methods)


def _meet(first: Entry, second: Entry, versions: int) -> bool:
    return any(first.is_there(index) and second.is_there(index) for index in range(versions))
