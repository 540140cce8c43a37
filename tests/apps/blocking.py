"""Apps that hold the hub: in Python, in C that lets the interpreter go, and in C that does not."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from eventlet import patcher

native_sleep = patcher.original("time").sleep
NATIVE_LOCK = patcher.original("_thread").allocate_lock()
NATIVE_SOCKET = patcher.original("socket").socket()
native_pair = patcher.original("socket").socketpair
native_waitpid = patcher.original("os").waitpid


def factory(global_conf: dict[str, str], app: str) -> WSGIApplication:
    hold = {
        "spins": spins,
        "waits_in_c": waits_in_c,
        "holds_the_gil": holds_the_gil,
        "waits_in_a_thread": waits_in_a_thread,
        "queries_sqlite": queries_sqlite,
        "sleeps_natively": sleeps_natively,
        "waits_on_a_socket": waits_on_a_socket,
        "queries_mysql": queries_mysql,
        "queries_postgresql": queries_postgresql,
        "waits_for_a_process": waits_for_a_process,
        "waits_for_a_shell": waits_for_a_shell,
        "aborts": aborts,
        "forks_what_aborts": forks_what_aborts,
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


def queries_sqlite(seconds: float) -> None:
    """Waits in SQLite for a lock that another connection has."""
    with (
        tempfile.NamedTemporaryFile() as file,
        contextlib.closing(sqlite3.connect(file.name)) as first,
        contextlib.closing(sqlite3.connect(file.name, timeout=seconds)) as second,
    ):
        first.execute("BEGIN EXCLUSIVE")
        with contextlib.suppress(sqlite3.OperationalError):
            second.execute("CREATE TABLE t (c)")


def sleeps_natively(seconds: float) -> None:
    native_sleep(seconds)


def waits_on_a_socket(seconds: float) -> None:
    ours, theirs = native_pair()
    with ours, theirs, contextlib.suppress(TimeoutError):
        ours.settimeout(seconds)
        ours.recv(1)


def queries_mysql(seconds: float) -> None:
    """Has the server wait, by the plain driver."""
    import MySQLdb

    with contextlib.closing(MySQLdb.connect(**_place("user", "password"))) as connection:
        connection.cursor().execute(f"SELECT SLEEP({seconds})")


def queries_postgresql(seconds: float) -> None:
    """Likewise, by psycopg 2 without its wait callback."""
    import psycopg2
    from psycopg2 import extensions

    extensions.set_wait_callback(None)
    place = _place("user", "password", database="dbname")
    with contextlib.closing(psycopg2.connect(**place)) as connection:
        connection.cursor().execute(f"SELECT pg_sleep({seconds})")


def waits_for_a_process(seconds: float) -> None:
    with subprocess.Popen(["sleep", str(seconds)]) as process:
        native_waitpid(process.pid, 0)


def waits_for_a_shell(seconds: float) -> None:
    os.system(f"sleep {seconds}")  # noqa: S605 - what is looked at


def aborts(_seconds: float) -> None:
    """As a C library does that has found its memory spoiled."""
    ctypes.CDLL(None).abort()


def forks_what_aborts(_seconds: float) -> None:
    pid = os.fork()
    if not pid:
        os.kill(os.getpid(), signal.SIGABRT)
        os._exit(0)
    assert os.WTERMSIG(native_waitpid(pid, 0)[1]) == signal.SIGABRT


def _place(*names: str, database: str = "database") -> dict[str, Any]:
    """Returns what the driver needs to know of the test's server."""
    known = json.loads(os.environ["TEST_DATABASE"])
    chosen = {name: known[name] for name in ("host", "port", *names)}
    return {**chosen, database: known["name"]}


def _sleep(library: Any, seconds: float) -> None:
    """Waits for a mutex that is never given back: unlike a sleep, no signal ends that."""
    mutex = ctypes.create_string_buffer(64)  # zeros are PTHREAD_MUTEX_INITIALIZER
    library.pthread_mutex_lock(mutex)
    until = time.time() + seconds
    library.pthread_mutex_timedlock(mutex, (ctypes.c_long * 2)(int(until), int(until % 1 * 1e9)))
