"""What an app does with wsgisrv.blocking.in_thread, chosen by PATH_INFO; the query is the argument."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterable
from pathlib import Path
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import eventlet
from eventlet import patcher

from wsgisrv.blocking import in_thread

LOG = logging.getLogger("test.threads")
LINES = 300
EACH = 8


def factory(global_conf: dict[str, str], app: str) -> WSGIApplication:
    return serve


def read(path: str) -> str:
    """Waits, if it is a FIFO, for somebody who writes."""
    return Path(path).read_text()


def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    query = environ["QUERY_STRING"]
    match environ["PATH_INFO"]:
        case "/read":
            answer = in_thread(read, query)
        case "/impatient":
            try:
                with eventlet.Timeout(0.1):
                    answer = in_thread(read, query)
            except eventlet.Timeout:
                answer = "timed out"
        case "/log":
            log_from_all(query)
            answer = json.dumps([EACH, LINES])
        case _:
            answer = json.dumps(in_thread(lambda: threading.current_thread().name))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [answer.encode()]


def log_from_all(path: str) -> None:
    """Logs from 8 greenlets and 8 native threads, half of them the pool's, to stderr and a file."""
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(name)s %(threadName)s %(message)s"))
    LOG.addHandler(handler)
    try:
        natives = [
            patcher.original("threading").Thread(target=log, args=(f"native-{number}",))
            for number in range(EACH // 2)
        ]
        for native in natives:
            native.start()
        greenlets = [eventlet.spawn(log, f"greenlet-{number}") for number in range(EACH)]
        greenlets += [
            eventlet.spawn(in_thread, log, f"pool-{number}") for number in range(EACH // 2)
        ]
        for greenlet in greenlets:
            greenlet.wait()
        for native in natives:
            in_thread(native.join)
    finally:
        LOG.removeHandler(handler)
        handler.close()


def log(who: str) -> None:
    for number in range(LINES):
        LOG.warning("%s line %d", who, number)
        if who.startswith("greenlet") and not number % 10:
            eventlet.sleep(0)
