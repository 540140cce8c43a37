"""The answer of a filter that does not pass a request on: the API's error document.

Rules: the same fields as wsgisrv.api's faults have, so that a client needs one way to read errors. The id of
the request is in it, and in a header, when a filter has given it one.

Source: the API-SIG's error format, ``{"errors": [{"request_id", "code", "status", "title", "detail",
"links"}]}``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from types import TracebackType
from wsgiref.types import StartResponse, WSGIEnvironment

from wsgisrv.current import REQUEST_ID

REQUEST_ID_HEADER = "X-Openstack-Request-Id"

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]

_TITLES = {
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Request Entity Too Large",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def refuse(
    environ: WSGIEnvironment,
    start_response: StartResponse,
    status: int,
    detail: str,
    headers: Iterable[tuple[str, str]] = (),
    exc_info: ExcInfo | None = None,
) -> list[bytes]:
    """Answers with the document.

    Args:
        status: one of those above.
        detail: what is wrong, in words for the client; nothing of the inside.
        headers: more of them.
        exc_info: of an error that this answer stands for; PEP 3333, "Error Handling".

    Raises:
        BaseException: the error of ``exc_info``, by the server, when the head was sent before.
    """
    title = _TITLES[status]
    request_id = environ.get(REQUEST_ID, "")
    error = {
        "request_id": request_id,
        "code": title.lower().replace(" ", "_"),
        "status": status,
        "title": title,
        "detail": detail,
        "links": [],
    }
    body = json.dumps({"errors": [error]}).encode()
    all_headers = [
        ("Content-Type", "application/json"),
        ("Content-Length", str(len(body))),
        *([(REQUEST_ID_HEADER, request_id)] if request_id else []),
        *headers,
    ]
    if exc_info is None:
        start_response(f"{status} {title}", all_headers)
    else:
        start_response(f"{status} {title}", all_headers, exc_info)  # type: ignore[arg-type]
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
