"""Files and broken-off bodies, chosen by PATH_INFO."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

MIB = 1024 * 1024


def factory(global_conf: dict[str, str], app: str) -> WSGIApplication:
    found: WSGIApplication = globals()[app]
    return found


def files(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answers a regular file of 3 MiB, one of 1 GiB, or breaks a body off in the middle."""
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    if environ["PATH_INFO"] == "/broken":
        return _broken()
    file = tempfile.TemporaryFile()  # noqa: SIM115 -- the server closes it
    if environ["PATH_INFO"] == "/gibibyte":
        file.truncate(1024 * MIB)
    else:
        for number in range(3):
            file.write(bytes([number]) * MIB)
        file.seek(0)
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](file)
    return wrapped


def _broken() -> Iterator[bytes]:
    yield b"x" * 1000
    raise RuntimeError("planted")
