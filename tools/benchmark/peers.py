"""Runs the servers that have no command of their own: ``python -m benchmark.peers NAME PORT [LOG]``."""

from __future__ import annotations

import importlib
import sys

from benchmark.apps import application

HOST = "127.0.0.1"
BACKLOG = 2048


def run_eventlet(port: int, access_log: str | None) -> None:
    """Serves with eventlet.wsgi, patched as services patch it; the access log goes to a file or is off."""
    eventlet = importlib.import_module("eventlet")
    eventlet.monkey_patch()
    wsgi = importlib.import_module("eventlet.wsgi")
    listener = eventlet.listen((HOST, port), backlog=BACKLOG)
    if access_log is None:
        wsgi.server(listener, application, log_output=False, max_size=4000)
    else:
        with open(access_log, "w", buffering=1) as log:
            wsgi.server(listener, application, log=log, max_size=4000)


def run_bjoern(port: int, access_log: str | None) -> None:
    """Serves with bjoern, which has no access log."""
    importlib.import_module("bjoern").run(application, HOST, port)


if __name__ == "__main__":
    run = {"eventlet": run_eventlet, "bjoern": run_bjoern}[sys.argv[1]]
    run(int(sys.argv[2]), sys.argv[3] if sys.argv[3:] else None)
