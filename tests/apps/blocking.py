"""Apps that hold the hub: in Python, in C that lets the interpreter go, and in C that does not."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


def factory(global_conf: dict[str, str], app: str) -> WSGIApplication:
    hold = {
        "spins": spins,
        "waits_in_c": waits_in_c,
        "holds_the_gil": holds_the_gil,
        "waits_in_a_thread": waits_in_a_thread,
    }[app]

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


def waits_in_a_thread(seconds: float) -> None:
    from eventlet import tpool

    tpool.execute(waits_in_c, seconds)


def _sleep(library: Any, seconds: float) -> None:
    """Waits for a mutex that is never given back: unlike a sleep, no signal ends that."""
    mutex = ctypes.create_string_buffer(64)  # zeros are PTHREAD_MUTEX_INITIALIZER
    library.pthread_mutex_lock(mutex)
    until = time.time() + seconds
    library.pthread_mutex_timedlock(mutex, (ctypes.c_long * 2)(int(until), int(until % 1 * 1e9)))
