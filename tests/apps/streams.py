"""Apps for bodies that are long or slow, chosen by ``app`` in the paste file."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

MIB = 1024 * 1024


def factory(global_conf: dict[str, str], app: str) -> WSGIApplication:
    found: WSGIApplication = globals()[app]
    return found


def endless(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    while True:
        yield bytes(MIB)


def sha256(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Reads the body in pieces of 64 KiB, with a rest between them, and answers its digest."""
    digest = hashlib.sha256()
    rest = float(environ["QUERY_STRING"] or 0)
    count = 0
    while piece := environ["wsgi.input"].read(65536):
        digest.update(piece)
        count += 1
        if not count % 64:
            time.sleep(rest)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [digest.hexdigest().encode()]


def zeros(environ: WSGIEnvironment, start_response: StartResponse) -> Iterator[bytes]:
    """Answers with as many MiB of zeros as the query says."""
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    for _ in range(int(environ["QUERY_STRING"])):
        yield bytes(MIB)


def early(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answers without a look at the body."""
    start_response("403 Forbidden", [("Content-Type", "text/plain")])
    return [b"no"]


def whole(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answers in one piece with as many bytes as the query says."""
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    return [b"x" * int(environ["QUERY_STRING"])]
