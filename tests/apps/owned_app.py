"""App, hooks and tasks of tests.apps.owned: each says in the log, or in a file, what it saw."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from wsgisrv.extension import WorkerInfo

_LOG = logging.getLogger("owned")
_STATE: dict[str, Any] = {}


def factory(global_conf: dict[str, str], name: str = "main") -> WSGIApplication:
    """Fails while there is a file ``$OWNED_FLAG``.fails."""
    _LOG.warning("the app is loaded")
    if Path(f"{os.environ.get('OWNED_FLAG')}.fails").exists():
        raise RuntimeError("the trouble of the app")

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        if environ["PATH_INFO"] == "/slow":
            time.sleep(float(environ["QUERY_STRING"]))
        conf = _STATE["info"].conf if "info" in _STATE else None
        told = {
            "name": name,
            "pid": os.getpid(),
            "answer": conf.owned.answer if conf else None,
            "limit": conf.owned.limit if conf else None,
            "greeting": conf.greeting if conf else None,
            "workers": conf.wsgisrv.workers if conf else None,
        }
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(told).encode()]

    return app


def keep(info: WorkerInfo) -> None:
    """A hook that keeps the conf for the app."""
    _STATE["info"] = info


def say_post_fork(info: WorkerInfo) -> None:
    import threading

    from eventlet.green import threading as green

    patched = threading.current_thread is green.current_thread or "eventlet" in str(time.sleep)
    _LOG.warning("post_fork of worker %d, patched: %s", info.worker_id, patched)


def say_ready(info: WorkerInfo) -> None:
    _LOG.warning("ready of worker %d at %s", info.worker_id, len(info.addresses[""]))


def say_draining(info: WorkerInfo) -> None:
    _LOG.warning("draining begins")
    time.sleep(0.05)
    _LOG.warning("draining of worker %d, stopping: %s", info.worker_id, info.stopping.is_set())


def say_exit(info: WorkerInfo) -> None:
    _LOG.warning("worker_exit of worker %d", info.worker_id)


def fail(info: WorkerInfo) -> None:
    raise RuntimeError("the trouble of a hook")


# Tasks


def _note(text: str) -> None:
    """Adds a line to the file of $OWNED_FLAG in one write."""
    fd = os.open(f"{os.environ['OWNED_FLAG']}.notes", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(fd, f"{text} {os.getpid()}\n".encode())
    finally:
        os.close(fd)


def tick(info: WorkerInfo) -> None:
    """Is at work for a moment, so that two at once would show."""
    _note("begin")
    time.sleep(0.01)
    _note("end")


def fail_once(info: WorkerInfo) -> None:
    _STATE["runs"] = _STATE.get("runs", 0) + 1
    if _STATE["runs"] == 1:
        raise RuntimeError("the trouble of a task")
    _LOG.warning("run %d of the task", _STATE["runs"])


def exit_at_once(info: WorkerInfo) -> None:
    sys.exit("a task gives up")


def long_task(info: WorkerInfo) -> None:
    """Ends a moment after it is told to, which its worker waits for."""
    _note("begin")
    _LOG.warning("background begins")
    info.stopping.wait()
    time.sleep(0.05)
    _note("end")
    _LOG.warning("background has ended")
