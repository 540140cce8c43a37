"""Runs the servers that have no command of their own: ``python -m benchmark.peers NAME PORT [LOG]``."""

from __future__ import annotations

import importlib
import sys
from typing import Any

HOST = "127.0.0.1"
BACKLOG = 2048


def app_of(name: str) -> Any:
    """Returns the app, or what its factory makes; imported when everything is patched."""
    module, _, attribute = name.partition(":")
    found = getattr(importlib.import_module(f"benchmark.{module}"), attribute)
    return found() if attribute == "glance" else found


def run_eventlet(port: int, access_log: str | None, name: str = "apps:application") -> None:
    """Serves with eventlet.wsgi, patched as services patch it; the access log goes to a file or is off."""
    eventlet = importlib.import_module("eventlet")
    eventlet.monkey_patch()
    wsgi = importlib.import_module("eventlet.wsgi")
    application = app_of(name)
    listener = eventlet.listen((HOST, port), backlog=BACKLOG)
    if access_log is None:
        wsgi.server(listener, application, log_output=False, max_size=4000)
    else:
        with open(access_log, "w", buffering=1) as log:
            wsgi.server(listener, application, log=log, max_size=4000)


def run_glance(port: int, access_log: str | None) -> None:
    """Serves the API of WebOb and Routes likewise."""
    run_eventlet(port, access_log, "api_apps:glance")


def run_bjoern(port: int, access_log: str | None) -> None:
    """Serves with bjoern, which has no access log."""
    importlib.import_module("bjoern").run(app_of("apps:application"), HOST, port)


if __name__ == "__main__":
    run = {"eventlet": run_eventlet, "glance": run_glance, "bjoern": run_bjoern}[sys.argv[1]]
    run(int(sys.argv[2]), sys.argv[3] if sys.argv[3:] else None)
