"""The echo app, which also knows how often it was called: what is refused must never come this far."""

from __future__ import annotations

from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from tests.apps.basic import echo

COUNT_PATH = "/count"


class Counted:
    """Echoes; COUNT_PATH answers how many requests came before, itself left out."""

    def __init__(self) -> None:
        self._calls = 0

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == COUNT_PATH:
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [str(self._calls).encode()]
        self._calls += 1
        return echo(environ, start_response)


def factory(global_conf: dict[str, str], app: str) -> WSGIApplication:
    return Counted()
