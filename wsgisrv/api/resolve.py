"""Plans out of declarations: for each action and microversion what is done, worked out at start.

Rules: whatever is declared wrongly is one ConfigError that begins with file and line. A request pays for
what its action declares and nothing else: an action without schemas, hooks and parameters of the kind has
no ``prepare`` at all.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import logging
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from typing import Any

import webob
from webob import exc

from wsgisrv.api import conditions
from wsgisrv.api.actions import Actions, methods_of
from wsgisrv.api.controller import SUPPLIED, Action, Plan, Prepare
from wsgisrv.api.declared import (
    DeclaredSchema,
    Span,
    declared_of,
    place_of,
)
from wsgisrv.api.faults import BrokenResultError, InvalidFields
from wsgisrv.api.listing import item_schema, page_schema
from wsgisrv.api.microversions import Microversions
from wsgisrv.api.pagination import Collection
from wsgisrv.api.policy import Enforcer, check_rule
from wsgisrv.api.querystring import QueryReader
from wsgisrv.api.request import Request
from wsgisrv.api.results import is_stream
from wsgisrv.api.schema import Check, Formats
from wsgisrv.api.sub_actions import choosers
from wsgisrv.errors import ConfigError

_LOG = logging.getLogger("wsgisrv.api")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class ResolveSettings:
    """What an API says about all of its actions.

    Args:
        versions: its microversions, if it has any.
        enforcer: of policies.
        formats: of schemas.
        result_errors: ``log``, ``fail`` or ``ignore``: what a result that breaks its schema leads to.
    """

    versions: Microversions | None = None
    enforcer: Enforcer | None = None
    formats: Formats = dataclasses.field(default_factory=dict)
    result_errors: str = "log"


class Resolver:
    """Finds the actions of controllers, each controller once."""

    def __init__(self, settings: ResolveSettings) -> None:
        self._settings = settings
        self._known: dict[int, tuple[object, Actions]] = {}
        self._checks: dict[tuple[int, str], tuple[object, Check]] = {}

    def actions_of(self, controller: object) -> Actions:
        """Returns the actions by name: the methods that the controller's class shows to the public.

        Raises:
            ConfigError: when its declarations are lost.
        """
        known = self._known.get(id(controller))
        if known is None:
            known = self._known[id(controller)] = (controller, Actions(controller, self._action))
        return known[1]

    def sub_actions_of(self, controller: object, place: str) -> Action:
        """Returns the one action that stands for all sub-actions of a controller.

        Raises:
            ConfigError: when there are none.
        """
        kind = type(controller).__name__
        named: dict[str, list[Callable[..., Any]]] = {}
        for _, method in methods_of(controller):
            if declared_of(method).sub_action:
                named.setdefault(declared_of(method).sub_action, []).append(method)
        if not named:
            raise ConfigError(f"{place}: {kind} has no sub_action")
        actions = {name: self._action(controller, name, methods) for name, methods in named.items()}
        return Action(f"{kind}.action", choosers(f"{kind}.action", actions, self._count()), place)

    def _action(
        self, controller: object, name: str, methods: Sequence[Callable[..., Any]]
    ) -> Action:
        kind = type(controller).__name__
        at: list[Plan | None] = [None] * self._count()
        owners: dict[int, Callable[..., Any]] = {}
        for method in methods:
            declared = declared_of(method)
            for index in self._range(declared.span):
                if index in owners:
                    raise ConfigError(
                        f"{place_of(method)}: {kind}.{name}: overlaps"
                        f" {place_of(owners[index])} {self._named(index)}".rstrip()
                    )
                owners[index] = method
        for method in methods:
            mine = [index for index, owner in owners.items() if owner is method]
            for index, plan in zip(mine, self._plans(controller, name, method, mine), strict=True):
                at[index] = plan
        return Action(f"{kind}.{name}", at, place_of(methods[-1]))

    def _plans(
        self, controller: object, name: str, method: Callable[..., Any], indexes: Sequence[int]
    ) -> list[Plan]:
        """Returns a plan for each index; indexes for which all is the same have the same."""
        name = f"{type(controller).__name__}.{name}"
        declared = declared_of(method)
        for span in declared.spans:
            if not set(indexes).intersection(self._spanned(span)):
                raise ConfigError(f"{span.place}: {name} is in none of the versions {span}")
        schemas = [
            self._by_index(found, f"{what} schemas")
            for what, found in (
                ("body", declared.bodies),
                ("query", declared.queries),
                ("result", declared.responses),
            )
        ]
        for listed, span in declared.collections:
            if not isinstance(listed, Collection):
                raise ConfigError(f"{span.place}: lists takes a Collection, not {listed!r}")
        collections = self._spread(declared.collections, "lists")
        plans: dict[tuple[int, ...], Plan] = {}
        found = []
        for index in indexes:
            body, query, result = (by_index.get(index) for by_index in schemas)
            collection = collections.get(index)
            if result is None and collection is not None and collection.item is not None:
                result = self._check_of_page(collection)
            key = tuple(map(id, (body, query, result, collection)))
            if key not in plans:
                plans[key] = self._plan(controller, name, method, body, query, result, collection)
            found.append(plans[key])
        return found

    def _plan(
        self,
        controller: object,
        name: str,
        method: Callable[..., Any],
        body: Check | None,
        query: Check | None,
        result: Check | None,
        collection: Any,
    ) -> Plan:
        declared = declared_of(method)
        place = place_of(method)
        if inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method):
            raise ConfigError(f"{place}: {name}: an action is a plain function, not an async one")
        if declared.is_conditional and inspect.isgeneratorfunction(method):
            raise ConfigError(f"{place}: {name}: a generator runs too late to check conditions")
        if declared.status in (204, 205) and (result is not None or declared.location):
            raise ConfigError(
                f"{place}: {name}: responds with {declared.status}, which has no result and no location"
            )
        status = f"{declared.status or 200} {HTTPStatus(declared.status or 200).phrase}"
        call = _without_body(_within_hooks(controller, method), name, declared.status)
        return Plan(
            name=name,
            call=conditions.checking(call, name) if declared.is_conditional else call,
            method=method,
            declared=declared,
            status=status,
            empty_status=status if declared.status else "204 No Content",
            location=declared.location,
            offers=tuple(declared.media_types),
            is_stream=is_stream(method),
            prepare=self._prepare(controller, method, body, query, collection),
            is_valid_result=None
            if self._settings.result_errors == "ignore" or result is None
            else result.fits,
            blame_result=self._blame(name, result),
            body=body,
            query=query,
            result=result,
            collection=collection,
        )

    def _prepare(
        self,
        controller: object,
        method: Callable[..., Any],
        body: Check | None,
        query: Check | None,
        collection: Any,
    ) -> Prepare | None:
        declared = declared_of(method)
        taken = set(inspect.signature(method).parameters) & set(SUPPLIED)
        place = place_of(method)
        if query is not None and collection is not None:
            raise ConfigError(f"{place}: lists and query both say what the query is")
        if "page" in taken and collection is None and not declared.collections:
            raise ConfigError(f"{place}: takes page, but does not say what it lists")
        steps: list[Prepare] = [
            *([_offer_step(tuple(declared.media_types))] if declared.media_types else []),
            *(check_rule(self._settings.enforcer, rule, at) for rule, at in declared.rules),
            *([conditions.expecting(declared)] if declared.is_conditional else []),
            *(hook.of(controller) for hook in declared.before),
        ]
        if collection is not None:
            steps.append(_page_step(collection, "page" in taken))
        elif query is not None or "query" in taken:
            steps.append(_query_step(query, "query" in taken))
        if (body is not None or "body" in taken) and not declared.sub_action:
            steps.append(_body_step(body, "body" in taken))
        if declared.sub_action:
            steps.append(_sub_body_step(declared.sub_action, body, "body" in taken))
        return _in_turn(steps)

    def _blame(self, name: str, result: Check | None) -> Callable[[Request, Any], None]:
        def blame(request: Request, value: Any) -> None:
            found = result.problems(value) if result is not None else {}
            problems = "; ".join(f"{pointer or '/'}: {text}" for pointer, text in found.items())
            if self._settings.result_errors == "fail":
                raise BrokenResultError(f"the result of {name}: {problems}")
            _LOG.error("%s: the result of %s: %s", request.request_id, name, problems)

        return blame

    def _by_index(self, schemas: Iterable[DeclaredSchema], what: str) -> dict[int, Check]:
        return self._spread([(self._checked(one), one.span) for one in schemas], what)

    def _spread(self, declared: Iterable[tuple[Any, Span]], what: str) -> dict[int, Any]:
        found: dict[int, Any] = {}
        for one, span in declared:
            for index in self._spanned(span):
                if index in found:
                    raise ConfigError(f"{span.place}: two {what} {self._named(index)}".rstrip())
                found[index] = one
        return found

    def _checked(self, one: DeclaredSchema) -> Check:
        key = (id(one.schema), one.span.place)
        if key not in self._checks:
            check = Check(one.schema, one.span.place, self._settings.formats)
            self._checks[key] = (one.schema, check)
        return self._checks[key][1]

    def _check_of_page(self, collection: Collection) -> Check:
        key = (id(collection), collection.place)
        if key not in self._checks:
            schema = page_schema(collection, item_schema(collection))
            check = Check(schema, collection.place, self._settings.formats)
            self._checks[key] = (collection, check)
        return self._checks[key][1]

    def _count(self) -> int:
        versions = self._settings.versions
        return len(versions.names) if versions else 1

    def _range(self, span: Span | None) -> range:
        versions = self._settings.versions
        if versions is not None:
            return versions.range_of(span)
        if span is not None:
            raise ConfigError(f"{span.place}: {span}: the API has no microversions")
        return range(1)

    def _spanned(self, span: Span) -> range:
        """As ``_range``, of a declaration that may say no versions, and is of all then."""
        return self._range(None if (span.first, span.last) == ("", "") else span)

    def _named(self, index: int) -> str:
        versions = self._settings.versions
        return f"in {versions.names[index]}" if versions else ""


def _within_hooks(controller: object, method: Callable[..., Any]) -> Callable[..., Any]:
    hooks = [hook.of(controller) for hook in declared_of(method).around]
    if not hooks:
        return method

    def call(request: Request, **arguments: Any) -> Any:
        with contextlib.ExitStack() as stack:
            for hook in hooks:
                stack.enter_context(hook(request, arguments))
            return method(request, **arguments)

    return call


def _without_body(call: Callable[..., Any], name: str, status: int) -> Callable[..., Any]:
    """Returns the action, which may return nothing where its status says that there is no body."""
    if status not in (204, 205):
        return call

    def checked(request: Request, **arguments: Any) -> Any:
        result = call(request, **arguments)
        if result is not None and not isinstance(result, webob.Response):
            raise TypeError(f"{name} responds with {status} and returned {type(result).__name__}")
        return result

    return checked


def _in_turn(steps: Sequence[Prepare]) -> Prepare | None:
    if len(steps) < 2:
        return steps[0] if steps else None

    def prepare(request: Request, arguments: dict[str, Any]) -> None:
        for step in steps:
            step(request, arguments)

    return prepare


def _offer_step(offers: tuple[str, ...]) -> Prepare:
    def step(request: Request, arguments: dict[str, Any]) -> None:
        if request.best_match(offers) is None:
            raise exc.HTTPNotAcceptable(f"{request.path} answers in {' or '.join(offers)}")
        if len(offers) > 1:
            request.answer_with("Vary", "Accept")

    return step


def _page_step(collection: Any, is_taken: bool) -> Prepare:
    def step(request: Request, arguments: dict[str, Any]) -> None:
        page = collection.page(request.query_pairs)
        if is_taken:
            arguments["page"] = page

    return step


def _query_step(check: Check | None, is_taken: bool) -> Prepare:
    reader = QueryReader(check.schema if check is not None else {})
    empty_is_valid = check is None or check.is_valid({})

    def step(request: Request, arguments: dict[str, Any]) -> None:
        if empty_is_valid and not request.environ.get("QUERY_STRING"):
            if is_taken:
                arguments["query"] = {}
            return
        values = reader.read(request.query_with_lists(reader))
        if check is not None and not check.is_valid(values):
            raise InvalidFields(check.problems(values, "?") or {"?": "is not valid"})
        if is_taken:
            arguments["query"] = values

    return step


def _body_step(check: Check | None, is_taken: bool) -> Prepare:
    def step(request: Request, arguments: dict[str, Any]) -> None:
        value = request.body_value
        if check is not None and not check.is_valid(value):
            raise InvalidFields(check.problems(value) or {"": "is not valid"})
        if is_taken:
            arguments["body"] = value

    return step


def _sub_body_step(name: str, check: Check | None, is_taken: bool) -> Prepare:
    def step(request: Request, arguments: dict[str, Any]) -> None:
        value = request.body_value[name]
        if check is not None and not check.is_valid(value):
            within = f"/{name}"
            raise InvalidFields(check.problems(value, within) or {within: "is not valid"})
        if is_taken:
            arguments["body"] = value

    return step
