"""An app that begins its response before it reads the body."""

from __future__ import annotations

from collections.abc import Iterator
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


def factory(global_conf: dict[str, str], app: str) -> WSGIApplication:
    return {"answer_then_read": answer_then_read}[app]


def answer_then_read(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"begun "
    yield environ["wsgi.input"].read()
