"""An API that makes spans of its own wherever code of a request can run."""

from __future__ import annotations

from typing import Any
from wsgiref.types import WSGIApplication

import eventlet
from opentelemetry import propagate, trace

from wsgisrv import api
from wsgisrv.blocking import in_thread


def factory(global_conf: dict[str, str], app: str) -> WSGIApplication:
    router = api.Router()
    router.connect("/things/{thing_id}", controller=Things(), action="show", methods=["GET"])
    return api.API(router)


def inner(name: str) -> None:
    with trace.get_tracer("app").start_as_current_span(name):
        pass


class Things:
    def show(self, request: api.Request, thing_id: str) -> dict[str, Any]:
        if thing_id == "fails":
            raise RuntimeError("broken")
        if thing_id == "carried":
            sent: dict[str, Any] = {}
            propagate.inject(sent)
            return sent
        inner("here")
        in_thread(inner, "thread")
        eventlet.spawn(inner, "spawned").wait()
        pool = eventlet.GreenPool()
        pool.spawn_n(inner, "pooled")
        pool.waitall()
        return {"id": thing_id, "trace": request.environ["wsgisrv.trace_id"]}
