"""The router: Routes' syntax, found by an index instead of one route after another.

Rules: routes are declared in Python before the router answers anything, and ``freeze`` says at start what
is wrong with them. Which route answers is what routes.Mapper.match says. The method comes from the request
line alone: no ``_method`` in the query, no override header. HEAD is answered by GET where there is no
HEAD of its own.

With 40 routes (20 resources, list and member), ``/r07/{id}`` is found in 0.57 us, a literal path in
0.16 us; routes.Mapper.match takes 3.7 and 3.1 us (it grows with the regexp of all routes).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from typing import Any

import routes
from webob import exc

from wsgisrv.api.entry import SUB_ACTIONS, Entry, Match
from wsgisrv.api.index import Index
from wsgisrv.api.resolve import Resolver, ResolveSettings
from wsgisrv.api.twice import without_twins
from wsgisrv.errors import ConfigError

_CONDITIONS = {"method", "function"}
_METHOD = re.compile(r"[A-Z][A-Z-]*")

KNOWN_METHODS = (
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "QUERY",
)  # fmt: skip
"""Of RFC 9110 and RFC 5789, and QUERY: one that is neither of these nor of any route is answered 501."""


class _Mapper(routes.Mapper):  # type: ignore[misc]
    """Routes' mapper, which knows where each route was declared and takes controllers as objects."""

    def __init__(self, controllers: Mapping[str, object]) -> None:
        super().__init__(controller_scan=None, register=False)
        self.controllers = dict(controllers)
        self.places: list[str] = []  # of matchlist
        self.argument = ""  # in the place of ``id``, while a resource is declared
        self.requirements: Mapping[
            str, str
        ] = {}  # of that resource, which Routes forgets for its members
        self.is_frozen = False

    def connect(self, *args: Any, **more: Any) -> None:
        """As routes.Mapper.connect.

        Raises:
            ConfigError: when a requirement is no regexp or a condition none, or the router is in use.
        """
        place = _caller()
        if self.argument:
            args = (*args[:-1], args[-1].replace(":(id)", f"{{{self.argument}}}"))
            more["requirements"] = {**(more.get("requirements") or {}), **self.requirements}
        if self.is_frozen:
            raise ConfigError(f"{place}: {args[-1]}: declared after the router was put to use")
        if complaint := _wrong_conditions(more.get("conditions") or {}):
            raise ConfigError(f"{place}: {args[-1]}: {complaint}")
        if "controller" in more:
            more["controller"] = self.name_of(more["controller"])
        try:
            super().connect(*args, **more)
            if len(self.matchlist) == len(self.places):
                return  # one that only makes URLs
            self.matchlist[-1].makeregexp([])
            self.places.append(place)
        except re.error as error:
            raise ConfigError(f"{place}: {args[-1]}: {error}") from None

    def submapper(self, **more: Any) -> Any:
        """As routes.Mapper.submapper."""
        if "controller" in more:
            more["controller"] = self.name_of(more["controller"])
        return super().submapper(**more)

    def collection(self, *args: Any, **more: Any) -> Any:
        """As routes.Mapper.collection."""
        if more.get("controller") is not None:
            more["controller"] = self.name_of(more["controller"])
        return super().collection(*args, **more)

    def name_of(self, controller: object) -> str:
        """Returns the name that stands for the controller in a route."""
        if isinstance(controller, str):
            return controller
        for name, known in self.controllers.items():
            if known is controller:
                return name
        first = name = type(controller).__name__
        number = 1
        while name in self.controllers:
            number += 1
            name = f"{first}{number}"
        self.controllers[name] = controller
        return name


class Router:
    """Declares routes and finds the one for a request.

    Args:
        controllers: by name, for routes that name theirs, in the declaration or in the path.
    """

    def __init__(self, controllers: Mapping[str, object] | None = None) -> None:
        self.mapper = _Mapper(controllers or {})
        self._indexes: dict[str, Index] = {}  # by method
        self._others = Index("", [])
        self.entries: list[Entry] = []

    # Declaring

    def connect(
        self,
        path: str,
        *,
        controller: object,
        action: str,
        methods: Sequence[str] | None,
        **more: Any,
    ) -> None:
        """Declares one route, in Routes' path syntax: ``/books/{book_id:[0-9]+}``.

        Args:
            controller: the object whose method ``action`` answers.
            methods: of HTTP, in capitals; None for every one.
            more: for routes.Mapper.connect: ``requirements``, ``conditions``, constants and so on; ``name``
                is the route's.
        """
        if methods is not None:
            method = [methods] if isinstance(methods, str) else list(methods)
            more["conditions"] = {**(more.get("conditions") or {}), "method": method}
        name = more.pop("name", None)
        self.mapper.connect(name, path, controller=controller, action=action, **more)

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
            more: for routes.Mapper.resource: ``collection``, ``member``, ``parent_resource`` and so on.

        Returns:
            What declares sub-resources and sub-actions of a member.
        """
        self.mapper.argument = argument
        self.mapper.requirements = more.get("requirements") or {}
        before = len(self.mapper.matchlist)
        try:
            self.mapper.resource(member_name, collection_name, controller=controller, **more)
            path = self.mapper.matchlist[before + 1].routepath  # the second is the plain collection
            path = path.removesuffix("{.format}").removesuffix(".:(format)")
            member = f"{path}/{{{argument}}}"
            self.mapper.connect(
                member, controller=controller, action="patch", conditions={"method": ["PATCH"]},
                _collection_name=collection_name, _member_name=member_name,
            )  # fmt: skip
        finally:
            self.mapper.argument = ""
        return Resource(self, f"{path}/{{{argument if argument != 'id' else member_name + '_id'}}}")

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
            raise ConfigError("a router serves no mapper with prefix or sub_domains: use urlmap")
        mapper.is_frozen = True
        # Mapper.create_regs would make one regexp of all routes as well, which nobody here asks.
        for route in mapper.matchlist:
            if any(
                not isinstance(part, str) and part["name"] == "controller"
                for part in route.routelist
            ):
                route.makeregexp(list(mapper.controllers))
        resolver = Resolver(settings or ResolveSettings())
        made = (
            Entry(route, number, mapper.controllers, place, resolver)
            for number, (route, place) in enumerate(
                zip(mapper.matchlist, mapper.places, strict=True)
            )
        )
        self.entries = without_twins([entry for entry in made if entry.check_answered()])
        methods = {*KNOWN_METHODS, *(name for e in self.entries for name in e.methods or ())}
        self._indexes = {method: _index(method, self.entries) for method in sorted(methods)}
        self._others = _index("", self.entries)

    # Answering

    def find(self, method: str, path: str, environ: dict[str, Any] | None = None) -> Match | None:
        """Returns what answers ``method`` on ``path``, if anything does."""
        if not self._indexes:
            self.freeze()
        match = self._indexes.get(method, self._others).find(path, environ)
        if match is None and method == "HEAD":
            return self._indexes["GET"].find(path, environ)
        return match

    def refusal(
        self,
        method: str,
        path: str,
        environ: dict[str, Any] | None = None,
        version: int | None = None,
    ) -> exc.HTTPException:
        """Returns why ``find`` found nothing.

        501 when neither RFC 9110 nor any route knows the method, 404 when no route has the path, 405 with
        Allow when only other methods have it.
        """
        if method not in self._indexes:
            return exc.HTTPNotImplemented(f"the method {method} is not known")
        allowed = self.allowed(path, environ, version)
        if not allowed:
            return exc.HTTPNotFound(f"no resource at {path}")
        return exc.HTTPMethodNotAllowed(
            f"{path} does not have {method}", headers={"Allow": ", ".join(allowed)}
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
        environ = None if environ is None else {**environ}  # which each look tells its route
        allowed = set()
        for method in self._indexes:
            found = self.find(method, path, environ)
            if found and (version is None or found[0].at[version] is not None):
                allowed.add(method)
        return sorted(allowed | {"OPTIONS"}) if allowed else []


class Resource:
    """What was declared by ``Router.resource``: declares what a member has below it.

    Args:
        path: of a member.
    """

    def __init__(self, router: Router, path: str) -> None:
        self._router = router
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
        return self._router.resource(
            member_name, collection_name, controller=controller, argument=argument,
            path_prefix=self.path, name_prefix=f"{self.path.replace('/', '_')}_", **more,
        )  # fmt: skip

    def sub_actions(self, *, controller: object, path: str = "action", **more: Any) -> None:
        """Declares ``POST {member}/action``, as ``Router.sub_actions``."""
        self._router.sub_actions(f"{self.path}/{path}", controller=controller, **more)


def _index(method: str, entries: Sequence[Entry]) -> Index:
    """Returns the index of a method. A HEAD that no route names is left to GET, so only those count."""
    if method == "HEAD":
        return Index(method, [e for e in entries if e.methods and method in e.methods])
    return Index(method, [e for e in entries if e.methods is None or method in e.methods])


def _wrong_conditions(conditions: Mapping[str, Any]) -> str:
    """Returns what is wrong with a route's conditions, which would never hold then, or ""."""
    if unknown := sorted(conditions.keys() - _CONDITIONS):
        return f"no condition {unknown[0]!r}; there are {' and '.join(sorted(_CONDITIONS))}"
    methods = conditions.get("method", ())
    for method in [methods] if isinstance(methods, str) else methods:
        if not isinstance(method, str) or not _METHOD.fullmatch(method):
            return f"no method {method!r}: they are written in capitals"
    if not callable(conditions.get("function", callable)):
        return "the condition function is a callable"
    return ""


def _caller() -> str:
    """Returns ``file:line`` of the code that declares a route: the first frame outside of the router."""
    frame = inspect.currentframe()  # inspect.stack() would read the sources of every frame
    while frame is not None and frame.f_globals["__name__"].startswith((__name__, "routes.")):
        frame = frame.f_back
    if frame is None:
        return "?"
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
