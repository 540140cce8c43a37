"""An app that keeps memory."""

from __future__ import annotations

import os
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


def factory(global_conf: dict[str, str], app: str) -> WSGIApplication:
    kept: list[bytes] = []

    def grows(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Keeps as many bytes as the query says, each page touched."""
        kept.append(b"x" * int(environ["QUERY_STRING"] or 0))
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(os.getpid()).encode()]

    return grows
