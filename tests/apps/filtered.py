"""An app for filters to stand in front of: one behaviour each path."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from wsgiref.types import StartResponse, WSGIEnvironment

PLAIN = [("Content-Type", "text/plain")]


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path == "/fail":
        raise RuntimeError("the app is broken")
    if path == "/read":
        environ["wsgi.input"].read()
    start_response("200 OK", PLAIN)
    if path == "/half":
        return half()
    return [b"a long text " * 100_000] if path == "/long" else [b"hello"]


def half() -> Iterator[bytes]:
    yield b"half"
    raise RuntimeError("in the midst")
