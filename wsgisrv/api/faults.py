"""Faults: every error of an API as one JSON document, and nothing of the inside in it.

Rules: an HTTP exception says what it was raised with; one of the service's own is first turned into an
HTTP exception by the API's table; anything else is a bug: it is logged with its traceback, and the client
learns the request's id and nothing more. Never HTML.

Source: the API-SIG's error format, ``{"errors": [{"request_id", "code", "status", "title", "detail",
"links"}]}``.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from webob import exc

from wsgisrv.api.request import Request
from wsgisrv.api.serializers import JSON
from wsgisrv.busy import BusyError

_LOG = logging.getLogger("wsgisrv.api")

FaultTable = Mapping[type[Exception], Callable[[Exception], exc.HTTPException]]
"""For each kind of a service's own exceptions what makes an HTTP exception of one: most often its class."""


class InvalidFields(exc.HTTPBadRequest):  # type: ignore[misc]
    """Raised by an action for fields of the body or the query that are wrong: 400, one error for each.

    Args:
        problems: what is wrong and what is allowed, by field: a JSON pointer into the body (RFC 6901; ""
            is all of it), or ``?name`` of the query; at least one.
    """

    def __init__(self, problems: Mapping[str, str]) -> None:
        self.details = [f"{field or 'the body'}: {problem}" for field, problem in problems.items()]
        super().__init__("; ".join(self.details))


def send_fault(
    request: Request, error: Exception, table: FaultTable, start_response: StartResponse
) -> Iterable[bytes]:
    """Answers with the document for ``error``."""
    fault = _fault_of(request, error, table)
    headers = [
        (name, value)
        for name, value in fault.headers.items()
        if not name.lower().startswith("content-")
    ]
    if fault.code < 400:  # a redirection or the like, which says all it has to in its headers
        start_response(fault.status, [*headers, *_no_body(fault.code)])
        return []
    request_id = request.context.request_id
    details = getattr(fault, "details", None) or [str(fault.detail or fault.explanation)]
    document = {
        "errors": [_error(fault, request_id, " ".join(detail.split())) for detail in details]
    }
    body = json.dumps(document).encode()
    headers += [
        ("Content-Type", JSON),
        ("Content-Length", str(len(body))),
        ("X-OpenStack-Request-ID", request_id),
    ]
    start_response(fault.status, headers)
    return [] if request.method == "HEAD" else [body]


def log_failure(environ: WSGIEnvironment, error: Exception, request_id: str) -> None:
    """Logs a bug of the service, with its traceback."""
    _LOG.error(
        "%s %s %r failed",
        request_id, environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""), exc_info=error,
    )  # fmt: skip


def _fault_of(request: Request, error: Exception, table: FaultTable) -> Any:
    for kind in type(error).__mro__:
        if kind in table:
            error = table[kind](error)
            break
    if isinstance(error, exc.WSGIHTTPException):
        return error
    if isinstance(error, BusyError):
        _LOG.warning("%s: %s", request.context.request_id, error)
        wait = [("Retry-After", str(error.retry_after))]
        return exc.HTTPServiceUnavailable("the service is busy; try again later", headers=wait)
    log_failure(request.environ, error, request.context.request_id)
    return exc.HTTPInternalServerError("the server failed; its log has the request id")


def _error(fault: Any, request_id: str, detail: str) -> dict[str, Any]:
    return {
        "request_id": request_id,
        "code": re.sub(r"\W+", "_", fault.title.lower()),
        "status": fault.code,
        "title": fault.title,
        "detail": detail or fault.title,
        "links": [],
    }


def _no_body(code: int) -> list[tuple[str, str]]:
    return [] if code in (204, 304) else [("Content-Type", "text/plain"), ("Content-Length", "0")]
