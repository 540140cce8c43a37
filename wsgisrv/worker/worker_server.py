"""One server within a worker process: its connections, its pool and its access log.

Rules: what the process has but once, as the slot on the scoreboard, is the worker's; this tells it. The hub
runs every method unless it says otherwise.
"""

from __future__ import annotations

import logging
from bisect import bisect_left
from typing import TYPE_CHECKING, Any
from wsgiref.types import WSGIApplication

from wsgisrv import logs
from wsgisrv.context import Served
from wsgisrv.current import ROUTE
from wsgisrv.http1.writer import plain_body
from wsgisrv.scoreboard import LATENCY_BOUNDS
from wsgisrv.worker.acceptor import Acceptor
from wsgisrv.worker.access_log import AccessLog
from wsgisrv.worker.connection import Connection
from wsgisrv.worker.counters import Row
from wsgisrv.worker.draining import KEY
from wsgisrv.worker.gateway import Exchange
from wsgisrv.worker.pool import RequestPool
from wsgisrv.worker.server import Server

if TYPE_CHECKING:
    from wsgisrv.worker.worker import Worker

_LOG = logging.getLogger("wsgisrv.worker")

MOST_COUNTED = 2000
"""Combinations of method, route and status whose row is kept at hand; the others are looked up."""


class WorkerServer(Server):
    """Args:
        worker: the process.
        served: name, settings, listeners and certificates.
        app: what answers requests.

    Raises:
        SystemRefusedError: when the access log cannot be opened.
        ConfigError: when its format is wrong.
    """

    def __init__(self, worker: Worker, served: Served, app: WSGIApplication) -> None:
        settings = served.settings
        pool = RequestPool(worker.hub, settings.pool_size)
        label = f"{served.name}: " if worker.names_servers else ""
        self._tracing = worker.tracing
        if self._tracing is not None:
            app = self._tracing.wrapped(app)
        super().__init__(app, worker.hub, settings, pool, worker.clock, served.tls, label)
        self.name = served.name
        self.requests = pool
        self._latency = worker.counters.latency
        self._counted: dict[tuple[str, str | None, int], Row] = {}
        self.counters = worker.counters
        self._worker = worker
        self._slot = worker.slot
        self._rows = worker.rows
        self._label = label.encode()
        self.access_log = AccessLog(
            settings.access_log,
            settings.access_log_format,
            served.ring,
            logs.log_fd(),
            served.name,
            names_server=bool(label),
        )
        self.shared_environ[KEY] = worker.draining
        if served.name:
            self.shared_environ["wsgisrv.server"] = served.name
        self.acceptors = [Acceptor(self, listener) for listener in served.listeners]

    def drain(self) -> None:
        """Takes what waits in the listeners, accepts no more, and lets requests finish."""
        for acceptor in self.acceptors:
            acceptor.accept_rest(is_last=bool(self._worker.draining))
        super().drain()

    def pool_figures(self) -> dict[str, Any]:
        """Returns how its pool stands."""
        pool = self.requests
        return {
            "server": self.name,
            "size": pool.size,
            "running": pool.running(),
            "waiting": pool.requests_waiting(),
            "connections": self.connection_count,
        }

    def is_crowded(self) -> bool:
        """Whether the worker holds well more connections than its siblings."""
        return self._worker.is_crowded()

    def may_accept_after(self, error: OSError) -> bool:
        """Always: a listener is shared and outlives this worker, so what is wrong with it may pass."""
        return True

    def _count_changed(self) -> None:
        self._worker.count_changed()

    # Requests

    def begin(self, exchange: Exchange) -> None:
        """A request begins to run. Runs in: pool greenlet."""
        if self._rows:
            exchange.row = row = self._rows.pop()
            line = exchange.head.line
            if self._label:
                line = self._label + line
            self._slot.begin_request(row, exchange.started, line)

    def end(self, exchange: Exchange, now: float) -> None:
        """A request was answered, or its client is gone. Runs in: pool greenlet."""
        if exchange.row >= 0:
            self._slot.end_request(exchange.row)
            self._rows.append(exchange.row)
        seconds = now - exchange.started
        if exchange.connection.upgraded is None:
            self._note(exchange, seconds)
        else:
            self._end_upgraded()
        if self.access_log.is_on:
            self.access_log.note(exchange, seconds)
        if self._tracing is not None:
            self._tracing.end(exchange)

    def _note(self, exchange: Exchange, seconds: float) -> None:
        """Counts a response, by what its app has said of it (``environ["wsgisrv.route"]``)."""
        self._latency[bisect_left(LATENCY_BOUNDS, seconds)] += 1
        try:
            row = self._counted[exchange.head.method, exchange.environ.get(ROUTE), exchange.status]
        except (KeyError, TypeError):  # an app may put anything there, a list as well
            row = self._find_row(exchange)
        row[0] += 1
        row[1] += seconds
        connection = exchange.connection
        if exchange.waited or connection.client_seconds:
            self.counters.note_waits(seconds, exchange.waited, connection.client_seconds)
            connection.client_seconds = 0.0

    def _find_row(self, exchange: Exchange) -> Row:
        method, status = exchange.head.method, exchange.status
        route = exchange.environ.get(ROUTE)
        name = route if isinstance(route, str) else ""
        row, is_own = self.counters.row_of(self.name, method, status // 100, name)
        if is_own and name is (route or "") and len(self._counted) < MOST_COUNTED:
            self._counted[method, route, status] = row
        return row

    def note_refused(self, connection: Connection, status: int, reason: str) -> None:
        """A malformed request was answered with an error."""
        self.counters.note_refused(status, reason)
        _LOG.debug("%srefused a request from %s: %s", self.label, connection.peer[0], reason)
        if self.access_log.is_on:
            self.access_log.note_refused(connection, status, len(plain_body(reason)))
