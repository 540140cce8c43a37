"""The routes of a loaded app as rows: for ``wsgisrv routes``.

Rules: the app may be anything that paste makes: maps of prefixes, pipelines of filters, functions. What holds
an API is looked for in attributes, closures and arguments, as deep as pipelines go.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Iterator, Mapping, Sequence
from types import FunctionType, MethodType, ModuleType
from typing import Any

from wsgisrv.api.app import API
from wsgisrv.api.controller import Action, Plan
from wsgisrv.api.entry import Entry

_DEEPEST = 50  # filters within each other


@dataclasses.dataclass(frozen=True, slots=True)
class RouteRow:
    """One route, or what it is in some of its microversions.

    Args:
        method: of HTTP; ``*`` for every one.
        path: as declared, below where the API is mounted.
        action: ``Books.show``; the method's own name behind it where it has another.
        versions: ``1.0-1.2``; "" for an API that has none.
        schema: what is declared of it: ``body``, ``query``, ``page``, ``result``.
        place: ``file:line`` of the route's declaration.
    """

    method: str
    path: str
    action: str
    versions: str
    schema: Sequence[str]
    place: str


def routes_of(app: Any) -> list[RouteRow]:
    """Returns the rows of every API in an app, in the order of paths."""
    rows = [row for prefix, api in _apis(app, "", set(), 0) for row in _rows(api, prefix)]
    return sorted(rows, key=lambda row: (row.path, row.method, row.versions))


def _rows(api: API, prefix: str) -> Iterator[RouteRow]:
    for entry in api.router.entries:
        if "format" in _names(entry) and not entry.answers_format:
            continue
        path = prefix + str(entry.route.routepath)
        for method in entry.methods or ("*",):
            for action in entry.actions:
                for name, versions, plan in _spans(api, action):
                    yield RouteRow(method, path, name, versions, _schema(plan), entry.place)


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


def _names(entry: Entry) -> list[str]:
    return [part["name"] for part in entry.route.routelist if isinstance(part, dict)]


def _apis(app: Any, prefix: str, seen: set[int], depth: int) -> Iterator[tuple[str, API]]:
    if isinstance(app, API):
        yield prefix, app
        return
    if depth > _DEEPEST or id(app) in seen:
        return
    seen.add(id(app))
    for more, inner in _within(app):
        yield from _apis(inner, prefix + more, seen, depth + 1)


def _within(app: Any) -> Iterator[tuple[str, Any]]:
    """Yields what an app may pass requests on to, with the path prefix for it."""
    for prefix, inner in getattr(app, "apps", None) or ():  # wsgisrv's urlmap
        yield prefix, inner
    for place, inner in getattr(app, "applications", None) or ():  # paste.urlmap: (host, path)
        yield place[1] if isinstance(place, tuple) else str(place), inner
    for inner in _held(app):
        if callable(inner) and not isinstance(inner, type | ModuleType):
            yield "", inner


def _held(app: Any) -> Iterator[Any]:
    if isinstance(app, functools.partial):
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
    if isinstance(fields, Mapping) and not isinstance(app, API):
        yield from fields.values()
