"""Apps that tell servers, processes and loads apart: each load of one has its own number."""

from __future__ import annotations

import itertools
import json
import logging
import os
import time
from collections.abc import Iterable
from pathlib import Path
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

_LOADS = itertools.count(1)


def block(seconds: float) -> None:
    """Stops the whole process's hub: the unpatched sleep."""
    from eventlet.patcher import original

    original("time").sleep(seconds)


def factory(global_conf: dict[str, str], name: str, flag: str = "") -> WSGIApplication:
    """Fails while there is a file ``flag``.fails, and waits while there is one ``flag``.waits."""
    if Path(f"{flag}.fails").exists():
        raise RuntimeError(f"the trouble of {name}")
    while Path(f"{flag}.waits").exists():
        time.sleep(0.01)
    load = next(_LOADS)

    def app(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/raise":
            raise RuntimeError("on request")
        if environ["PATH_INFO"] == "/warn":
            logging.getLogger("named").warning("asked to")
        if environ["PATH_INFO"] == "/block":
            block(float(environ["QUERY_STRING"]))
        if environ["PATH_INFO"] == "/slow":
            time.sleep(float(environ["QUERY_STRING"]))
        if environ["PATH_INFO"] == "/until":
            while not Path(environ["QUERY_STRING"]).exists():
                time.sleep(0.01)
        start_response("200 OK", [("Content-Type", "application/json")])
        told = {
            "name": name,
            "pid": os.getpid(),
            "load": load,
            "server": environ.get("wsgisrv.server"),
            "url_scheme": environ["wsgi.url_scheme"],
        }
        return [json.dumps(told).encode()]

    return app
