"""An API's own documentation: the OpenAPI document, and a page that shows it and tries requests.

Rules: nothing is loaded from elsewhere, and the page's policy lets nothing be. The page is a few files of
this package; it knows the API from its document alone.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import json
from typing import TYPE_CHECKING, Any

import webob
from webob import exc

from wsgisrv.api.declared import produces
from wsgisrv.api.openapi import Described, Documented
from wsgisrv.api.request import Request

if TYPE_CHECKING:
    from wsgisrv.api.router import Router

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_ASSETS = {"docs.js": "text/javascript", "docs.css": "text/css"}


class Documentation:
    """Controller of the document and the page."""

    def __init__(self, described: Described) -> None:
        self.described = described
        self.documented: Documented | None = None  # set by the API, whose routes it needs
        self._made: dict[tuple[int, str], bytes] = {}

    def document(self, request: Request) -> webob.Response:
        """The OpenAPI document: of the newest microversion, or the one that ``?version=`` names."""
        documented = self.documented
        if documented is None:
            raise exc.HTTPNotFound
        body = json.dumps(
            documented.document(self._index(request), request.application_url)
        ).encode()
        response = webob.Response(body, content_type="application/json", charset=None)
        response.etag = hashlib.blake2b(body, digest_size=12).hexdigest()
        response.conditional_response = True
        return response

    @produces("text/html")
    def page(self, request: Request) -> webob.Response:
        """The docs page."""
        return self._asset("docs.html", "text/html")

    @produces(*_ASSETS.values())
    def asset(self, request: Request, name: str) -> webob.Response:
        """What the page needs."""
        if name not in _ASSETS:
            raise exc.HTTPNotFound(f"no {name[:100]!a} here")
        return self._asset(name, _ASSETS[name])

    def _index(self, request: Request) -> int:
        versions = self.documented.versions if self.documented else None
        if versions is None:
            return 0
        wanted = request.query.get("version", versions.last)
        if wanted not in versions.names:
            raise exc.HTTPBadRequest(f"?version: there are {versions.first} to {versions.last}")
        return versions.names.index(wanted)

    def _asset(self, name: str, content_type: str) -> webob.Response:
        text = importlib.resources.files("wsgisrv.api").joinpath("assets", name).read_text("utf-8")
        versions = self.documented.versions if self.documented else None
        replaced = {
            "{{title}}": _escaped(self.described.title),
            "{{document}}": _escaped(self.described.document_path.rpartition("/")[2]),
            "{{base}}": _escaped(self.described.page_path.rpartition("/")[2]),
            "{{versions}}": _escaped(" ".join(versions.names) if versions else ""),
        }
        if content_type == "text/html":
            for mark, value in replaced.items():
                text = text.replace(mark, value)
        response = webob.Response(text.encode(), content_type=content_type, charset="utf-8")
        response.headers["Content-Security-Policy"] = _POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response


def declare(router: Router, described: Described) -> Documentation:
    """Declares the routes of the documentation; returns what has to be told the API's."""
    documentation = Documentation(described)
    for path, action in (
        (described.document_path, "document"),
        (described.page_path, "page"),
        (f"{described.page_path}/{{name}}", "asset"),
    ):
        router.connect(path, controller=documentation, action=action, methods=["GET"])
    return documentation


def is_documentation(entry: Any) -> bool:
    """Whether a route is one of the documentation's own."""
    method = entry.action.call if entry.action is not None else None
    return isinstance(getattr(method, "__self__", None), Documentation)


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
