"""An app that logs wherever code of a request can run."""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterable
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import eventlet

from wsgisrv.blocking import in_thread

_LOG = logging.getLogger("logged")


def factory(global_conf: dict[str, str], app: str) -> WSGIApplication:
    found: WSGIApplication = globals()[app]
    return found


def everywhere(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Logs in the request, in a thread, and in what it spawns in each of eventlet's ways."""
    _LOG.warning("here %s", environ["PATH_INFO"])
    in_thread(_LOG.warning, "thread %s", environ["PATH_INFO"])
    eventlet.spawn(_LOG.warning, "spawn %s", environ["PATH_INFO"]).wait()
    pool = eventlet.GreenPool(2)
    pool.spawn(_LOG.warning, "pool %s", environ["PATH_INFO"])
    pool.spawn_n(_LOG.warning, "pool_n %s", environ["PATH_INFO"])
    pool.waitall()
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(environ.get("openstack.request_id")).encode()]


def dies(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Ends the worker on /kill, as a crash in C would."""
    if environ["PATH_INFO"] == "/kill":
        os.kill(os.getpid(), signal.SIGKILL)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"alive"]


def spins(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Computes for as many requests as come."""
    hot_function(200_000)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"done"]


def hot_function(rounds: int) -> int:
    total = 0
    for number in range(rounds):
        total += number * number
    return total
