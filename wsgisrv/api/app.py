"""The API as a WSGI app: version, route, act, serialize.

Rules: what can be known at start is worked out by the router; a request costs a look-up, the action and
its JSON. No webob.Response is made where start_response says the same: one costs more than all the rest.

``tools/bench api`` compares a routed JSON answer with Falcon's and with WebOb and Routes as Glance wires
them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote
from wsgiref.types import StartResponse, WSGIEnvironment

from webob import exc

from wsgisrv.api import conditions, docs, sub_actions
from wsgisrv.api.controller import Plan
from wsgisrv.api.declared import caller
from wsgisrv.api.faults import Faults, FaultTable
from wsgisrv.api.microversions import ENVIRON_KEY, HEADER, Microversions
from wsgisrv.api.openapi import Described, Documented
from wsgisrv.api.policy import Enforcer
from wsgisrv.api.redirect import path_in
from wsgisrv.api.request import MORE_HEADERS, VERSION, Request
from wsgisrv.api.resolve import ResolveSettings
from wsgisrv.api.router import Router
from wsgisrv.api.schema import Formats
from wsgisrv.api.sending import check_result, location_of, send_other
from wsgisrv.api.serializers import (
    JSON,
    JSON_LINES,
    PROBLEM_JSON,
    MediaType,
    choose,
    is_named,
    load_media_types,
)
from wsgisrv.current import ROUTE
from wsgisrv.errors import ConfigError

Headers = list[tuple[str, str]]

_SLASHES = ("strict", "ignore", "redirect")
_RESULT_ERRORS = ("log", "fail", "ignore")


class API:
    """A service's API, or one version of it.

    Args:
        router: with every route declared; more cannot be added.
        faults: what the service's own exceptions mean in HTTP.
        request_class: of the requests that actions get.
        versions: its microversions; None for none.
        media_types: of bodies and answers, the preferred one first; JSON alone by default.
        formats: of JSON Schema that the service adds.
        result_errors: ``log``, ``fail`` (500) or ``ignore``: when a result breaks its schema.
        enforcer: of the policies that actions name.
        trailing_slash: ``strict``: ``/books/`` is not ``/books``; ``ignore``: it is, unless a route says
            otherwise; ``redirect``: 308 to the one that there is.
        problem_json: whether errors are RFC 9457 documents unless the client asks for the API-SIG's.
        languages: that messages are translated into.
        source_language: that they are written in.
        request_ids: whether every answer has its request's id in X-OpenStack-Request-ID; errors always do.
        identity_headers: whether X-User-Id, X-Project-Id, X-Roles and the like say who asks. Only with a
            filter in front that checks tokens and takes these headers off what clients send, as
            keystonemiddleware's auth_token does; else anybody could be anyone.
        described: adds the routes of the API's OpenAPI document and docs page.

    Raises:
        ConfigError: when something is declared wrongly; names file and line.
    """

    def __init__(
        self,
        router: Router,
        *,
        faults: FaultTable | None = None,
        request_class: type[Request] = Request,
        versions: Microversions | None = None,
        media_types: Sequence[str] = (JSON,),
        formats: Formats | None = None,
        result_errors: str = "log",
        enforcer: Enforcer | None = None,
        trailing_slash: str = "strict",
        problem_json: bool = False,
        languages: Sequence[str] = (),
        source_language: str = "en",
        request_ids: bool = True,
        identity_headers: bool = False,
        described: Described | None = None,
    ) -> None:
        place = caller()
        _check(place, "router", router, Router)
        _check(place, "request_class", request_class, type)
        _check(place, "versions", versions, Microversions, None)
        _check(place, "described", described, Described, None)
        _check_choice(place, "trailing_slash", trailing_slash, _SLASHES)
        _check_choice(place, "result_errors", result_errors, _RESULT_ERRORS)
        _check_tables(place, faults or {}, formats or {})
        asked = ("knows", "allows") if enforcer is not None else ()
        if not all(callable(getattr(enforcer, name, None)) for name in asked):
            raise ConfigError(f"{place}: API: enforcer is an api.Enforcer, not {enforcer!r}")
        self.router = router
        self.versions = versions
        try:
            self.media_types = load_media_types(media_types)
        except ConfigError as error:
            raise ConfigError(f"{place}: {error}") from None
        self._media_type = next(iter(self.media_types.values()))
        self._plain = {None, "", "*/*", self._media_type.name}
        varies = ["Accept"] if len(self.media_types) > 1 else []
        varies += [HEADER] if versions is not None else []
        self._always = [("Vary", ", ".join(varies))] if varies else []
        self._offers = tuple(self.media_types)
        help_path = "" if described is None else described.page_path
        self._faults = Faults(
            faults or {}, problem_json, tuple(languages), source_language, help_path
        )
        self._trailing_slash = trailing_slash
        self._request_ids = request_ids
        shared = {
            "media_types": self.media_types,
            "identity_headers": identity_headers,
            "enforcer": enforcer,
        }
        self._request_class = type(request_class.__name__, (request_class,), shared)
        settings = ResolveSettings(
            versions=versions, enforcer=enforcer, formats=formats or {}, result_errors=result_errors
        )
        documentation = None if described is None else docs.declare(router, described)
        router.freeze(settings)
        if documentation is not None:
            documentation.documented = Documented(
                documentation.described,
                [entry for entry in router.entries if not docs.is_documentation(entry)],
                versions,
                tuple(self.media_types),
                request_ids,
            )

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answers one request."""
        request = self._request_class(environ)
        more: Headers = self._always.copy()
        try:
            if self._request_ids:
                more.append(("X-OpenStack-Request-ID", request.request_id))
            index = 0
            versions = self.versions
            if versions is not None:
                index = versions.index_of(environ.get(ENVIRON_KEY))
                more.append(versions.headers[index])
                environ[VERSION] = versions.names[index]
            return self._answer(request, environ, start_response, index, more)
        except self._faults.answered as error:
            return self._faults.send(request, error, more, start_response)

    def _answer(
        self,
        request: Request,
        environ: WSGIEnvironment,
        start_response: StartResponse,
        index: int,
        more: Headers,
    ) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        path = environ.get("PATH_INFO") or "/"
        if not path.isascii() or "\0" in path:
            path = _decoded(path)
        found = self.router.find(method, path, environ, index)
        if found is None:
            path = self._path_with_slash(method, path, environ, index)
            found = self.router.find(method, path, environ, index)
            if found is None:
                return self._answer_unmatched(method, path, environ, start_response, index, more)
        environ[ROUTE] = environ.get("SCRIPT_NAME", "") + environ[ROUTE]
        action, arguments = found
        plan = action.at[index]
        assert plan is not None  # noqa: S101 - the router finds what is there in the version
        environ["wsgiorg.routing_args"] = ((), arguments)
        if plan.subs is not None:
            plan = sub_actions.choose(plan, request)
        accept = environ.get("HTTP_ACCEPT")
        media_type = (
            self._media_type
            if accept in self._plain and not plan.is_stream
            else self._negotiated(accept or "*/*", plan)
        )
        if plan.prepare is not None:
            arguments = {**arguments}
            plan.prepare(request, arguments)
        if (
            "HTTP_IF_MATCH" in environ or "HTTP_IF_NONE_MATCH" in environ
        ) and not plan.declared.is_conditional:
            conditions.check_without_etag(environ)
        result = plan.call(request, **arguments)
        if MORE_HEADERS in environ:
            more = [*more, *environ[MORE_HEADERS]]
        if (
            type(result) is not dict
            and type(result) is not list
            and not isinstance(result, dict | list | tuple)
        ):
            return send_other(plan, result, request, start_response, more)
        if plan.is_valid_result is not None:
            check_result(plan, request, result)
        body = media_type.dump(result)
        headers = [("Content-Type", media_type.name), ("Content-Length", str(len(body))), *more]
        if plan.location:
            headers += location_of(plan, result, request)
        start_response(plan.status, headers)
        return [] if method == "HEAD" else [body]

    def _negotiated(self, accept: str, plan: Plan) -> MediaType:
        offers = plan.offers or ((JSON_LINES,) if plan.is_stream else self._offers)
        chosen = choose(accept, offers)
        # What an action produces, it checks itself; who asks for errors alone gets what else there is.
        if chosen is None and not plan.offers and not is_named(accept, PROBLEM_JSON):
            raise exc.HTTPNotAcceptable(f"this API answers in {' or '.join(offers)}")
        return self.media_types.get(chosen or "", self._media_type)

    def _path_with_slash(self, method: str, path: str, environ: WSGIEnvironment, index: int) -> str:
        """Returns the path with a slash more or less, where there is that one instead, or sends the client
        there.
        """
        if self._trailing_slash == "strict" or path == "/" or not self.router.knows(method):
            return path
        other = path.removesuffix("/") if path.endswith("/") else f"{path}/"
        has = self.router.allowed
        if self.router.find(method, other, {**environ}, index) is None and (
            has(path, environ, index) or not has(other, environ, index)
        ):
            return path
        if self._trailing_slash == "ignore":
            return other
        query = environ.get("QUERY_STRING", "")
        place = path_in(environ, quote(other)) + (query and f"?{query}")
        raise exc.HTTPPermanentRedirect(location=place)

    def _answer_unmatched(
        self,
        method: str,
        path: str,
        environ: WSGIEnvironment,
        start_response: StartResponse,
        index: int,
        more: Headers,
    ) -> Iterable[bytes]:
        if method == "OPTIONS":
            allowed = self.router.allowed(path, environ, index)
            if allowed:
                start_response("204 No Content", [("Allow", ", ".join(allowed)), *more])
                return []
        raise self.router.refusal(method, path, environ, index)


def _decoded(path: str) -> str:
    """Returns the path as text; PEP 3333 has its octets, each as a character.

    NUL is refused, since a database may take it for no text at all.
    """
    if "\0" in path:
        raise exc.HTTPBadRequest("the path has a NUL character")
    try:
        return path.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        raise exc.HTTPBadRequest("the path is not UTF-8") from None


def _check(place: str, name: str, value: Any, kind: type, *others: Any) -> None:
    if value not in others and not isinstance(value, kind):
        raise ConfigError(f"{place}: API: {name} is a {kind.__name__}, not {value!r}")
    if kind is type and not issubclass(value, Request):
        raise ConfigError(f"{place}: API: {name} is a subclass of api.Request, not {value!r}")


def _check_choice(place: str, name: str, value: Any, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ConfigError(f"{place}: API: {name} is one of {', '.join(choices)}, not {value!r}")


def _check_tables(place: str, faults: FaultTable, formats: Formats) -> None:
    if not isinstance(faults, Mapping) or not all(
        isinstance(kind, type) and issubclass(kind, BaseException) and callable(made)
        for kind, made in faults.items()
    ):
        raise ConfigError(
            f"{place}: API: faults is a dict of exception classes and what makes HTTP exceptions of them"
        )
    if not isinstance(formats, Mapping) or not all(
        isinstance(name, str) and callable(test) for name, test in formats.items()
    ):
        raise ConfigError(f"{place}: API: formats is a dict of names and functions")
