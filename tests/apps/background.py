"""An app with a greenlet of its own that it has begun while it was loaded."""

from __future__ import annotations

from wsgiref.types import WSGIApplication

import eventlet

from tests.apps import basic


def factory(global_conf: dict[str, str], app: str) -> WSGIApplication:
    eventlet.spawn(works_in_the_background)
    eventlet.sleep(0)
    return basic.factory(global_conf, app)


def works_in_the_background() -> None:
    while True:
        eventlet.sleep(600)
