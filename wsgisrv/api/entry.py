"""One route as the router keeps it: its shape, its action, and how its path arguments are read.

Rules: made at start; ``match`` gives what routes.Route.match would, without controller and action, for a
path of the entry's shape. Three differences are meant. A path has to match as a whole, where Routes' ``$``
forgives a line feed at the end. An action that does not take ``format`` (Routes adds ``.:(format)`` to every
path of a resource) does not answer paths that have one. And what is not there in the microversion asked for
is as if it were not declared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wsgisrv.api.controller import Action
from wsgisrv.api.resolve import Resolver
from wsgisrv.api.shape import MEMBER_REQUIREMENT, shape_of
from wsgisrv.errors import ConfigError

Match = tuple[Action, dict[str, Any]]
"""The action that answers and its named path arguments."""

_NOT_ARGUMENTS = ("controller", "action")

SUB_ACTIONS = "*sub-actions*"
"""Stands for the action of a route whose body says which it is."""


class Entry:
    """Args:
    route: of routes.Mapper.
    rank: place in the order in which routes are tried.
    controllers: by the names that the mapper knows.
    named: those of them that a path may name.
    place: ``file:line`` of the declaration.
    resolver: finds the actions of a controller.

    Raises:
        ConfigError: when the route cannot be answered.
    """

    __slots__ = (
        "_actions", "_constants", "_controllers", "_decided", "_fallbacks", "_members", "_no_format",
        "_resolver", "_variables", "action", "is_versioned", "match", "methods", "needs_environ", "place",
        "rank", "requirements", "route", "route_path", "shape", "variables",
    )  # fmt: skip

    match: Callable[[str, Sequence[str]], Match | None]
    """Returns the match, if a path has one: gets the path, and its segments, as many as the shape has."""

    def __init__(
        self,
        route: Any,
        rank: int,
        controllers: Mapping[str, object],
        named: Mapping[str, object],
        place: str,
        resolver: Resolver,
    ) -> None:
        self.route = route
        path = str(route.routepath)
        self.route_path = path.removesuffix("{.format}").removesuffix(".:(format)")
        self.shape = shape_of(route)
        self.rank = (-len(self.shape.beginning), rank)
        self.place = place
        self._resolver = resolver
        conditions = route.conditions or {}
        self.methods: Sequence[str] | None = conditions.get("method")
        self.needs_environ = bool(conditions.keys() - {"method"})
        self.variables = [part["name"] for part in route.routelist if isinstance(part, dict)]
        asked = {name: route.reqs[name] for name in self.variables if route.reqs.get(name)}
        self._members = [name for name, asks in asked.items() if asks == MEMBER_REQUIREMENT]
        self.requirements = {name: asked[name] for name in asked if name not in self._members}
        self._constants = {
            name: value
            for name, value in route.defaults.items()
            if name not in self.variables and name not in _NOT_ARGUMENTS
        }
        self._fallbacks = {
            name: value
            for name, value in route.defaults.items()
            if name in self.variables and value
        }
        self._no_format = False
        self.action: Action | None = None
        self._actions: Mapping[str, Action] = {}
        self._controllers: Mapping[str, Mapping[str, Action]] = {}
        self._resolve(controllers, named)
        self._decided = None if self._constants or self._no_format else self.action
        self.is_versioned = any(None in action.at for action in self.actions)
        self._variables = self.shape.variables or ()
        self.match = self._match_segments
        if self.shape.variables is None:
            self.match = self._match_regexp
        elif self._members:
            self.match = self._match_members

    @property
    def actions(self) -> list[Action]:
        """Every action that the route may lead to."""
        if self.action is not None:
            return [self.action]
        of_controllers = (one for actions in self._controllers.values() for one in actions.values())
        return [*self._actions.values(), *of_controllers]

    @property
    def answers_format(self) -> bool:
        """Whether paths with a ``format`` are answered."""
        return not self._no_format

    def check_answered(self) -> bool:
        """Whether there is an action, and any path that it answers.

        Raises:
            ConfigError: when there is no action.
        """
        if self.actions:
            return not (self._no_format and self._has_format_always())
        action = self.route.defaults.get("action")
        raise ConfigError(f"{self.place}: {self.route.routepath}: no action {action!r}")

    def _has_format_always(self) -> bool:
        """Whether each path of the route has a ``format``: ``.:(format)``, unlike ``{.format}``."""
        variables = (part for part in self.route.routelist if not isinstance(part, str))
        return any((part["type"], part["name"]) == (":", "format") for part in variables)

    def make_regexp(self) -> None:
        """Makes the route's regexp, where it is ever asked; most have a shape that says all."""
        if self.shape.variables is None or self.needs_environ:
            self.route.makeregexp([*self._controllers])

    def is_there(self, version: int) -> bool:
        """Whether the route leads to an action in the microversion of that index."""
        return any(action.at[version] is not None for action in self.actions)

    def match_environ(self, path: str, environ: dict[str, Any]) -> Match | None:
        """Returns the match, if there is one, of a route with conditions on the request.

        As with Routes, the condition may leave arguments in what was found, and anything in the environ.
        """
        if not self.route.regmatch.fullmatch(path):
            return None
        found = self.route.match(path, environ)
        return self.take(found) if isinstance(found, dict) else None

    def take(self, found: dict[str, Any]) -> Match | None:
        """Returns the match for what Routes found."""
        if self._no_format and found.pop("format", None) is not None:
            return None
        if self.action is not None:
            for name in _NOT_ARGUMENTS:
                found.pop(name, None)
            return self.action, found
        actions = self._actions
        if self._controllers:
            actions = self._controllers.get(found.pop("controller") or "", {})
        found.pop("controller", None)
        action = actions.get(found.pop("action", None) or "")
        return None if action is None else (action, found)

    def _match_segments(self, path: str, segments: Sequence[str]) -> Match | None:
        arguments = {}
        for name, place in self._variables:
            value = segments[place]
            if not value:
                return None
            arguments[name] = value
        decided = self._decided
        return self._with_action(arguments) if decided is None else (decided, arguments)

    def _match_members(self, path: str, segments: Sequence[str]) -> Match | None:
        match = self._match_segments(path, segments)
        if match is None or "\\" not in path:
            return match
        return None if any(match[1][name].endswith("\\") for name in self._members) else match

    def _match_regexp(self, path: str, segments: Sequence[str]) -> Match | None:
        match = self.route.regmatch.fullmatch(path)
        if match is None:
            return None
        arguments = match.groupdict()
        for name, value in self._fallbacks.items():
            if not arguments[name]:
                arguments[name] = value
        return self._with_action(arguments)

    def _with_action(self, arguments: dict[str, Any]) -> Match | None:
        if self._constants:
            arguments.update(self._constants)
        if self.action is not None and not self._no_format:
            return self.action, arguments
        for name in _NOT_ARGUMENTS:
            if name not in arguments and name in self.route.defaults:
                arguments[name] = self.route.defaults[name]
        return self.take(arguments)

    def _resolve(self, controllers: Mapping[str, object], named: Mapping[str, object]) -> None:
        """Finds the action, or those among which the path chooses."""
        arguments = {*self.variables, *self._constants} - set(_NOT_ARGUMENTS)
        if "controller" in self.variables:
            self._controllers = {
                name: self._callable_with(arguments, self._resolver.actions_of(controller))
                for name, controller in named.items()
            }
            return
        name = self.route.defaults.get("controller")
        if name not in controllers:
            raise ConfigError(f"{self.place}: {self.route.routepath}: no controller {name!r}")
        wanted = self.route.defaults.get("action")
        if wanted == SUB_ACTIONS:
            self.action = self._resolver.sub_actions_of(controllers[name], self.place)
            self._check_arguments(self.action, arguments)
            return
        actions = self._resolver.actions_of(controllers[name])
        if "action" in self.variables:
            self._actions = self._callable_with(arguments, actions)
            return
        self.action = actions.get(wanted)
        if self.action is not None:
            self._check_arguments(self.action, arguments)

    def _check_arguments(self, action: Action, arguments: set[str]) -> None:
        if "format" in arguments and not action.takes("format"):
            self._no_format = True
            arguments.discard("format")
        if complaint := action.complaint(arguments, may_lack=self.needs_environ):
            raise ConfigError(f"{self.place}: {self.route.routepath}: {complaint}")

    def _callable_with(
        self, arguments: set[str], actions: Mapping[str, Action]
    ) -> dict[str, Action]:
        return {
            name: one
            for name, one in actions.items()
            if not one.complaint(arguments, may_lack=self.needs_environ)
        }
