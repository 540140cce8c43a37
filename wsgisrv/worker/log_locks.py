"""Locks of logging that greenlets and native threads share, so that neither can hang the other.

Rules: installed once, right after the patching, before the app makes a handler. Touches the handlers of the
standard library's logging, whoever makes them, and one lock of ``threading``.

Facts about green locks: the patching makes them of what ``logging`` and ``threading`` have. A native thread
that has to wait for one waits in a hub of its own, where nobody wakes it: with 8 of each logging, seen within
a second. An original RLock belongs to the whole hub's thread, so greenlets would pass each other by and
mix their lines where a handler waits inside, as one that writes to a socket does.
``threading._active_limbo_lock`` is taken by each record of a native thread that eventlet does not know, with
the import lock held; nothing switches inside it, so that the original RLock is enough there.
"""

from __future__ import annotations

import logging
import threading
from types import TracebackType
from typing import Any

import greenlet

from wsgisrv.logs import RequestIdFilter, original_rlock


class HandlerLock:
    """A re-entrant lock: greenlets of the hub wait for each other green, threads for each other natively.

    The hub itself, which may not wait, passes greenlets by. A greenlet that waits for a native thread stops
    the hub for as long as that thread's record takes.

    Args:
        hub: eventlet's, of the calling thread.
    """

    __slots__ = ("_green", "_hub", "_native", "_owner")

    def __init__(self, hub: Any) -> None:
        self._hub = hub
        self._owner = threading.get_native_id()
        self._at_fork_reinit()

    def acquire(self) -> bool:
        """Waits until the lock is the caller's."""
        if self._is_among_greenlets():
            self._green.acquire()
        return bool(self._native.acquire())

    def release(self) -> None:
        """Gives the lock back, once for each time that it was acquired."""
        self._native.release()
        if self._is_among_greenlets():
            self._green.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.release()

    def _is_among_greenlets(self) -> bool:
        return (
            threading.get_native_id() == self._owner
            and greenlet.getcurrent() is not self._hub.greenlet
        )

    def _at_fork_reinit(self) -> None:
        """Logging's own hook: nobody holds the lock in a forked child."""
        self._green = threading.RLock()
        self._native = original_rlock()


def share_logging(hub: Any) -> None:
    """Gives every handler of logging, there or to come, a lock that native threads can share, and the
    request's id on its records.

    Runs in: worker, at boot; a handler that makes its own kind of lock keeps it.
    """

    def create_lock(self: logging.Handler) -> None:
        make_lock(self)
        self.lock = HandlerLock(hub)  # type: ignore[assignment]

    def make_with_filter(self: logging.Handler, level: int | str = logging.NOTSET) -> None:
        make(self, level)
        self.addFilter(request_ids)

    request_ids = RequestIdFilter()
    handler_class: Any = logging.Handler
    make = handler_class.__init__
    handler_class.__init__ = make_with_filter  # not in createLock, which oslo.log replaces
    make_lock = handler_class.createLock  # it tells logging of the handler, for after a fork
    handler_class.createLock = create_lock
    for reference in logging._handlerList:  # type: ignore[attr-defined]
        handler = reference()
        if handler is not None and handler.lock is not None:
            handler.createLock()
    module: Any = threading
    module._active_limbo_lock = original_rlock()
