"""One API in three frameworks: 20 resources, a list and a member each, so 40 routes; the answer is JSON.

Rules: each is written as its own users write it. ``glance`` is the wiring of the services that wsgisrv.api is
for: two wsgify filters around RoutesMiddleware and a resource that makes a webob.Response.
"""

from __future__ import annotations

import json
import typing
from collections.abc import Callable
from typing import Any

if typing.TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

RESOURCES = 20
PATH = "/r07/12345"
ANSWER = {"name": "Lavinia", "year": 2008}
_SHOWN = {
    "type": "object",
    "required": ["id", "name", "year"],
    "properties": {
        "id": {"type": "string", "maxLength": 36},
        "name": {"type": "string"},
        "year": {"type": "integer"},
    },
    "additionalProperties": False,
}
_QUERY = {
    "type": "object",
    "properties": {"verbose": {"type": "boolean"}},
    "additionalProperties": False,
}


def bare() -> WSGIApplication:
    """wsgisrv.api with nothing that it could leave out."""
    from wsgisrv import api

    class Things:
        def index(self, request: api.Request) -> dict[str, Any]:
            return {"things": []}

        def show(self, request: api.Request, thing_id: str) -> dict[str, Any]:
            return {"id": thing_id, **ANSWER}

    return api.API(_declared(api, Things), request_ids=False)


def full() -> WSGIApplication:
    """wsgisrv.api with validation of query and result, faults, microversions and request ids."""
    from wsgisrv import api

    class Things:
        def index(self, request: api.Request) -> dict[str, Any]:
            return {"things": []}

        @api.query(_QUERY)
        @api.returns(_SHOWN)
        def show(self, request: api.Request, thing_id: str) -> dict[str, Any]:
            return {"id": thing_id, **ANSWER}

    faults: Any = {KeyError: lambda error: None}
    versions = api.Microversions("thing", "1.0", "1.9")
    return api.API(_declared(api, Things), faults=faults, versions=versions)


def _declared(api: Any, controller: Callable[[], object]) -> Any:
    router = api.Router()
    for number in range(RESOURCES):
        things = controller()
        path = f"/r{number:02}"
        router.connect(path, controller=things, action="index", methods=["GET"])
        router.connect(f"{path}/{{thing_id}}", controller=things, action="show", methods=["GET"])
    return router


def falcon() -> WSGIApplication:
    import falcon as framework

    class List:
        def on_get(self, request: Any, response: Any) -> None:
            response.media = {"things": []}

    class Member:
        def on_get(self, request: Any, response: Any, thing_id: str) -> None:
            response.media = {"id": thing_id, **ANSWER}

    app = framework.App()
    for number in range(RESOURCES):
        app.add_route(f"/r{number:02}", List())
        app.add_route(f"/r{number:02}/{{thing_id}}", Member())
    made: WSGIApplication = app
    return made


def glance() -> WSGIApplication:
    import routes.middleware
    import webob.dec

    class Filter:
        def __init__(self, app: WSGIApplication) -> None:
            self.app = app

        @webob.dec.wsgify  # type: ignore[untyped-decorator]
        def __call__(self, request: Any) -> Any:
            request.environ.setdefault("filters", []).append(type(self).__name__)
            return request.get_response(self.app)

    class Things:
        def index(self, request: Any) -> Any:
            return {"things": []}

        def show(self, request: Any, thing_id: str) -> Any:
            return {"id": thing_id, **ANSWER}

    class Resource:
        def __init__(self, controller: object) -> None:
            self.controller = controller

        @webob.dec.wsgify  # type: ignore[untyped-decorator]
        def __call__(self, request: Any) -> Any:
            arguments = dict(request.environ["wsgiorg.routing_args"][1])
            arguments.pop("controller", None)
            action = getattr(self.controller, arguments.pop("action"))
            response = webob.Response(request=request)
            response.headers["Content-Type"] = "application/json"
            response.body = json.dumps(action(request, **arguments)).encode()
            return response

    @webob.dec.wsgify  # type: ignore[untyped-decorator]
    def dispatch(request: Any) -> Any:
        found = request.environ["wsgiorg.routing_args"][1]
        return found["controller"] if found else webob.exc.HTTPNotFound()

    mapper = routes.Mapper()
    for number in range(RESOURCES):
        resource = Resource(Things())
        path = f"/r{number:02}"
        for where, action in ((path, "index"), (f"{path}/{{thing_id}}", "show")):
            mapper.connect(
                where, controller=resource, action=action, conditions={"method": ["GET"]}
            )
    routed: Any = routes.middleware.RoutesMiddleware(dispatch, mapper)
    made: WSGIApplication = Filter(Filter(routed))
    return made


def api_factory(global_conf: dict[str, str], **local_conf: str) -> WSGIApplication:
    """The paste factory of what ``api-http`` serves with wsgisrv."""
    return full() if local_conf.get("full") else bare()


def __getattr__(name: str) -> WSGIApplication:
    """Makes ``falcon_app`` when a server asks for it by name."""
    if name == "falcon_app":
        return falcon()
    raise AttributeError(name)
