"""Accepting connections: from one shared listener, as many as the worker can serve.

Rules: a free pool slot and a free connection first, then accept; a bounded number per wake-up; an error
of accept(2) never ends the loop. The listener is the siblings', too: it is closed, never shut down, and
left to them for a moment by a worker that holds well more connections than they do: by itself the
kernel gave two workers 61 and 3 of 64 connections that were made one after another.

Facts about accept(2): errors of the network are reported by it as if they were its own (man page, "Error
handling"), and mean that this one connection is lost; being out of descriptors or memory is ours and
passes, but leaves the listener readable, so the loop must step back or it would spin. The kernel looks for a
free descriptor before it looks whether anybody waits.
"""

from __future__ import annotations

import _socket  # the type below socket.socket, which eventlet does not patch
import logging
import socket
from typing import TYPE_CHECKING, Any

from wsgisrv.worker.environ import base_environ

if TYPE_CHECKING:
    from wsgisrv.worker.server import Server

_LOG = logging.getLogger("wsgisrv.worker")

ACCEPTS_AT_ONCE = 64
"""Connections taken before the hub looks at the others."""

MOST_REST = 1024
"""Connections that a worker which drains still takes from a listener."""

STEP_ASIDE_SECONDS = 0.005
"""How long a worker that holds more connections than its siblings leaves a new one to them. Whoever is
free takes it at once; if nobody does, this worker takes it then."""

STEP_BACK_SECONDS = 0.1
"""How long accepting rests when the system has no descriptor or memory left."""


class Acceptor:
    """Runs in: hub.

    Args:
        worker: gets the connections.
        listener: non-blocking, as the master bound it.
    """

    def __init__(self, worker: Server, listener: socket.socket) -> None:
        self._worker = worker
        self._listener = listener
        self._is_inet = listener.family in (socket.AF_INET, socket.AF_INET6)
        # Plain numbers: the socket's own attributes make an enum member each time.
        self._kind = int(listener.family), int(listener.type), listener.proto
        self._base_environ = base_environ(listener, worker.error_stream)
        if self._is_inet and worker.tls is not None:
            self._base_environ |= {"wsgi.url_scheme": "https", "HTTPS": "on"}
        self._base_environ |= worker.shared_environ
        self._watched: Any = None
        self._open = True
        self._has_warned = False
        self._stepped_aside = False
        if self._is_inet:
            # Accepted sockets inherit it (tcp(7)); a response must not wait for the last one's ACK.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def start(self) -> None:
        """Begins or goes on to accept."""
        if self._open and self._watched is None:
            hub = self._worker.hub
            fd = self._listener.fileno()
            self._watched = hub.add(hub.READ, fd, self._accept_some, self._closed_by_another, None)

    def pause(self) -> None:
        """Stops accepting until ``start``."""
        if self._watched is not None:
            self._worker.hub.remove(self._watched)
            self._watched = None

    def accept_rest(self, *, is_last: bool) -> None:
        """Takes what waits in the listener: its last owner's close would reset it.

        Args:
            is_last: nobody else will take it, so it may wait for a place in the pool.
        """
        worker = self._worker
        for _ in range(MOST_REST):
            if not self._open or not (worker.has_place() if is_last else worker.has_room()):
                return
            try:
                fd, address = self._listener._accept()  # type: ignore[attr-defined]
            except ConnectionError:
                continue
            except OSError:
                return
            self._adopt(fd, address)

    def close(self) -> None:
        """Stops for good and lets go of this process's copy of the listener."""
        self.pause()
        self._open = False
        self._listener.close()

    def _accept_some(self, _fd: int) -> None:
        for taken in range(ACCEPTS_AT_ONCE):
            if self._steps_aside():
                return
            if not self._worker.has_room():
                self.pause()
                self._worker.call_when_room(self.start)
                return
            try:
                fd, address = self._listener._accept()  # type: ignore[attr-defined]
            except (BlockingIOError, InterruptedError):
                self._has_warned = False  # whatever was wrong has passed: nobody waits any more
                return
            except ConnectionError:
                continue
            except OSError as error:
                if taken:
                    return  # maybe nobody waits behind those; whoever does wakes the hub at once
                if self._worker.may_accept_after(error):
                    self._step_back(error)
                else:
                    self.pause()
                return
            self._adopt(fd, address)

    def _steps_aside(self) -> bool:
        """Leaves the listener to less busy siblings for a moment, once for each connection."""
        if self._stepped_aside or not self._worker.is_crowded():
            self._stepped_aside = False
            return False
        self._stepped_aside = True
        self.pause()
        self._worker.hub.schedule_call_global(STEP_ASIDE_SECONDS, self.start)
        return True

    def _adopt(self, fd: int, address: Any) -> None:
        sock = _socket.socket(*self._kind, fd)
        sock.setblocking(False)
        peer = (address[0], str(address[1])) if self._is_inet else ("", "")
        if self._worker.proxies and peer[0] in self._worker.proxies:
            self._worker.await_preface(sock, peer, self._base_environ)
        else:
            self._worker.adopt(sock, peer, self._base_environ)

    def _step_back(self, error: OSError) -> None:
        if not self._has_warned:
            self._has_warned = True
            _LOG.warning(
                "%scannot accept: %s; trying again every %g s",
                self._worker.label, error, STEP_BACK_SECONDS,
            )  # fmt: skip
        self.pause()
        self._worker.hub.schedule_call_global(STEP_BACK_SECONDS, self.start)

    def _closed_by_another(self, error: BaseException) -> None:
        """The listener's throwback: the descriptor is another file's now. The worker's own never is."""
        self._watched = None
        if isinstance(error, OSError):
            self._worker.may_accept_after(error)
