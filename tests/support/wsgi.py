"""Calls a WSGI app as a server does, without one, under the eye of wsgiref.validate."""

from __future__ import annotations

from typing import Any
from wsgiref.types import WSGIApplication
from wsgiref.validate import validator

import webob

_MAY_STAND_TWICE = ("WWW-Authenticate", "Set-Cookie", "Link")


def call(
    app: WSGIApplication,
    path: str,
    method: str = "GET",
    *,
    body: bytes = b"",
    environ: dict[str, Any] | None = None,
    **headers: str,
) -> webob.Response:
    """Returns the whole answer.

    Args:
        path: with its query, quoted; may be a URL.
        environ: instead of what a server would say.
        headers: with underscores.
    """
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = webob.Request.blank(path, environ, method=method, headers=named, body=body)
    said: list[Any] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        said[:] = [status, headers]
        return said.append

    result = validator(app)(request.environ, start_response)
    try:
        pieces = list(result)
    finally:
        result.close()  # type: ignore[attr-defined]
    status, header_list = said
    names = [name.lower() for name, _ in header_list if name not in _MAY_STAND_TWICE]
    assert len(set(names)) == len(names), f"a header stands twice: {header_list}"
    return webob.Response(status=status, headerlist=header_list, app_iter=pieces)
