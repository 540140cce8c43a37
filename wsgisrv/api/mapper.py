"""Routes' mapper as the router keeps it: it knows where each route was declared, and takes objects.

Rules: what is declared wrongly is refused at once, with file and line. A dict that is given to a declaration
is never changed, which Routes does.

Facts about Routes 2.5: ``resource`` declares each path of a resource with ``.:(format)`` behind it as well,
and those of the actions in ``collection`` before any other. It forgets the requirements of a resource for its
members, and the method ``any`` of an action, which it means to have, it looks for as ``ANY``.
"""

from __future__ import annotations

import collections
import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import routes
from routes.mapper import COLLECTION_ACTIONS, MEMBER_ACTIONS, strip_slashes

from wsgisrv.api import route_checks
from wsgisrv.api.actions import methods_of
from wsgisrv.api.controller import takes
from wsgisrv.api.declared import caller, declared_of
from wsgisrv.api.shape import MEMBER_REQUIREMENT
from wsgisrv.errors import ConfigError

RESOURCE_ACTIONS = (*COLLECTION_ACTIONS, *MEMBER_ACTIONS, "patch")


@dataclasses.dataclass(frozen=True, slots=True)
class DeclaredResource:
    """A resource.

    Args:
        path: of the collection.
        argument: of a member, in its path.
        requirements: of the variables in a member's path.
        controller: by name.
        place: ``file:line`` of the declaration.
    """

    path: str
    argument: str
    requirements: Mapping[str, str]
    controller: str
    place: str


class Mapper(routes.Mapper):  # type: ignore[misc]
    """Args:
    controllers: by name, for routes that name theirs.

    Raises:
        ConfigError: when one is a class.
    """

    def __init__(self, controllers: Mapping[str, object]) -> None:
        super().__init__(controller_scan=None, register=False)
        self.controllers: dict[str, object] = {}
        self.places: list[str] = []  # of matchlist
        self.is_frozen = False
        self._declaring: DeclaredResource | None = None
        self._takes_format: dict[str, dict[str, bool]] = {}  # by controller and action
        self._names: dict[int, str] = {}
        self._count: collections.Counter[str] = collections.Counter()
        for name, controller in controllers.items():
            self._add(name, controller)
        self.named = dict(self.controllers)  # which a path may name; no other object

    def connect(self, *args: Any, **more: Any) -> Any:
        """As routes.Mapper.connect; returns the route, if there is one.

        Raises:
            ConfigError: when the path, a requirement or a condition is wrong, or the router is in use.
        """
        name, path = args if len(args) == 2 else (None, *args)
        declaring = self._declaring
        place = declaring.place if declaring else caller()
        if declaring is not None:
            if not self._is_wanted(declaring.controller, path, more["action"]):
                return None
            path, more["requirements"] = _of_resource(declaring, path)
        if self.is_frozen:
            raise ConfigError(f"{place}: {path}: declared after the router was put to use")
        if "methods" in more:  # of a submapper, where ``Router.connect`` is not asked
            methods, conditions = more.pop("methods"), more.get("conditions") or {}
            more["conditions"] = {**conditions, **({} if methods is None else {"method": methods})}
        more = _checked(place, path, {"_explicit": True, "_minimize": self.minimization, **more})
        if "controller" in more:
            more["controller"] = self.name_of(more["controller"])
        try:
            route = self.make_route(name, path, **more)
            complaint = route_checks.wrong_names(names_in(route))
            if not complaint and not route.static and _may_be_wrong(route):
                route.makeregexp([])
        except re.error as error:
            complaint = str(error)
        if complaint:
            raise ConfigError(f"{place}: {path}: {complaint}")
        if name:
            self._routenames[name] = route
        if not route.static:  # which only makes URLs
            self.matchlist.append(route)
            self.places.append(place)
            # Routes goes through all sets of variables here, each time.
            self.maxkeys.setdefault(route.maxkeys, []).append(route)
            self._created_gens = False
        return route

    def resource(self, member_name: str, collection_name: str, **options: Any) -> DeclaredResource:
        """As routes.Mapper.resource, but for the actions that the controller does not have.

        Besides, ``PATCH`` on a member is the action ``patch``.

        Args:
            options: those of Routes, of which only ``controller`` is needed; ``argument`` is a member's in
                the place of ``id``.

        Raises:
            ConfigError: when something of it is wrong.
        """
        place = caller()
        argument = options.pop("argument")
        controller = self.name_of(options.pop("controller"))
        if not isinstance(collection_name, str) or not strip_slashes(collection_name):
            raise ConfigError(f"{place}: a resource has a collection_name, which is its path")
        if complaint := route_checks.wrong_resource(options, argument):
            raise ConfigError(f"{place}: {collection_name}: {complaint}")
        requirements = options.get("requirements") or {}
        path = _collection_path(collection_name, options)
        first = len(self.matchlist)
        declaring = DeclaredResource(path, argument, requirements, controller, place)
        of_any = {}
        for kind in ("collection", "new", "member"):
            actions = options.get(kind, {})
            of_any[kind] = [name for name, method in actions.items() if method.lower() == "any"]
            options[kind] = {name: actions[name] for name in actions if name not in of_any[kind]}
        self._declaring = declaring
        try:
            super().resource(member_name, collection_name, controller=controller, **options)
            more = {
                "controller": controller, "_member_name": member_name,
                "_collection_name": collection_name,
            }  # fmt: skip
            for below, actions in zip(("", "/new", "/:(id)"), of_any.values(), strict=True):
                for action in actions:
                    self._connect_both(f"{path}{below}/{action}", action=action, **more)
            self._connect_both(
                f"{path}/:(id)", action="patch", conditions={"method": "PATCH"}, **more
            )
        finally:
            self._declaring = None
        if len(self.matchlist) == first:
            raise ConfigError(f"{place}: {path}: {_none_of_the_actions(controller)}")
        names = {name for route in self.matchlist[first:] for name in names_in(route)}
        names |= {argument, "format"}  # which may be of what is below alone, or of no action
        if complaint := route_checks.unknown_requirements(requirements, names):
            raise ConfigError(f"{place}: {path}: {complaint}")
        return declaring

    def _connect_both(self, path: str, **more: Any) -> None:
        """Declares a path of a resource as Routes does, with and without a format."""
        for suffix in (".:(format)", ""):
            self.connect(f"{path}{suffix}", **more)

    def _is_wanted(self, controller: str, path: str, action: str) -> bool:
        """Whether a route that Routes has for every resource would be answered; others are, or are wrong."""
        if controller not in self.controllers:
            return True
        takes_format = self._takes_format.get(controller)
        if takes_format is None:
            takes_format = self._takes_format[controller] = {}
            for name, method in methods_of(self.controllers[controller]):
                if not declared_of(method).sub_action:
                    known = takes_format.get(name, True)
                    takes_format[name] = known and takes(method, "format")
        if action not in takes_format:
            return action not in RESOURCE_ACTIONS
        return takes_format[action] or not path.endswith(".:(format)")

    def submapper(self, **more: Any) -> Any:
        """As routes.Mapper.submapper."""
        if "controller" in more:
            more["controller"] = self.name_of(more["controller"])
        more.setdefault("resource_name", more.get("controller") or "route")  # names the routes
        return super().submapper(**more)

    def collection(
        self, collection_name: str, resource_name: str, controller: object = None, **more: Any
    ) -> Any:
        """As routes.Mapper.collection, without the actions that the controller does not have.

        Raises:
            ConfigError: when an action is unknown to Routes, or the controller has none of its.
        """
        kinds = {"collection_actions": COLLECTION_ACTIONS, "member_actions": MEMBER_ACTIONS}
        known = (*COLLECTION_ACTIONS, *MEMBER_ACTIONS)
        for kind in kinds:
            for action in more.get(kind) or ():
                if action not in known:
                    says = f"{kind}: no {action!r}; there are {', '.join(known)}"
                    raise ConfigError(f"{caller()}: {collection_name}: {says}")
        name = self.name_of(controller or resource_name or collection_name)
        if name in self.controllers:
            has = {action for action, _ in methods_of(self.controllers[name])}
            if not more.keys() & kinds.keys() and has.isdisjoint(known):
                raise ConfigError(f"{caller()}: {collection_name}: {_none_of_the_actions(name)}")
            for kind, actions in kinds.items():
                more.setdefault(kind, [action for action in actions if action in has])
        return super().collection(collection_name, resource_name, controller=name, **more)

    def extend(self, *args: Any, **more: Any) -> None:
        """Not there: routes.Mapper.extend takes routes of another mapper.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(
            f"{caller()}: no extend: connect the routes here, below a submapper(path_prefix=...)"
        )

    def redirect(self, *args: Any, **more: Any) -> None:
        """Not there: it would need a middleware.

        Raises:
            ConfigError: always.
        """
        raise ConfigError(f"{caller()}: no redirect of a mapper: use Router.redirect")

    def name_of(self, controller: object) -> Any:
        """Returns the name that stands for the controller in a route; None for None.

        Raises:
            ConfigError: when it is a class.
        """
        if controller is None or isinstance(controller, str):
            return controller
        known = self._names.get(id(controller))
        if known is not None:
            return known
        first = name = type(controller).__name__
        while name in self.controllers:
            self._count[first] += 1
            name = f"{first}{self._count[first] + 1}"
        self._add(name, controller)
        return name

    def _add(self, name: str, controller: object) -> None:
        if isinstance(controller, type):
            kind = controller.__name__
            raise ConfigError(
                f"{caller()}: a controller is an object: {kind}(), not the class {kind}"
            )
        self.controllers[name] = controller
        self._names.setdefault(id(controller), name)


def _checked(place: str, path: object, more: Mapping[str, Any]) -> dict[str, Any]:
    """Returns copies of the options of a route, with its methods in a list."""
    requirements = more.get("requirements") or {}
    conditions = more.get("conditions") or {}
    complaint = (
        ("a route's name stands before its path" if "name" in more else "")
        or route_checks.wrong_path(path, may_lack_slash=more.get("_static") or more["_minimize"])
        or route_checks.wrong_requirements(requirements)
        or route_checks.wrong_conditions(conditions)
    )
    if complaint:
        raise ConfigError(f"{place}: {path or repr(path)}: {complaint}")
    if "method" in conditions:
        methods = conditions["method"]
        methods = [methods] if isinstance(methods, str) else [*methods]
        conditions = {**conditions, "method": methods}
    return {**more, "requirements": {**requirements}, "conditions": {**conditions}}


def names_in(route: Any) -> list[str]:
    """Returns the names of the variables in a route's path."""
    return [part["name"] for part in route.routelist if isinstance(part, dict)]


def _none_of_the_actions(controller: str) -> str:
    """Returns the complaint about a resource that would have no route at all."""
    return f"{controller} has none of the actions {', '.join(RESOURCE_ACTIONS)}"


def _collection_path(collection_name: str, options: Mapping[str, Any]) -> str:
    """Returns the path that Routes gives a resource."""
    prefix, parent = options.get("path_prefix"), options.get("parent_resource")
    if prefix is None:
        prefix = f"{parent['collection_name']}/:{parent['member_name']}_id" if parent else ""
    names = [strip_slashes(prefix), strip_slashes(collection_name)]
    return "/".join(["", *filter(None, names)])


def _of_resource(declaring: DeclaredResource, path: str) -> tuple[str, dict[str, str]]:
    """Returns path and requirements of one of a resource's routes, where Routes says ``id``."""
    argument = declaring.argument
    member = f"{declaring.path}/:(id)"
    if not path.startswith(member):
        return path, {**declaring.requirements}
    path = f"{declaring.path}/{{{argument}}}{path.removeprefix(member)}"
    return path, {argument: MEMBER_REQUIREMENT, **declaring.requirements}


def _may_be_wrong(route: Any) -> bool:
    """Whether its regexp says more than Routes' own, which are right if the names are."""
    return route.minimization or not {*route.reqs.values()} <= {MEMBER_REQUIREMENT}
