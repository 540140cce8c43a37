"""Apps with one behaviour each, chosen by ``app`` in the paste file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


def factory(global_conf: dict[str, str], app: str) -> WSGIApplication:
    found: WSGIApplication = globals()[app]
    return found


def hello(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


def pid(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]


def echo(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answers what it saw, as JSON; ``/ignore`` leaves the body alone."""
    body = b"" if environ["PATH_INFO"] == "/ignore" else environ["wsgi.input"].read()
    seen: dict[str, Any] = {
        name: value for name, value in environ.items() if isinstance(value, str)
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"environ": seen, "body": body.decode("latin-1")}).encode()]


def waits(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answers once the file that the query names is there."""
    import time

    while not os.path.exists(environ["QUERY_STRING"]):
        time.sleep(0.02)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]


def slow(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Takes as many seconds as the query says."""
    import time

    time.sleep(float(environ["QUERY_STRING"] or 0))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]
