"""An API's own documentation: the OpenAPI document, and a page that shows it and tries requests.

Rules: nothing is loaded from elsewhere, and the page's policy lets nothing be. The page is a few files of
this package; it knows the API from its document alone, and what it asks for it finds relative to its own
address, since a proxy may have taken a prefix off the path without saying so.
"""

from __future__ import annotations

import hashlib
import importlib.resources
import json
import re
from typing import TYPE_CHECKING, Any

import webob
from webob import exc

from wsgisrv.api.declared import produces
from wsgisrv.api.openapi import Described, Documented
from wsgisrv.api.request import Request
from wsgisrv.errors import ConfigError

if TYPE_CHECKING:
    from wsgisrv.api.router import Router

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_ASSETS = {
    "docs.css": "text/css",
    "docs.js": "text/javascript",
    "schemas.js": "text/javascript",
    "text.js": "text/javascript",
}
_PATH = re.compile(
    r"(?:/(?!\.\.?(?:/|\Z))[A-Za-z0-9._~-]+)+"
)  # no variable, no . or .. as a segment


class Documentation:
    """Controller of the document and the page."""

    def __init__(self, described: Described) -> None:
        self.described = described
        self.documented: Documented | None = None  # set by the API, whose routes it needs

    def document(self, request: Request) -> webob.Response:
        """The OpenAPI document: of the newest microversion, or the one that ``?version=`` names."""
        documented = self.documented
        if documented is None:
            raise exc.HTTPNotFound
        document = documented.document(self._index(request), request.application_url)
        return _answer(json.dumps(document).encode(), "application/json")

    @produces("text/html")
    def page(self, request: Request) -> webob.Response:
        """The docs page."""
        described = self.described
        versions = self.documented.versions if self.documented else None
        replaced = {
            "{{title}}": described.title,
            # With trailing_slash="ignore" the page is at /docs/ too.
            "{{root}}": "../" * (request.environ["PATH_INFO"].count("/") - 1),
            "{{page}}": described.page_path[1:],
            "{{document}}": described.document_path[1:],
            "{{versions}}": " ".join(versions.names) if versions else "",
        }
        text = _read("docs.html")
        for mark, value in replaced.items():
            text = text.replace(mark, _escaped(value))
        return _of_the_page(text, "text/html")

    @produces(*dict.fromkeys(_ASSETS.values()))
    def asset(self, request: Request, file: str) -> webob.Response:
        """What the page needs."""
        return _of_the_page(_read(file), _ASSETS[file])

    def _index(self, request: Request) -> int:
        versions = self.documented.versions if self.documented else None
        if versions is None:
            return 0
        wanted = request.query.get("version", versions.last)
        if wanted not in versions.names:
            raise exc.HTTPBadRequest(f"?version: there are {versions.first} to {versions.last}")
        return versions.names.index(wanted)


def declare(router: Router, described: Described) -> Documentation:
    """Declares the routes of the documentation; returns what has to be told the API's.

    Raises:
        ConfigError: when the path of the document or the page is none that a browser finds again.
    """
    for option, path in (
        ("document_path", described.document_path),
        ("page_path", described.page_path),
    ):
        if not _PATH.fullmatch(path):
            raise ConfigError(
                f"{option} is a path as /docs or /spec/openapi.json, of letters, digits and . _ ~ -"
                f" between slashes, with none at the end; not {path!r}"
            )
    documentation = Documentation(described)

    def connect(path: str, action: str, **constants: str) -> None:
        router.connect(path, controller=documentation, action=action, methods=["GET"], **constants)

    connect(described.document_path, "document")
    connect(described.page_path, "page")
    for file in _ASSETS:
        connect(f"{described.page_path}/{file}", "asset", file=file)
    return documentation


def is_documentation(entry: Any) -> bool:
    """Whether a route is one of the documentation's own."""
    method = entry.action.call if entry.action is not None else None
    return isinstance(getattr(method, "__self__", None), Documentation)


def _of_the_page(text: str, content_type: str) -> webob.Response:
    response = _answer(text.encode(), content_type)
    response.charset = "utf-8"
    response.headers["Content-Security-Policy"] = _POLICY
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    return response


def _answer(body: bytes, content_type: str) -> webob.Response:
    """Returns an answer that a browser keeps, and asks each time whether it is still the same."""
    response = webob.Response(body, content_type=content_type, charset=None)
    response.etag = hashlib.blake2b(body, digest_size=12).hexdigest()
    response.cache_control.no_cache = True
    response.conditional_response = True
    return response


def _read(name: str) -> str:
    return importlib.resources.files("wsgisrv.api").joinpath("assets", name).read_text("utf-8")


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
