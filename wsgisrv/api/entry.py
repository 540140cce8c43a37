"""One route as the router keeps it: its shape, its action, and how its path arguments are read.

Rules: made at start; ``match`` gives what routes.Route.match would, without controller and action, for a
path of the entry's shape. Two differences are meant. A path has to match as a whole, where Routes' ``$``
forgives a line feed at the end. And an action that does not take ``format`` (Routes adds ``.:(format)`` to
every path of a resource) does not answer paths that have one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from wsgisrv.api.controller import Action
from wsgisrv.api.resolve import Resolver
from wsgisrv.api.shape import shape_of
from wsgisrv.errors import ConfigError

Match = tuple[Action, dict[str, Any]]
"""The action that answers and its named path arguments."""

_NOT_ARGUMENTS = ("controller", "action")
_RESOURCE_ACTIONS = ("index", "create", "new", "show", "edit", "update", "patch", "delete")

SUB_ACTIONS = "*sub-actions*"
"""Stands for the action of a route whose body says which it is."""


class Entry:
    """Args:
    route: of routes.Mapper, with its regexp made.
    rank: place in the order in which routes are tried.
    controllers: by the names that the mapper knows.
    place: ``file:line`` of the declaration.
    resolver: finds the actions of a controller.

    Raises:
        ConfigError: when the route cannot be answered.
    """

    __slots__ = (
        "_actions", "_constants", "_controllers", "_fallbacks", "_no_format", "_resolver", "_variables",
        "action", "methods", "needs_environ", "place", "rank", "route", "route_path",
        "shape",
    )  # fmt: skip

    def __init__(
        self,
        route: Any,
        rank: int,
        controllers: Mapping[str, object],
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
        methods = conditions.get("method")
        self.methods = [methods] if isinstance(methods, str) else methods
        self.needs_environ = bool(conditions.keys() - {"method"})
        self._variables = self.shape.variables
        in_path = route.regmatch.groupindex
        self._constants = {
            name: value
            for name, value in route.defaults.items()
            if name not in in_path and name not in _NOT_ARGUMENTS
        }
        self._fallbacks = {
            name: value for name, value in route.defaults.items() if name in in_path and value
        }
        self._no_format = False
        self.action: Action | None = None
        self._actions: Mapping[str, Action] = {}
        self._controllers: Mapping[str, Mapping[str, Action]] = {}
        self._resolve(controllers, in_path)

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
            ConfigError: when there is none, but for the seven that Routes declares of every resource.
        """
        if self.actions:
            return not (self._no_format and self._has_format_always())
        action = self.route.defaults.get("action")
        if not self.route.collection_name or action not in _RESOURCE_ACTIONS:
            raise ConfigError(f"{self.place}: {self.route.routepath}: no action {action!r}")
        return False

    def _has_format_always(self) -> bool:
        """Whether each path of the route has a ``format``: ``.:(format)``, unlike ``{.format}``."""
        variables = (part for part in self.route.routelist if not isinstance(part, str))
        return any((part["type"], part["name"]) == (":", "format") for part in variables)

    def match(self, path: str, segments: Sequence[str]) -> Match | None:
        """Returns the match, if ``path`` has one.

        Args:
            segments: of the path, at least as many as the shape has.
        """
        if self._variables is None:
            return self._match_regexp(path)
        arguments = {}
        for name, place in self._variables:
            value = segments[place]
            if not value:
                return None
            arguments[name] = value
        return self._with_action(arguments)

    def match_environ(self, path: str, environ: dict[str, Any]) -> Match | None:
        """Returns the match, if there is one, of a route with conditions on the request."""
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

    def _match_regexp(self, path: str) -> Match | None:
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

    def _resolve(self, controllers: Mapping[str, object], in_path: Mapping[str, int]) -> None:
        """Finds the action, or those among which the path chooses."""
        arguments = {*in_path, *self._constants} - set(_NOT_ARGUMENTS)
        if "controller" in in_path:
            self._controllers = {
                name: _callable_with(arguments, self._resolver.actions_of(controller))
                for name, controller in controllers.items()
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
        if "action" in in_path:
            self._actions = _callable_with(arguments, actions)
            return
        self.action = actions.get(wanted)
        if self.action is not None:
            self._check_arguments(self.action, arguments)

    def _check_arguments(self, action: Action, arguments: set[str]) -> None:
        if "format" in arguments and not action.takes("format"):
            self._no_format = True
            arguments.discard("format")
        if complaint := action.complaint(arguments):
            raise ConfigError(f"{self.place}: {self.route.routepath}: {complaint}")


def _callable_with(arguments: set[str], actions: Mapping[str, Action]) -> dict[str, Action]:
    return {name: one for name, one in actions.items() if not one.complaint(arguments)}
