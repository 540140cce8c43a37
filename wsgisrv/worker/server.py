"""What all connections of one server share, whatever process it lives in.

Rules: knows no master, scoreboard, signal or log; ``Worker`` and ``compat.wsgi`` add what their process has.
The hub runs every method unless it says otherwise, and nothing here waits.
"""

from __future__ import annotations

import abc
import logging
import socket
import ssl
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol
from wsgiref.types import WSGIApplication

from wsgisrv.config import Settings
from wsgisrv.http1.limits import Limits
from wsgisrv.http1.names import Memo
from wsgisrv.http1.writer import ResponseMemo
from wsgisrv.networks import Networks
from wsgisrv.worker.acceptor import Acceptor
from wsgisrv.worker.clock import Clock
from wsgisrv.worker.connection import Connection
from wsgisrv.worker.counters import Counters
from wsgisrv.worker.gateway import Exchange
from wsgisrv.worker.pool import Job
from wsgisrv.worker.preface import Preface
from wsgisrv.worker.stream import Stream
from wsgisrv.worker.tls_socket import TlsSocket

_LOG = logging.getLogger("wsgisrv.worker")


class Pool(Protocol):
    """What requests run in."""

    def submit(self, job: Job) -> None:
        """Runs a request at once if there is a place for it, else when there is; never waits."""

    @property
    def is_full(self) -> bool:
        """Whether the next request would wait."""

    def call_when_free(self, callback: Callable[[], None]) -> None:
        """Calls back once in the hub when there is a place and no request waits for it."""

    def step_out(self) -> bool:
        """Gives the caller's place to another request while it waits; whether it did."""

    def step_in(self) -> None:
        """Takes the place back that ``step_out`` gave."""


class ServerTls(Protocol):
    """What connections are encrypted with."""

    default: ssl.SSLContext


class Server(abc.ABC):
    """Args:
    app: what answers requests.
    hub: eventlet's hub.
    settings: of which all that is about connections and requests is used.
    pool: for requests.
    clock: ticks in this process.
    tls: None for plain connections.
    label: stands in front of what is logged about a request, "" where there is but one server.
    """

    connection_type: ClassVar[type[Connection]] = Connection

    def __init__(
        self,
        app: WSGIApplication,
        hub: Any,
        settings: Settings,
        pool: Pool,
        clock: Clock,
        tls: ServerTls | None = None,
        label: str = "",
    ) -> None:
        self.app = app
        self.hub = hub
        self.settings = settings
        self.pool = pool
        self.clock = clock
        self.tls = tls
        self.label = label
        self.proxies = Networks(settings.proxy_protocol_from)
        self.trusted_proxies = Networks(settings.trusted_proxies)
        self.keeps_connections = settings.keepalive_timeout > 0
        self.error_stream = sys.stderr
        self.limits = Limits(
            max_target_bytes=settings.max_target_bytes,
            max_header_count=settings.max_header_count,
            max_header_bytes=settings.max_header_bytes,
            max_headers_bytes=settings.max_headers_bytes,
            max_chunk_line_bytes=settings.max_chunk_line_bytes,
            max_trailer_bytes=settings.max_trailer_bytes,
            max_body_bytes=settings.max_body_bytes,
            header_underscores=settings.header_underscores,
        )
        self.memo = Memo()
        self.response_memo = ResponseMemo()
        self.counters = Counters()
        self.acceptors: Sequence[Acceptor] = ()
        self.is_draining = False
        self.shared_environ: dict[str, Any] = {}  # of every request, beside what its listener adds
        self._connections: set[Connection | Preface] = set()
        self._clients: Counter[str] = Counter()
        self._upgraded = 0  # requests that run on with a connection of their own
        self._to_flush: list[Stream] = []
        self._wants_room: list[Callable[[], None]] = []

    @property
    def connection_count(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    @property
    def upgraded_count(self) -> int:
        """How many requests run on with a connection of their own."""
        return self._upgraded

    def connections(self) -> list[Connection | Preface]:
        """Returns those that are open; the list is the caller's own."""
        return list(self._connections)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is open, nor at work: an app that took its connection over may be when that
        has closed.
        """
        return not self._connections and not self._upgraded

    # What the process adds

    @abc.abstractmethod
    def begin(self, exchange: Exchange) -> None:
        """A request begins to run. Runs in: pool greenlet."""

    @abc.abstractmethod
    def end(self, exchange: Exchange, now: float) -> None:
        """A request was answered, or its client is gone. Runs in: pool greenlet."""

    @abc.abstractmethod
    def _note(self, exchange: Exchange, seconds: float) -> None:
        """Counts a response, ``seconds`` after its request's head was complete.

        Runs in: pool greenlet.
        """

    @abc.abstractmethod
    def note_refused(self, connection: Connection, status: int, reason: str) -> None:
        """A malformed request was answered with an error."""

    @abc.abstractmethod
    def is_crowded(self) -> bool:
        """Whether a new connection is better left to a sibling process for a moment."""

    @abc.abstractmethod
    def may_accept_after(self, error: OSError) -> bool:
        """Whether accepting, which has failed, is tried again in a moment."""

    @abc.abstractmethod
    def _count_changed(self) -> None:
        """Called when ``connection_count`` or ``is_empty`` may have changed."""

    # Connections

    def has_room(self) -> bool:
        """Whether another connection can be accepted, and its request begun at once."""
        return self.has_place() and not self.pool.is_full

    def call_when_room(self, callback: Callable[[], None]) -> None:
        """Calls back once when ``has_room`` may be true again."""
        self._wants_room.append(callback)
        if self.pool.is_full:
            self.pool.call_when_free(self._call_room)

    def _call_room(self) -> None:
        wants, self._wants_room = self._wants_room, []
        for callback in wants:
            callback()

    def adopt(
        self, sock: Any, peer: tuple[str, str], base_environ: dict[str, Any], rest: bytes = b""
    ) -> None:
        """Takes an accepted connection.

        Args:
            rest: what came already.
        """
        self.counters.accepted += 1
        most = self.settings.max_connections_per_client
        if most:
            if self._clients[peer[0]] >= most:
                self.counters.note_refused(0, "too many connections of one client")
                sock.close()
                return
            self._clients[peer[0]] += 1
        if self.tls is not None and sock.family != socket.AF_UNIX:
            base_environ = base_environ.copy()
            sock = TlsSocket(sock, self.tls.default, base_environ, rest)
            rest = b""
        connection = self.connection_type(self, sock, peer, base_environ)
        self._connections.add(connection)
        self._count_changed()
        connection.begin(rest)

    def await_preface(self, sock: Any, peer: tuple[str, str], base_environ: dict[str, Any]) -> None:
        """Takes an accepted connection that must say first who it is from."""
        self._connections.add(Preface(self, sock, peer, base_environ))
        self._count_changed()

    def replace(
        self, preface: Preface, peer: tuple[str, str], base_environ: dict[str, Any], rest: bytes
    ) -> None:
        """Goes on with a connection that has said who it is from."""
        self._connections.discard(preface)
        self.adopt(preface.sock, peer, base_environ, rest)
        if self.is_draining:
            for connection in list(self._connections):
                connection.drain_worker()
            self._count_changed()

    def forget(self, connection: Connection | Preface) -> None:
        """A connection has closed."""
        self._connections.discard(connection)
        if self.settings.max_connections_per_client and isinstance(connection, Connection):
            address = connection.peer[0]
            self._clients[address] -= 1
            if not self._clients[address]:
                del self._clients[address]
        if self._wants_room:
            if self.pool.is_full:
                self.pool.call_when_free(self._call_room)
            else:
                self._call_room()
        self._count_changed()

    def drain(self) -> None:
        """Accepts no more, closes idle connections, lets requests finish."""
        if self.is_draining:
            return
        _LOG.debug("draining %d connections", len(self._connections))
        self.is_draining = True
        self.keeps_connections = False
        for acceptor in self.acceptors:
            acceptor.close()
        for connection in list(self._connections):
            connection.drain_worker()
        self._count_changed()

    def has_place(self) -> bool:
        """Whether another connection may be held at all."""
        return len(self._connections) < self.settings.max_connections

    def begin_upgraded(self, exchange: Exchange) -> None:
        """A request takes its connection over: its time until now is its latency, not what follows.

        Runs in: pool greenlet.
        """
        self._upgraded += 1
        self._note(exchange, time.monotonic() - exchange.started)

    def _end_upgraded(self) -> None:
        """A request has ended that had taken its connection over. Runs in: pool greenlet."""
        self._upgraded -= 1
        if self.is_draining:
            self.hub.schedule_call_global(0, self._count_changed)

    def flush_soon(self, connection: Stream) -> None:
        """Has ``connection.flush`` called when the hub has served what else has come."""
        if not self._to_flush:
            self.hub.schedule_call_global(0, self._flush)
        self._to_flush.append(connection)

    def _flush(self) -> None:
        connections, self._to_flush = self._to_flush, []
        for connection in connections:
            connection.flush()
