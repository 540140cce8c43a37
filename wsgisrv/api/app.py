"""The API as a WSGI app: route, act, serialize.

Rules: an action takes the request and its named path arguments and returns what it means: a dict or
list (JSON), None (204), an iterator of them (JSON lines, streamed), or a webob.Response. How it is sent
is declared beside it, by ``responds``. Every error becomes a fault document.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar
from wsgiref.types import StartResponse, WSGIEnvironment

import webob
from webob import exc

from wsgisrv.api.faults import fault_response
from wsgisrv.api.request import Request
from wsgisrv.api.router import Router

Action = TypeVar("Action", bound=Callable[..., Any])

_JSON = "application/json"
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def responds(status: int, *, location: str = "") -> Callable[[Action], Action]:
    """Declares how an action's result is sent.

    Args:
        status: of HTTP, 200 to 299.
        location: for the Location header, below the app's own path, with fields of the result in
            braces: ``/books/{id}``.
    """

    def declare(action: Action) -> Action:
        action.__dict__["responds"] = (webob.Response(status=status).status, location)
        return action

    return declare


class API:
    """Args:
    router: with every route declared.
    """

    def __init__(self, router: Router) -> None:
        self._router = router

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answers one request."""
        request = Request(environ)
        try:
            return self._answer(request, environ, start_response)
        except Exception as error:
            response = fault_response(request, error)
        return response(environ, start_response)  # type: ignore[no-any-return]

    def _answer(
        self, request: Request, environ: WSGIEnvironment, start_response: StartResponse
    ) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        path = environ.get("PATH_INFO") or "/"
        if method == "OPTIONS":
            allowed = self._router.allowed(path)
            if not allowed:
                raise exc.HTTPNotFound(f"no resource at {path}")
            start_response("204 No Content", [("Allow", ", ".join(allowed))])
            return []
        match = self._router.match(method, path)
        accept = environ.get("HTTP_ACCEPT")
        if accept is not None and accept != "*/*" and not request.accept.acceptable_offers([_JSON]):
            raise exc.HTTPNotAcceptable(f"this API answers {_JSON}")
        result = match.action(request, **match.args)
        if isinstance(result, webob.Response):
            return result(environ, start_response)  # type: ignore[no-any-return]
        status, location = getattr(match.action, "responds", ("200 OK", ""))
        if result is None:
            start_response("204 No Content" if status == "200 OK" else status, [])
            return []
        if isinstance(result, Iterator):
            start_response(status, [("Content-Type", "application/jsonl")])
            return (_encode(line).encode() + b"\n" for line in result)
        body = _encode(result).encode()
        headers = [("Content-Type", _JSON), ("Content-Length", str(len(body)))]
        if location:
            headers.append(
                ("Location", environ.get("SCRIPT_NAME", "") + location.format_map(result))
            )
        start_response(status, headers)
        return [] if method == "HEAD" else [body]
