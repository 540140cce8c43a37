"""The apps of ``basic`` behind the health check."""

from __future__ import annotations

from wsgiref.types import WSGIApplication

from tests.apps import basic
from wsgisrv.middleware.healthcheck import Healthcheck


def factory(global_conf: dict[str, str], app: str) -> WSGIApplication:
    return Healthcheck(basic.factory(global_conf, app))
