"""An app with a router of its own, which tells the server its routes."""

from __future__ import annotations

import time
from collections.abc import Iterable
from urllib.parse import parse_qsl
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


def factory(global_conf: dict[str, str], app: str) -> WSGIApplication:
    return {"routed": routed, "unbounded": unbounded}[app]


def routed(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answers ``/things/...`` on the route ``/things/{id}``; the query says how, and for how long."""
    asked = dict(parse_qsl(environ["QUERY_STRING"]))
    if environ["PATH_INFO"].startswith("/things/"):
        environ["wsgisrv.route"] = "/things/{id}"
    environ["wsgi.input"].read()
    if "sleep" in asked:
        time.sleep(float(asked["sleep"]))
    if "raise" in asked:
        raise ValueError("of the test")
    start_response(asked.get("status", "200 OK"), [("Content-Type", "text/plain")])
    return [b"hello"]


def unbounded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Takes the path for a route, which nobody should, or a list, which is none."""
    path = environ["PATH_INFO"]
    environ["wsgisrv.route"] = [path] if path == "/list" else path
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]
