"""``in_thread``: a call that waits in C code runs in a native thread, and its greenlet waits for it.

Rules: the one mutable global here is the process's pool, since callers are anywhere in an app. In a worker
boot makes it; in another patched process the first call does. Imports eventlet only where it is in use.

What runs where, by caller:

- a greenlet of a hub: in the pool
- a native thread, as of a call that is in the pool already: right there, since it stops no hub
- a process without eventlet's patched threads, such as a script or a test: right there
"""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

if TYPE_CHECKING:
    from wsgisrv.blocking.thread_pool import ThreadFigures, ThreadPool

_P = ParamSpec("_P")
_R = TypeVar("_R")

DEFAULT_THREADS = 20
"""In a process that is no worker."""


def in_thread(f: Callable[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
    """Calls ``f`` in a native thread while other greenlets run, and returns what it returns.

    For calls that wait in C code which lets other threads run: a database driver, a file, a lock, a
    subprocess. A computation in Python keeps the interpreter to itself all the same: see ``in_process``.

    ``f`` sees the caller's contextvars, and what it sets of them stays its own. Greenlets, and what belongs
    to one, are not for it: it may not use green sockets or locks that are made elsewhere. A
    ``threading.local`` is the thread's, so what is left in it meets a later call.

    When the greenlet is interrupted while it waits, by ``eventlet.Timeout``, ``request_timeout`` or a kill,
    it is free at once. A call that no thread has taken yet never runs; one that runs cannot be stopped: it
    runs on, holds its thread to its end, and its result is dropped.

    Raises:
        BusyError: when ``blocking_queue`` calls wait already.
        BaseException: what ``f`` raises, with its traceback.
    """
    pool = _HERE.find()
    if pool is None:
        return f(*args, **kwargs)
    return pool.call(f, args, kwargs)  # type: ignore[no-any-return]


def in_thread_to_end(f: Callable[_P, _R], /, *args: _P.args, **kwargs: _P.kwargs) -> _R:
    """Calls ``f`` as ``in_thread`` does, but whatever happens to the greenlet, ``f`` is run.

    For a call that leaves what it uses in order, such as a driver's on its connection.

    Raises:
        BusyError, BaseException: as ``in_thread``.
    """
    pool = _HERE.find()
    if pool is None:
        return f(*args, **kwargs)
    return pool.call(f, args, kwargs, is_dropped=False)  # type: ignore[no-any-return]


def threaded(f: Callable[_P, _R]) -> Callable[_P, _R]:
    """Makes every call of ``f`` an ``in_thread`` one: a decorator."""

    @functools.wraps(f)
    def call(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        return in_thread(f, *args, **kwargs)

    return call


def install_threads(hub: Any, most_threads: int, most_waiting: int) -> None:
    """Makes this process's pool, for the hub of the calling thread. Runs in: worker, at boot.

    Args:
        most_threads: 1 or more.
        most_waiting: calls that wait for one; 0 sets no bound.
    """
    from wsgisrv.blocking.thread_pool import ThreadPool

    _HERE.pool = ThreadPool(hub, most_threads, most_waiting)


def thread_figures() -> ThreadFigures | None:
    """Returns how the process's pool stands, None when there is none. Runs in: hub."""
    return None if _HERE.pool is None else _HERE.pool.figures()


class _Here:
    """Holds the process's pool."""

    def __init__(self) -> None:
        self.pool: ThreadPool | None = None
        os.register_at_fork(after_in_child=self._forget)

    def find(self) -> ThreadPool | None:
        """Returns the pool for a call of the calling thread, None when it is to run right here."""
        if self.pool is None:
            self._make_if_green()
        pool = self.pool
        return pool if pool is not None and pool.is_ours else None

    def _make_if_green(self) -> None:
        patcher: Any = sys.modules.get("eventlet.patcher")
        if patcher is None or not patcher.is_monkey_patched("thread"):
            return
        if threading.main_thread().native_id != threading.get_native_id():
            return
        from eventlet import hubs

        install_threads(hubs.get_hub(), DEFAULT_THREADS, 0)

    def _forget(self) -> None:
        """Runs in: a forked child, which has none of the threads."""
        self.pool = None


_HERE = _Here()
