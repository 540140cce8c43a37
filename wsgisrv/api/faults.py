"""Faults: every error of an API as one JSON document, and nothing of the inside in it.

Source: the API-SIG's error format: ``{"errors": [{"request_id", "code", "status", "title", "detail",
"links"}]}``.
"""

from __future__ import annotations

import json
import logging
import re

import webob
from webob import exc

from wsgisrv.api.request import Request

_LOG = logging.getLogger("wsgisrv.api")

_KEPT_HEADERS = ("Allow", "Retry-After", "Location", "WWW-Authenticate")


class InvalidField(exc.HTTPBadRequest):  # type: ignore[misc]
    """Raised by an action for a field of the body or the query that is wrong.

    Args:
        pointer: the field, as a JSON pointer (RFC 6901) or ``?name`` of the query.
        problem: what is wrong and what is allowed.
    """

    def __init__(self, pointer: str, problem: str) -> None:
        super().__init__(f"{pointer}: {problem}")


def fault_response(request: Request, error: Exception) -> webob.Response:
    """Returns the document for ``error``; one that is no HTTP exception is logged and says nothing."""
    if not isinstance(error, exc.HTTPException):
        _LOG.error(
            "%s %s %s failed", request.request_id, request.method, request.path, exc_info=error
        )
        fault = exc.HTTPInternalServerError("the server failed; the request id names it in the log")
    else:
        fault = error
    title = fault.title
    document = {
        "errors": [
            {
                "request_id": request.request_id,
                "code": re.sub(r"\W+", "_", title.lower()),
                "status": fault.code,
                "title": title,
                "detail": str(fault.detail or title),
                "links": [],
            }
        ]
    }
    response = webob.Response(
        body=json.dumps(document).encode(), status=fault.status, content_type="application/json"
    )
    for name in _KEPT_HEADERS:
        if name in fault.headers:
            response.headers[name] = fault.headers[name]
    response.headers["X-Openstack-Request-Id"] = request.request_id
    return response
