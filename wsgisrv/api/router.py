"""The router: Routes' syntax, found by an index instead of one route after another.

Rules: routes are declared in Python before the router answers anything, and ``freeze`` says at start what
is wrong with them. Which route answers is what routes.Mapper.match says. The method comes from the request
line alone: no ``_method`` in the query, no override header. HEAD is answered by GET where there is no
HEAD of its own.

Of Routes' mapper there is all that says which path has which action, but for ``prefix`` (use a urlmap),
``sub_domains`` and the condition ``sub_domain`` (the condition ``function``), and ``extend`` (a submapper
with a ``path_prefix``). Making URLs is left to the mapper.

With 40 routes (20 resources, list and member), ``/r07/{id}`` is found in 0.77 us, a literal path in 0.23 us;
routes.Mapper.match takes 4.7 and 4.0 us (it grows with the regexp of all routes). With 10 or with 1000 routes
it is 0.8 us for ``/rN/{id}``, 0.3 us for a list of ``collection()``, and 2 to 4 us where a regexp is asked:
``/rN.json`` of ``/rN{.format}``, ``/{p:.*}/rN``, ``/a-N-{id}``, a minimized path.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Any

from webob import exc

from wsgisrv.api import route_checks
from wsgisrv.api.declared import caller
from wsgisrv.api.entry import SUB_ACTIONS, Entry, Match
from wsgisrv.api.index import Index
from wsgisrv.api.mapper import Mapper, names_in
from wsgisrv.api.redirect import MOVING, Redirect
from wsgisrv.api.resolve import Resolver, ResolveSettings
from wsgisrv.api.route_checks import KNOWN_METHODS
from wsgisrv.api.twice import check_twins
from wsgisrv.api.unused import check_used
from wsgisrv.errors import ConfigError


class _Methods(enum.Enum):
    """What stands for methods where they are not named."""

    IN_CONDITIONS = enum.auto()


class Router:
    """Declares routes and finds the one for a request.

    Args:
        controllers: by name, for routes that name theirs, in the declaration or in the path.
    """

    def __init__(self, controllers: Mapping[str, object] | None = None) -> None:
        self.mapper = Mapper(controllers or {})
        self._indexes: dict[str, Index] = {}  # by method
        self._others = Index("", [])
        self.entries: list[Entry] = []
        self._is_versioned = False
        self._api_place = ""

    # Declaring

    def connect(
        self,
        name_or_path: str | None,
        path: str | None = None,
        /,
        *,
        controller: object = None,
        action: str | None = None,
        methods: Sequence[str] | _Methods | None = _Methods.IN_CONDITIONS,
        **more: Any,
    ) -> None:
        """Declares one route, in Routes' path syntax: ``/books/{book_id:[0-9]+}``.

        Args:
            name_or_path: the route's name, where a path follows.
            controller: the object whose method ``action`` answers. Not said where the path names it by
                ``{controller}``: then it is one of those that the router was given by name.
            action: likewise; ``{action}`` in the path is any action that takes the path's other arguments.
            methods: of HTTP, in capitals; None for every one. Not said where ``conditions`` has them.
            more: for routes.Mapper.connect: ``requirements``, ``conditions``; any other is a constant, which
                the action gets.

        Raises:
            ConfigError: when something of it is wrong.
        """
        name, path = (None, name_or_path) if path is None else (name_or_path, path)
        conditions = more.pop("conditions", None) or {}
        has_methods = isinstance(conditions, Mapping) and "method" in conditions
        if (methods is _Methods.IN_CONDITIONS) is not has_methods:
            says = "both conditions and methods say the" if has_methods else "says no"
            raise ConfigError(f"{caller()}: {path}: {says} methods; methods=None is every one")
        if methods is not None and not has_methods and isinstance(conditions, Mapping):
            conditions = {**conditions, "method": methods}
        said = {"controller": controller, "action": action}
        more |= {key: value for key, value in said.items() if value is not None}
        route = self.mapper.connect(name, path, conditions=conditions, **more)
        known = names_in(route)
        if complaint := route_checks.unknown_requirements(more.get("requirements") or {}, known):
            raise ConfigError(f"{caller()}: {path}: {complaint}")

    def redirect(self, path: str, destination: str, **more: Any) -> None:
        """Declares that a path has moved: ``redirect("/archives/{url:.*}", "/old/{url}")``.

        Args:
            destination: a path below where the API is mounted, or a URL, in Routes' syntax, with arguments of
                the path.
            more: as for ``connect``; ``_redirect_code``: the status, ``302 Found`` without it.

        Raises:
            ConfigError: when something of it is wrong.
        """
        code = more.pop("_redirect_code", "302 Found")
        controller = Redirect(caller(), path, destination, code)
        if "method" not in (more.get("conditions") or {}):
            more.setdefault("methods", MOVING)
        self.connect(path, controller=controller, action="redirect", **more)
        controller.check(names_in(self.mapper.matchlist[-1]))

    def extend(self, *args: Any, **more: Any) -> None:
        """Not there, as ``Mapper.extend`` says.

        Raises:
            ConfigError: always.
        """
        self.mapper.extend(*args, **more)

    def resource(
        self,
        member_name: str,
        collection_name: str,
        *,
        controller: object,
        argument: str = "id",
        **more: Any,
    ) -> Resource:
        """Declares the routes of routes.Mapper.resource: those whose action the controller has.

        Besides, ``PATCH`` on a member is the action ``patch``.

        Args:
            member_name: the singular; names the routes.
            collection_name: the plural; the path.
            argument: the path argument of a member.
            more: for routes.Mapper.resource: ``collection``, ``member``, ``new``, ``parent_resource``,
                ``path_prefix``, ``name_prefix``, ``requirements``, which hold for all that is below a
                member as well.

        Returns:
            What declares sub-resources and sub-actions of a member.

        Raises:
            ConfigError: when something of it is wrong.
        """
        made = self.mapper.resource(
            member_name, collection_name, controller=controller, argument=argument, **more
        )
        below = argument if argument != "id" else f"{member_name}_id"
        requirements = {
            below if name == argument else name: pattern
            for name, pattern in made.requirements.items()
            if name != "format"  # of paths that end there
        }
        return Resource(self, f"{made.path}/{{{below}}}", requirements)

    def sub_actions(self, path: str, *, controller: object, **more: Any) -> None:
        """Declares ``POST path`` for every ``sub_action`` of the controller: ``{"lend": {...}}``.

        Args:
            more: as for ``connect``.
        """
        self.connect(path, controller=controller, action=SUB_ACTIONS, methods=["POST"], **more)

    def submapper(self, **more: Any) -> Any:
        """Returns routes.Mapper.submapper, for routes that have ``more`` in common."""
        return self.mapper.submapper(**more)

    def collection(self, *args: Any, **more: Any) -> Any:
        """Returns routes.Mapper.collection: a submapper with a ``member`` submapper."""
        return self.mapper.collection(*args, **more)

    def freeze(self, settings: ResolveSettings | None = None) -> None:
        """Checks every route and makes the index.

        Args:
            settings: of the API that the router is of.

        Raises:
            ConfigError: when a route has no action, or one that does not take its path arguments, or the
                same as another; names file and line of the declaration.
        """
        mapper = self.mapper
        if mapper.prefix or mapper.sub_domains:
            raise ConfigError(
                f"{caller()}: a router serves no mapper with prefix or sub_domains: use urlmap"
            )
        if settings is not None:
            if self._api_place:
                raise ConfigError(f"{caller()}: the router is of the API at {self._api_place}")
            self._api_place = caller()
        mapper.is_frozen = True
        # Mapper.create_regs would make one regexp of all routes as well, which nobody here asks.
        settings = settings or ResolveSettings()
        resolver = Resolver(settings)
        made = [
            Entry(route, number, mapper.controllers, mapper.named, place, resolver)
            for number, (route, place) in enumerate(
                zip(mapper.matchlist, mapper.places, strict=True)
            )
        ]
        self.entries = [entry for entry in made if entry.check_answered()]
        check_twins(self.entries, len(settings.versions.names) if settings.versions else 1)
        check_used(mapper.controllers.values(), self.entries)
        for entry in self.entries:
            entry.make_regexp()
        methods = {*KNOWN_METHODS, *(name for e in self.entries for name in e.methods or ())}
        self._indexes = {method: _index(method, self.entries) for method in sorted(methods)}
        self._others = _index("", self.entries)
        self._is_versioned = any(entry.is_versioned for entry in self.entries)

    # Answering

    def find(
        self,
        method: str,
        path: str,
        environ: dict[str, Any] | None = None,
        version: int | None = None,
    ) -> Match | None:
        """Returns what answers ``method`` on ``path``, if anything does.

        Args:
            environ: of the request, for conditions on it; is told the route.
            version: index of the microversion in which it has to be there; None for any.
        """
        if not self._indexes:
            self.freeze()
        match = self._indexes.get(method, self._others).find(path, environ, version)
        if match is None and method == "HEAD":
            return self._indexes["GET"].find(path, environ, version)
        return match

    def knows(self, method: str) -> bool:
        """Whether RFC 9110 or a route knows the method."""
        return method in self._indexes

    def refusal(
        self,
        method: str,
        path: str,
        environ: dict[str, Any] | None = None,
        version: int | None = None,
    ) -> exc.HTTPException:
        """Returns why ``find`` found nothing.

        501 when neither RFC 9110 nor any route knows the method, 404 when no route has the path, 405 with
        Allow when only other methods have it, in that version.
        """
        if not self.knows(method):
            return exc.HTTPNotImplemented(f"the method {method} is not known")
        allowed = self.allowed(path, environ, version)
        there = self.allowed(path, environ) if self._is_versioned else allowed
        in_version = " in this version" if method in there or (there and not allowed) else ""
        if not allowed:
            return exc.HTTPNotFound(f"no resource at {path}{in_version}")
        return exc.HTTPMethodNotAllowed(
            f"{path} does not have {method}{in_version}", headers={"Allow": ", ".join(allowed)}
        )

    def allowed(
        self, path: str, environ: dict[str, Any] | None = None, version: int | None = None
    ) -> list[str]:
        """Returns the methods that ``path`` has, sorted; empty when there is no such path.

        Args:
            version: index of the microversion in which it has them; None for any.
        """
        if not self._indexes:
            self.freeze()
        environ = None if environ is None else {**environ}  # what the looks leave in it is not kept
        allowed = {name for name in self._indexes if self.find(name, path, environ, version)}
        return sorted(allowed | {"OPTIONS"}) if allowed else []


class Resource:
    """What was declared by ``Router.resource``: declares what a member has below it.

    Args:
        path: of a member.
        requirements: of the path's variables.
    """

    def __init__(self, router: Router, path: str, requirements: Mapping[str, str]) -> None:
        self._router = router
        self._requirements = requirements
        self.path = path

    def resource(
        self,
        member_name: str,
        collection_name: str,
        *,
        controller: object,
        argument: str = "id",
        **more: Any,
    ) -> Resource:
        """Declares a sub-resource; its actions get the path arguments of all that it stands below."""
        for name in ("path_prefix", "name_prefix"):
            if name in more:
                place = f"{caller()}: {collection_name}"
                raise ConfigError(f"{place}: {name}: it stands below {self.path}")
        return self._router.resource(
            member_name, collection_name, controller=controller, argument=argument,
            path_prefix=self.path, name_prefix=f"{self.path.replace('/', '_')}_",
            **self._with_requirements(more),
        )  # fmt: skip

    def sub_actions(self, *, controller: object, path: str = "action", **more: Any) -> None:
        """Declares ``POST {member}/action``, as ``Router.sub_actions``."""
        self._router.sub_actions(
            f"{self.path}/{path}", controller=controller, **self._with_requirements(more)
        )

    def _with_requirements(self, more: dict[str, Any]) -> dict[str, Any]:
        """Returns the options with the requirements of all that it stands below."""
        own = more.get("requirements") or {}
        if route_checks.wrong_requirements(own):
            return more  # which will be refused
        return {**more, "requirements": {**self._requirements, **own}}


def _index(method: str, entries: Sequence[Entry]) -> Index:
    """Returns the index of a method. A HEAD that no route names is left to GET, so only those count."""
    if method == "HEAD":
        return Index(method, [e for e in entries if e.methods and method in e.methods])
    return Index(method, [e for e in entries if e.methods is None or method in e.methods])
