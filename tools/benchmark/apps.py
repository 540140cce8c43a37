"""The app that every server serves, and its paste factory.

Rules: plain WSGI, as little work as can be, and the same path through the code for every server.
"""

from __future__ import annotations

import ctypes
import time
import typing
from collections.abc import Callable, Iterable
from pathlib import Path
from wsgiref.util import FileWrapper

if typing.TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

HELLO = b'{"message":"Hello, world"}'
MEBIBYTE = b"\0" * (1024 * 1024)
GIBIBYTE = 1024 * 1024 * 1024
JSON = "application/json"
BYTES = "application/octet-stream"


def hello(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", JSON), ("Content-Length", str(len(HELLO)))])
    return [HELLO]


def upload(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length)
    start_response("200 OK", [("Content-Type", BYTES), ("Content-Length", str(len(body)))])
    return [body]


def mebibyte(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", BYTES), ("Content-Length", str(len(MEBIBYTE)))])
    return [MEBIBYTE]


def file(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answers with a file of the working directory, which is made when it is first asked for."""
    path = Path("gibibyte")
    if not path.exists():
        with path.open("wb") as new:
            new.truncate(GIBIBYTE)
    start_response("200 OK", [("Content-Type", BYTES), ("Content-Length", str(GIBIBYTE))])
    wrapper = environ.get("wsgi.file_wrapper", FileWrapper)
    found: Iterable[bytes] = wrapper(path.open("rb"))
    return found


def compute(seconds: float) -> None:
    """Computes in Python."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


def by_process(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    from wsgisrv.blocking import in_process

    in_process(compute, float(environ["QUERY_STRING"]))
    return hello(environ, start_response)


def by_thread(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Waits in C code: a sleep of the C library, which eventlet does not know."""
    from wsgisrv.blocking import in_thread

    in_thread(ctypes.CDLL(None).usleep, int(float(environ["QUERY_STRING"]) * 1e6))
    return hello(environ, start_response)


def blocked(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    compute(float(environ["QUERY_STRING"]))
    return hello(environ, start_response)


PATHS: dict[str, Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]] = {
    "/": hello,
    "/upload": upload,
    "/mebibyte": mebibyte,
    "/file": file,
    "/process": by_process,
    "/thread": by_thread,
    "/block": blocked,
}


def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    return PATHS[environ["PATH_INFO"]](environ, start_response)


def app_factory(global_conf: dict[str, str], **local_conf: str) -> WSGIApplication:
    return application
