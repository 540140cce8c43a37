"""The routes of a loaded app as rows: for ``wsgisrv routes``.

Rules: the app may be anything that paste makes: maps of prefixes, pipelines of filters, functions. What holds
an API is looked for in attributes, slots, closures and arguments, and in lists and dicts there, as deep as
pipelines go; each object once below each prefix.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from types import FunctionType, MemberDescriptorType, MethodType, ModuleType
from typing import Any

from wsgisrv.api.app import API
from wsgisrv.api.controller import Action, Plan
from wsgisrv.api.entry import Entry
from wsgisrv.errors import ConfigError

_DEEPEST = 50  # filters within each other
_WIDEST = 1000  # members of a list or dict
_MOST = 10_000  # objects that are looked into


@dataclasses.dataclass(frozen=True, slots=True)
class RouteRow:
    """One route, or what it is in some of its microversions.

    Args:
        method: of HTTP; ``*`` for every one.
        path: as declared, with its requirements, below where the API is mounted.
        action: ``Books.show``; the method's own name behind it where it has another.
        versions: ``1.0-1.2``; "" for an API that has none.
        schema: what is declared of it: ``body``, ``query``, ``page``, ``result``.
        condition: the name of the function that it depends on, "" for none.
        name: the route's, "" for none.
        place: ``file:line`` of the route's declaration.
    """

    method: str
    path: str
    action: str
    versions: str
    schema: Sequence[str]
    condition: str
    name: str
    place: str


def routes_of(app: Any) -> list[RouteRow]:
    """Returns the rows of every API in an app, in the order of paths.

    Raises:
        ConfigError: when the app is a class.
    """
    if isinstance(app, type):
        raise ConfigError(f"{app.__module__}:{app.__qualname__} is a class, and no app")
    rows = [row for prefix, api in _apis(app, "", set(), 0) for row in _rows(api, prefix)]
    return sorted(rows, key=lambda row: (row.path, row.method, row.versions))


def _rows(api: API, prefix: str) -> Iterator[RouteRow]:
    for entry in api.router.entries:
        if "format" in entry.variables and not entry.answers_format:
            continue
        path = _path(entry, prefix)
        for method in entry.methods or ("*",):
            for action in entry.actions:
                for name, versions, plan in _spans(api, action):
                    yield RouteRow(
                        method, path, name, versions, _schema(plan), _condition(entry),
                        entry.route.name or "", entry.place,
                    )  # fmt: skip


def _path(entry: Entry, prefix: str) -> str:
    """Returns the path as it would be declared; the root of what is mounted is where that is mounted."""
    path = "".join(
        part if isinstance(part, str) else _variable(part, entry.requirements.get(part["name"]))
        for part in entry.route.routelist
    )
    path = path if path.startswith("/") else f"/{path}"
    return prefix if prefix and path == "/" else prefix + path


def _variable(part: Mapping[str, str], requirement: str | None) -> str:
    kind, name = part["type"], part["name"]
    if kind == "*":
        return f"*({name})"
    asked = f":{requirement}" if requirement else ""
    return f"{{{'.' if kind == '.' else ''}{name}{asked}}}"


def _condition(entry: Entry) -> str:
    function = (entry.route.conditions or {}).get("function")
    return "" if function is None else str(getattr(function, "__qualname__", function))


def _spans(api: API, action: Action) -> Iterator[tuple[str, str, Plan]]:
    """Yields each plan of an action, with the name of what it calls and its versions."""
    names = api.versions.names if api.versions else [""]
    keys = sorted({key for plan in action.at if plan is not None for key in plan.subs or ("",)})
    for key in keys:  # of sub-actions; "" of an action that is none
        at = [_chosen(plan, key) for plan in action.at]
        for plan, group in itertools.groupby(enumerate(at), key=lambda found: found[1]):
            if plan is None:
                continue
            indexes = [index for index, _ in group]
            first, last = names[indexes[0]], names[indexes[-1]]
            yield _called(plan, key), first if first == last else f"{first}-{last}", plan


def _chosen(plan: Plan | None, key: str) -> Plan | None:
    return plan.subs.get(key) if plan is not None and plan.subs is not None else plan


def _called(plan: Plan, key: str) -> str:
    """Returns the action's name, and the method's where that is another, or what asks for it."""
    if key:
        return f"{plan.name.partition('.')[0]}.{plan.method.__name__} {{{key}}}"
    name = plan.name.rpartition(".")[2]
    method = getattr(plan.method, "__name__", name)
    return plan.name if method == name else f"{plan.name} ({method})"


def _schema(plan: Plan) -> list[str]:
    declared = {
        "body": plan.body, "query": plan.query, "page": plan.collection, "result": plan.result,
    }  # fmt: skip
    return [name for name, found in declared.items() if found is not None]


def _apis(
    app: Any, prefix: str, seen: set[tuple[int, str]], depth: int
) -> Iterator[tuple[str, API]]:
    if (id(app), prefix) in seen or depth > _DEEPEST or len(seen) >= _MOST:
        return
    seen.add((id(app), prefix))
    if isinstance(app, API):
        yield prefix, app
        return
    for more, inner in _within(app):
        yield from _apis(inner, prefix + more, seen, depth + 1)


def _within(app: Any) -> Iterator[tuple[str, Any]]:
    """Yields what an app may pass requests on to, with the path prefix for it."""
    mounted = [*_mounted(app)]
    yield from mounted
    known = {id(inner) for _, inner in mounted}
    for inner in _held(app):
        if isinstance(inner, _CONTAINERS):
            if not mounted:
                yield "", inner
        elif (
            callable(inner) and not isinstance(inner, type | ModuleType) and id(inner) not in known
        ):
            yield "", inner


_CONTAINERS = (dict, list, tuple)


def _mounted(app: Any) -> Iterator[tuple[str, Any]]:
    """Yields what a map of prefixes has: wsgisrv's urlmap, or paste.urlmap, whose places are (host, path)."""
    for name in ("apps", "applications"):
        known = getattr(app, name, None)
        for pair in known if isinstance(known, list | tuple) else ():
            if isinstance(pair, tuple) and len(pair) == 2:
                place, inner = pair
                yield place[1] if isinstance(place, tuple) else str(place), inner


def _held(app: Any) -> Iterator[Any]:
    if isinstance(app, dict):
        yield from itertools.islice(app.values(), _WIDEST)
    elif isinstance(app, list | tuple):
        yield from itertools.islice(app, _WIDEST)
    elif isinstance(app, functools.partial):
        yield from (app.func, *app.args, *app.keywords.values())
    elif isinstance(app, MethodType):
        yield from (app.__self__, app.__func__)
    elif isinstance(app, FunctionType):
        for cell in app.__closure__ or ():
            try:
                yield cell.cell_contents
            except ValueError:  # not filled yet
                continue
        yield from (app.__defaults__ or ())
    fields = getattr(app, "__dict__", None)
    if isinstance(fields, Mapping):
        yield from fields.values()
    yield from _in_slots(app)


def _in_slots(app: Any) -> Iterator[Any]:
    for kind in type(app).__mro__:
        for slot in vars(kind).values() if "__slots__" in vars(kind) else ():
            if isinstance(slot, MemberDescriptorType):
                try:
                    yield slot.__get__(app, kind)
                except AttributeError:  # not set
                    continue
