"""Apps that read the body, each in one way of PEP 3333; chosen by PATH_INFO."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment
from wsgiref.validate import validator


def _until_empty(read: Callable[[int], bytes], size: int) -> Iterator[bytes]:
    while piece := read(size):
        assert len(piece) <= size or size < 0
        yield piece


READERS: dict[str, Callable[[Any], Iterable[bytes]]] = {
    "/read-all": lambda body: [body.read(-1)],
    "/read-5": lambda body: _until_empty(body.read, 5),
    "/read-beyond": lambda body: [body.read(10_000), body.read(1)],
    "/readline": lambda body: iter(body.readline, b""),
    "/readline-3": lambda body: _until_empty(body.readline, 3),
    "/readlines": lambda body: body.readlines(),
    "/readlines-4": lambda body: [*body.readlines(4), *body.readlines()],
    "/iterate": iter,
    "/mixed": lambda body: [body.read(2), body.readline(), *body.readlines(1), body.read(-1)],
}


def factory(global_conf: dict[str, str], app: str) -> WSGIApplication:
    return validator(echo) if app == "echo" else catches


def echo(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answers with the body as it was read."""
    body = b"".join(READERS[environ["PATH_INFO"]](environ["wsgi.input"]))
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return [body]


def catches(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answers what reading raised, twice, as if nothing had happened."""
    said = []
    for _ in range(2):
        try:
            environ["wsgi.input"].read(-1)
        except OSError as error:
            said.append(str(error))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["|".join(said).encode()]
