"""Apps that hold the hub: in Python, in C that lets the interpreter go, and in C that does not."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


def factory(global_conf: dict[str, str], app: str) -> WSGIApplication:
    hold = {"spins": spins, "waits_in_c": waits_in_c, "holds_the_gil": holds_the_gil}[app]

    def blocking(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Holds the hub for as many seconds as the query says; without a query for none."""
        environ["openstack.request_id"] = "req-of-the-test"
        if environ["QUERY_STRING"]:
            hold(float(environ["QUERY_STRING"]))
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(os.getpid()).encode()]

    return blocking


def spins(seconds: float) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


def waits_in_c(seconds: float) -> None:
    _sleep(ctypes.CDLL(None), seconds)


def holds_the_gil(seconds: float) -> None:
    _sleep(ctypes.PyDLL(None), seconds)


def _sleep(library: Any, seconds: float) -> None:
    """Sleeps where nothing of Python's is asked: poll(2) of no descriptor."""
    library.poll(None, 0, int(seconds * 1000))
