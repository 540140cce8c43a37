"""A server inside a process of somebody else's: no master, no scoreboard, one listener.

Rules: ``serve`` is the caller's greenlet's; all else is the hub's unless it says otherwise. When ``serve``
has returned, nothing of the server is left in the hub.

Facts about closing a listener that the hub watches: close(2) takes it out of epoll without a word, so that
is looked for at each tick; shutdown(2) makes it readable, and accept(2) then fails with EINVAL; and the hub
tells by IOClosed when eventlet sees the descriptor's number used again.
"""

from __future__ import annotations

import _socket  # the type below socket.socket, which eventlet does not patch
import dataclasses
import errno
import os
import socket
from typing import Any
from wsgiref.types import WSGIApplication

from eventlet import event, hubs

from wsgisrv.compat.connection import EmbeddedConnection
from wsgisrv.compat.exchange import EmbeddedExchange
from wsgisrv.compat.log import Log
from wsgisrv.compat.options import Options
from wsgisrv.compat.pool import BorrowedPool
from wsgisrv.http1.writer import plain_body
from wsgisrv.worker.acceptor import Acceptor
from wsgisrv.worker.clock import Clock
from wsgisrv.worker.connection import Connection
from wsgisrv.worker.gateway import Exchange
from wsgisrv.worker.pool import RequestPool
from wsgisrv.worker.server import Server

_NO_LISTENER = frozenset((errno.EINVAL, errno.EBADF, errno.ENOTSOCK, errno.EOPNOTSUPP))
"""Errors of accept(2) that do not pass: the socket does not listen, or is none."""

_CLOSED = frozenset((errno.ENOTCONN, errno.ESHUTDOWN))
"""Errors that say that the listener was closed, which is a way to end."""


class EmbeddedServer(Server):
    """Args:
    sock: green, or plain and unpatched; bound and listening; may be wrapped in TLS.
    site: the app.
    hub: eventlet's hub.
    options: what the caller asked for.
    log: for the caller's lines.
    custom_pool: in which requests run, None for one of its own.
    """

    connection_type = EmbeddedConnection

    def __init__(
        self,
        sock: Any,
        site: WSGIApplication,
        hub: Any,
        options: Options,
        log: Log,
        custom_pool: Any = None,
    ) -> None:
        settings = options.settings()
        pool: Any = (
            RequestPool(hub, settings.pool_size)
            if custom_pool is None
            else BorrowedPool(custom_pool)
        )
        context = getattr(sock, "context", None)
        clock = Clock(hub, self._on_tick)
        tls = _Tls(context) if context is not None else None
        super().__init__(site, hub, settings, pool, clock, tls)
        self.limits = dataclasses.replace(self.limits, requires_host=False)
        self.options = options
        self.log = log
        self._pid = os.getpid()
        listener = getattr(sock, "fd", None) or sock  # a GreenSocket holds the real one
        # Neither GreenSSLSocket.setblocking() nor a patched socket's tells the kernel.
        _socket.socket.setblocking(listener, False)
        self._listener: socket.socket = listener
        self._is_unix = listener.family == socket.AF_UNIX
        self._url = _url_of(listener, is_tls=context is not None)
        self._environ = {"wsgi.multiprocess": False, **options.environ}
        if self._is_unix:
            self._environ |= {"SERVER_NAME": "unix", "SERVER_PORT": ""}
        self.acceptors = [Acceptor(self, listener)]
        self._ended = event.Event()
        self._all_done = event.Event()

    # Life

    def serve(self) -> None:
        """Serves until the listener is closed or this greenlet is killed, and all requests are done.

        Runs in: the caller's greenlet.

        Raises:
            OSError: when nothing can be accepted.
        """
        self.log.info("(%d) wsgi starting up on %s", self._pid, self._url)
        self.clock.start()
        try:
            self._check_listens()
            for acceptor in self.acceptors:
                acceptor.start()
            error = self._ended.wait()
            if error is not None:
                raise error
        except (KeyboardInterrupt, SystemExit):
            self.log.info("wsgi exiting")
        finally:
            self.drain()
            self._all_done.wait()
            self.log.info("(%d) wsgi exited, is_accepting=True", self._pid)

    def _check_listens(self) -> None:
        if not self._listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    def may_accept_after(self, error: OSError) -> bool:
        """Ends ``serve`` when there is no listener any more."""
        if error.errno in _CLOSED:
            self._end(None)
        elif error.errno in _NO_LISTENER:
            self._end(error)
        return not self._ended.ready()

    def _end(self, error: OSError | None) -> None:
        if not self._ended.ready():
            self._ended.send(error)

    def _on_tick(self, now: float, lag: float) -> None:
        if self._listener.fileno() < 0:
            self._end(None)

    def _count_changed(self) -> None:
        if self.is_draining and self.is_empty and not self._all_done.ready():
            self.clock.stop()
            self._all_done.send(None)

    def is_crowded(self) -> bool:
        """Never: there are no siblings."""
        return False

    # Connections and requests

    def adopt(
        self, sock: Any, peer: tuple[str, str], base_environ: dict[str, Any], rest: bytes = b""
    ) -> None:
        """Takes an accepted connection."""
        # Others in this process may have closed a descriptor of that number that the hub still knows.
        hubs.notify_opened(sock.fileno())
        base_environ.update(self._environ)
        if self._is_unix:
            peer = ("unix", "")
        self.log_client("accepted", peer)
        super().adopt(sock, peer, base_environ, rest)

    def log_client(self, what: str, peer: tuple[str, str]) -> None:
        """Logs what became of a client, for who wants to know it all."""
        self.log.debug("(%d) %s %r", self._pid, what, peer)

    def begin(self, exchange: Exchange) -> None:
        """A request begins to run. Runs in: pool greenlet."""

    def end(self, exchange: Exchange, now: float) -> None:
        """A request was answered, or its client is gone. Runs in: pool greenlet."""
        seconds = now - exchange.started
        if exchange.connection.upgraded is not None:
            self._end_upgraded()
        if isinstance(exchange, EmbeddedExchange):
            exchange.run_hooks()
        if not self.options.log_output:
            return
        address, port = exchange.connection.peer
        head = exchange.head
        if self.options.log_x_forwarded_for:
            before = head.fields.get("HTTP_X_FORWARDED_FOR", "").replace(" ", "")
            address = f"{before},{address}" if before else address
        line = head.line.decode("ascii")
        self.log.request((address, port), line, exchange.status, exchange.body_bytes, seconds)

    def _note(self, exchange: Exchange, seconds: float) -> None:
        """Counts nothing: nobody would read it."""

    def note_refused(self, connection: Connection, status: int, reason: str) -> None:
        """A malformed request was answered with an error."""
        self.log_client(f"refused ({reason})", connection.peer)
        self.log.request(connection.peer, "-", status, len(plain_body(reason)), 0.0)


@dataclasses.dataclass(slots=True)
class _Tls:
    """The context of a listener that the caller has wrapped."""

    default: Any


def _url_of(listener: socket.socket, *, is_tls: bool) -> str:
    scheme = "https" if is_tls else "http"
    name = listener.getsockname()
    if listener.family == socket.AF_UNIX:
        return f"{scheme}:{name}"
    host = f"[{name[0]}]" if listener.family == socket.AF_INET6 else name[0]
    return f"{scheme}://{host}:{name[1]}"
