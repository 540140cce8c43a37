"""What an action returned, sent: all but the JSON document, which the app sends itself.

Rules: what may still refuse (a file that is not there, the first piece of a stream) is asked before the head
is sent.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from types import GeneratorType
from typing import Any
from urllib.parse import quote
from wsgiref.types import StartResponse

import webob
from webob import exc

from wsgisrv.api.controller import Plan
from wsgisrv.api.declared import fields_of
from wsgisrv.api.request import Request
from wsgisrv.api.results import Begun, File, is_file, open_file, wrapped
from wsgisrv.api.serializers import JSON_LINES, encode

_LOG = logging.getLogger("wsgisrv.api")

Headers = list[tuple[str, str]]


def send_other(
    plan: Plan, result: Any, request: Request, start_response: StartResponse, more: Headers
) -> Iterable[bytes]:
    """Sends a result that is no JSON document.

    Args:
        more: headers that all answers have, and those that the action has added.

    Raises:
        Exception: when it is nothing that an action may return, or an HTTP exception.
    """
    if result is None:
        return _send_nothing(plan, request, start_response, more)
    if isinstance(result, exc.HTTPException):
        raise result  # returned instead of raised: it would send itself as HTML
    if isinstance(result, webob.Response):
        return _send_response(result, request, start_response, more)
    if isinstance(result, File) or is_file(result):
        return _send_file(plan, result, request, start_response, more)
    if isinstance(result, Iterator):
        return _send_lines(plan, result, request, start_response, more)
    raise TypeError(f"{plan.name} returned {type(result).__name__}, not a dict or list")


def check_result(plan: Plan, request: Request, result: Any) -> None:
    """Blames a result that does not fit its schema, as the API says; only where the plan has a check.

    Of a page of which the client asked for some fields alone nothing is said.
    """
    if plan.collection is not None and "fields" in dict(request.query_pairs):
        return
    if not plan.is_valid_result(result):  # type: ignore[misc]
        plan.blame_result(request, result)  # type: ignore[misc]


def location_of(plan: Plan, result: Any, request: Request) -> Headers:
    """Returns the Location header; none, and a line in the log, when the result lacks what it needs."""
    environ = request.environ
    known = {**environ["wsgiorg.routing_args"][1], **(result if isinstance(result, dict) else {})}
    try:
        fields = {name: quote(str(known[name]), safe="") for name in fields_of(plan.location)}
    except KeyError as error:
        # The action has done its work; that it did would be hidden by an error.
        _LOG.error("%s: %s: no %s for its location", request.request_id, plan.name, error)
        return []
    root = quote(environ.get("SCRIPT_NAME", "").encode("latin-1"))
    return [("Location", root + plan.location.format_map(fields))]


def _send_nothing(
    plan: Plan, request: Request, start_response: StartResponse, more: Headers
) -> list[bytes]:
    if plan.is_valid_result is not None:
        check_result(plan, request, None)
    empty = plan.empty_status.startswith("204")
    headers = [] if empty else [("Content-Type", "text/plain"), ("Content-Length", "0")]
    if plan.location:
        headers += location_of(plan, {}, request)
    start_response(plan.empty_status, [*headers, *more])
    return []


def _send_response(
    response: webob.Response, request: Request, start_response: StartResponse, more: Headers
) -> Iterable[bytes]:
    for name, value in more:
        if name == "Vary":
            response.headers.add(name, value)
        else:
            response.headers.setdefault(name, value)
    if isinstance(response.app_iter, GeneratorType):
        response.app_iter = Begun(response.app_iter, bytes)
    return response(request.environ, start_response)  # type: ignore[no-any-return]


def _send_file(
    plan: Plan, result: Any, request: Request, start_response: StartResponse, more: Headers
) -> Iterable[bytes]:
    file, headers = open_file(result, *plan.offers[:1])
    start_response(plan.status, [*headers, *more])
    if request.environ["REQUEST_METHOD"] == "HEAD":
        file.close()
        return []
    return wrapped(file, request.environ)


def _send_lines(
    plan: Plan,
    result: Iterator[Any],
    request: Request,
    start_response: StartResponse,
    more: Headers,
) -> Iterable[bytes]:
    def line(item: Any) -> bytes:
        if plan.is_valid_result is not None:
            check_result(plan, request, item)
        return encode(item).encode() + b"\n"

    lines = Begun(result, line)
    start_response(plan.status, [("Content-Type", JSON_LINES), *more])
    if request.environ["REQUEST_METHOD"] == "HEAD":
        lines.close()
        return []
    return lines
