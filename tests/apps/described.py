"""APIs with a docs page, each reached in its own way."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from wsgisrv import api

SIDE = {"type": "integer", "minimum": 1}
TREE = {
    "title": "Tree",
    "type": "object",
    "required": ["name"],
    "properties": {"name": {"type": "string", "minLength": 5}, "above": {"$ref": "#"}},
}
LEFT = {"type": "object", "required": ["left"], "properties": {"left": {"enum": ["l"]}}}
MADE = {
    "type": "object",
    "required": [
        "kind", "code", "many", "at", "id", "mail", "link", "more", "few", "told", "shape", "either"
    ],
    "properties": {
        "kind": {"const": "made"},
        "code": {"type": "string", "minLength": 6, "maxLength": 6},
        "many": {"type": "array", "minItems": 2, "items": {"type": ["null", "integer"]}},
        "at": {"type": "string", "format": "date-time"},
        "id": {"type": "string", "format": "uuid"},
        "mail": {"type": "string", "format": "email"},
        "link": {"type": "string", "format": "uri"},
        "more": {"type": "number", "exclusiveMinimum": 3, "multipleOf": 2},
        "few": {"type": "integer", "exclusiveMaximum": -1},
        "told": {"type": "string", "pattern": "^[A-Z]{3}$", "examples": ["ABC"]},
        "shape": {"type": "object", "minProperties": 1, "properties": {"side": SIDE}},
        "either": {"anyOf": [LEFT]},
    },
    "additionalProperties": False,
}  # fmt: skip
QUERY = {
    "type": "object",
    "properties": {"size": {"type": "integer", "exclusiveMinimum": 0, "maximum": 9}},
}
DESCRIPTION = """Two lines
of **bold** and *plain* words, `x * y * z`, and a [link](https://example.org/a_b?c=d).

- one
- [two](javascript://%0adocument.title=1)
  goes on

3. three
<img src=x onerror="document.title = 'broken'"> [**x**](https://example.org/"onclick="alert)
"""


OF_OTHERS = {"/by/others": {"summary": "Others", "get": {"requestBody": {"content": {"*/*": {}}}}}}
THINGS = api.Described("Things", description=DESCRIPTION, more={"paths": OF_OTHERS})


class Things:
    """What the page has to show."""

    @api.query(QUERY)
    def index(self, request: api.Request, query: Any) -> Any:
        """Lists *things*."""
        return {"url": request.path_info, "size": query.get("size")}

    @api.body(MADE)
    def create(self, request: api.Request, body: Any) -> Any:
        """Makes a thing."""
        return body

    def show(self, request: api.Request, thing_id: str) -> Any:
        """Shows a thing."""
        return {"thing": thing_id}

    @api.version("1.1")
    def delete(self, request: api.Request, thing_id: str) -> None:
        """Deletes a thing."""

    @api.body(TREE)
    def patch(self, request: api.Request, thing_id: str, body: Any) -> Any:
        """Changes a thing."""
        return body

    @api.query({"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 1})
    def find(self, request: api.Request, query: Any) -> Any:
        """Finds things by whatever they have."""
        return query

    @api.sub_action("paint")
    @api.body(SIDE)
    def paint(self, request: api.Request, thing_id: str, body: Any) -> None:
        """Paints."""

    @api.sub_action("weigh")
    @api.body(SIDE)
    def weigh(self, request: api.Request, thing_id: str, body: Any) -> None:
        """Weighs."""

    def trace(self, request: api.Request) -> None:
        """Traces."""


def _api(trailing_slash: str = "strict", **described: Any) -> api.API:
    router, things = api.Router(), Things()
    thing = router.resource("thing", "things", controller=things, argument="thing_id")
    thing.sub_actions(controller=things)
    router.connect("/found", controller=things, action="find", methods=["GET"])
    router.connect("/traced", controller=things, action="trace", methods=["TRACE"])
    return api.API(
        router,
        versions=api.Microversions("things", "1.0", "1.1"),
        trailing_slash=trailing_slash,
        described=dataclasses.replace(THINGS, **described),
    )


def factory(global_conf: dict[str, str], app: str) -> WSGIApplication:
    """Serves each of the APIs below its own name, and one that is not told its prefix."""
    mounted = {
        "/plain": _api(),
        "/long": _api(title="Donaudampfschifffahrtsgesellschaft" * 2),
        "/slash": _api(trailing_slash="ignore"),
        "/apart": _api(document_path="/spec/openapi.json", page_path="/docs"),
        "/deep": _api(document_path="/openapi.json", page_path="/for/people/docs"),
    }

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        first, _, rest = environ["PATH_INFO"][1:].partition("/")
        environ["PATH_INFO"] = f"/{rest}"
        if first == "stripped":  # as behind a proxy without X-Forwarded-Prefix
            return mounted["/plain"](environ, start_response)
        environ["SCRIPT_NAME"] += f"/{first}"
        return mounted[f"/{first}"](environ, start_response)

    return answer
