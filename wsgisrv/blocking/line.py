"""A second descriptor of a socket that a C library owns: to wait for it in the hub, look at it, cut it.

Rules: valid until ``close``, whatever the library does with its own. The hub's listener stays from one wait
to the next, since adding and removing it was a quarter of a short statement's time; it is taken away when the
socket becomes readable while nobody waits, as at the end of an idle connection.

Facts about epoll: it knows a socket by descriptor and open file, so it goes on telling of a closed
descriptor while the library's own is open: the listener goes first.
"""

from __future__ import annotations

import _socket  # of C, and never patched
import contextlib
import os
from typing import Any

import greenlet

from wsgisrv.blocking.green import current_hub

_PEEK = _socket.MSG_PEEK | _socket.MSG_DONTWAIT


class Line:
    """Args:
    fd: the library's.
    """

    def __init__(self, fd: int) -> None:
        self._socket = _socket.socket(fileno=os.dup(fd))
        self._fd = self._socket.fileno()
        self._hub: Any = None  # in which the listener is
        self._listener: Any = None
        self._waiter: Any = None
        self._is_closed = False

    def wait_readable(self, hub: Any, seconds: float | None, error: type[BaseException]) -> None:
        """Waits until something has come, or the end.

        Args:
            hub: the caller's.
            seconds: after which ``error`` is raised; None for no bound.
        """
        self._waiter = waiter = greenlet.getcurrent()
        if self._listener is None:
            self._hub = hub
            self._listener = hub.add(hub.READ, self._fd, self._on_readable, self._throw, None)
        timer = None
        if seconds is not None:
            timer = hub.schedule_call_global(seconds, waiter.throw, error)
        try:
            hub.switch()
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()

    def peek(self, most_bytes: int) -> bytes | None:
        """Returns what has come, without taking it; empty at the end, None when nothing has come."""
        try:
            return self._socket.recv(most_bytes, _PEEK)
        except BlockingIOError:
            return None
        except OSError:
            return b""  # the library will see it, too

    def leave(self) -> None:
        """Has the hub not look at it until the next wait: somebody else reads it.

        Runs in: the thread of the hub that waited.
        """
        if self._listener is not None:
            self._hub.remove(self._listener)
            self._listener = None

    def cut(self) -> None:
        """Ends the connection, also for whoever reads or writes it in this moment."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(_socket.SHUT_RDWR)

    def close(self) -> None:
        """Gives the descriptor back.

        From another thread than the hub's, the hub does it when it sees the end of the connection.
        """
        self._is_closed = True
        if self._listener is None or current_hub(inside=True) is self._hub:
            self.leave()
            self._socket.close()

    def _throw(self, *error: Any) -> None:
        """Runs in: hub, when somebody has told it that the descriptor is closed."""
        if self._waiter is not None:
            self._waiter.throw(*error)

    def _on_readable(self, _fd: int) -> None:
        """Runs in: hub. Also when a greenlet that was switched to from here has died of an error: the hub
        takes the listener away then, and tells it so by another call.
        """
        if self._waiter is not None:
            self._waiter.switch()
            return
        self.leave()
        if self._is_closed:
            self._socket.close()
