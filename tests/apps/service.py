"""A service in the shape of those that paste files are written for: factories that ask options of its own."""

from __future__ import annotations

import importlib
import json
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from oslo_config import cfg

AUTH_STRATEGY = "noauth2"
"""What such a service keeps in its own configuration file."""


def pipeline_factory(loader: Any, global_conf: dict[str, str], **local_conf: str) -> Any:
    """Chooses a pipeline by the service's own option and has the loader make its parts."""
    *filters, last = local_conf[AUTH_STRATEGY].split()
    app = loader.get_app(last)
    for name in reversed(filters):
        app = loader.get_filter(name)(app)
    return app


def root_app_factory(loader: Any, global_conf: dict[str, str], **local_conf: str) -> Any:
    """A composite that is loaded by ``paste.composite_factory`` and adds a key of its own."""
    from paste import urlmap

    local_conf.pop("enabled", None)
    return urlmap.urlmap_factory(loader, global_conf, **local_conf)


class NoAuth:
    """A filter with the classic ``factory`` of a class."""

    def __init__(self, app: WSGIApplication, user: str) -> None:
        self.app = app
        self.user = user

    @classmethod
    def factory(cls, global_conf: dict[str, str], **local_conf: str) -> Any:
        return lambda app: cls(app, local_conf.get("user", global_conf.get("user", "nobody")))

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        environ["HTTP_X_USER_ID"] = self.user
        return self.app(environ, start_response)


def application(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """Answers what it saw as JSON, fails on ``/fail`` and reads a body on ``/read``."""
    if environ["PATH_INFO"] == "/fail":
        raise RuntimeError("the service is broken")
    seen = {name: value for name, value in environ.items() if isinstance(value, str)}
    if environ["PATH_INFO"] == "/read":
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or -1))
        seen["length"] = str(len(body))
    body = json.dumps({"app": "service", "environ": seen}).encode()
    start_response(
        "200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    )
    return [body]


def app_factory(global_conf: dict[str, str], **local_conf: str) -> WSGIApplication:
    return application


def make_app(greeting: str = "hello", **others: str) -> WSGIApplication:
    """A factory that knows nothing of paste."""

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [f"{greeting} {sorted(others)}".encode()]

    return app


def make_guarded(users: str) -> WSGIApplication:
    """As a service that reads its own options, of which oslo.middleware's basic_auth asks one."""
    importlib.import_module("oslo_middleware.basic_auth")  # declares it
    cfg.CONF.set_override("http_basic_auth_user_file", users, group="oslo_middleware")
    return application


class Holder:
    app = staticmethod(application)
    number = 7
