"""The worker: a server that a master watches, and its life from READY to exit.

Rules: imported after the standard library is patched. The hub runs every method unless it says
otherwise; ``serve`` is the main greenlet's.
"""

from __future__ import annotations

import logging
import os
import signal
import time
from types import FrameType
from typing import Any
from wsgiref.types import WSGIApplication

import eventlet.patcher
from eventlet import event

from wsgisrv import logs
from wsgisrv.channel import ChannelClosedError, Kind, Message
from wsgisrv.context import WorkerContext
from wsgisrv.errors import SystemRefusedError
from wsgisrv.scoreboard import ROWS, Real, State, Word
from wsgisrv.tls import Material, TlsContexts
from wsgisrv.worker.acceptor import Acceptor
from wsgisrv.worker.access_log import AccessLog
from wsgisrv.worker.clock import TICK
from wsgisrv.worker.connection import Connection
from wsgisrv.worker.gateway import Exchange
from wsgisrv.worker.pool import RequestPool
from wsgisrv.worker.server import Server
from wsgisrv.worker.stacks import all_stacks, describe
from wsgisrv.worker.watchdog import Watchdog

_LOG = logging.getLogger("wsgisrv.worker")


class Worker(Server):
    """One worker process's server.

    Args:
        context: from the master.
        app: what answers requests.
        hub: eventlet's hub.
        watchdog: made before the patching, not started yet.

    Raises:
        SystemRefusedError: when the access log cannot be opened.
        ConfigError: when its format is wrong.
    """

    def __init__(
        self, context: WorkerContext, app: WSGIApplication, hub: Any, watchdog: Watchdog
    ) -> None:
        settings = context.settings
        pool = RequestPool(hub, settings.pool_size)
        super().__init__(app, hub, settings, pool, context.tls)
        self._requests = pool
        self._context = context
        self._slot = context.scoreboard[context.slot]
        self._watchdog = watchdog
        self._rows = list(range(ROWS))  # of the scoreboard, those that no request has
        self._access_log = AccessLog(
            settings.access_log,
            settings.access_log_format,
            eventlet.patcher.original("os").write,
        )
        self._siblings: list[memoryview] = []  # as of the last tick
        self.acceptors = [Acceptor(self, listener) for listener in context.listeners]
        self._channel_listener: Any = None
        self._done = event.Event()

    # Life

    def serve(self) -> None:
        """Serves until the worker is drained. Runs in: main greenlet."""
        hub = self.hub
        signal.signal(signal.SIGTERM, self._on_term)
        fd = self._context.channel.fileno()
        self._channel_listener = hub.add(hub.READ, fd, self._on_message, _ignore, None)
        self._watchdog.start(describe, all_stacks)
        self.clock.start()
        self._slot.words[Word.STATE] = State.READY
        self._show("ready")
        for acceptor in self.acceptors:
            acceptor.start()
        self._done.wait()
        self._on_tick(time.monotonic(), 0.0)

    def drain(self) -> None:
        """Accepts no more, closes idle connections, lets requests finish, then ends ``serve``."""
        self._slot.words[Word.STATE] = State.DRAINING
        self._show("draining")
        super().drain()

    def _show(self, state: str) -> None:
        context = self._context
        context.titles.show(f"worker {context.worker_id}, generation {context.generation}, {state}")

    def _on_term(self, _signal: int, _frame: FrameType | None) -> None:
        """Runs in: whatever greenlet the signal met; the next tick at the latest sees the timer."""
        self.hub.schedule_call_global(0, self.drain)

    def _on_message(self, _fd: int) -> None:
        channel = self._context.channel
        try:
            messages = channel.receive()
        except ChannelClosedError:
            # The master is gone: nobody would replace this worker or stop it, so it ends itself.
            self.hub.remove(self._channel_listener)
            _LOG.warning("the master is gone; draining")
            self._limit_drain()
            self.drain()
            return
        for message in messages:
            self._obey(message)

    def _obey(self, message: Message) -> None:
        if message.kind is Kind.DRAIN:
            self.drain()
        elif message.kind is Kind.REOPEN:
            self._reopen_logs()
        elif message.kind is Kind.DUMP:
            stacks = all_stacks(message.fields["most_bytes"])
            answer = {"token": message.fields["token"], "stacks": stacks}
            self._context.channel.send(Message(Kind.STACKS, answer))
        elif message.kind is Kind.LOG_LEVEL:
            logs.set_level(message.fields["level"], message.fields["logger"])
        elif message.kind is Kind.TLS:
            self.tls = TlsContexts(Material.from_fields(message.fields))

    def _reopen_logs(self) -> None:
        for log in (self._context.log_file, self._access_log):
            if log is not None:
                try:
                    log.reopen()
                except SystemRefusedError as error:
                    _LOG.error("%s; the old file stays open", error)

    def _limit_drain(self) -> None:
        """Ends the process at graceful_timeout: there is no master to do it."""
        self.hub.schedule_call_global(self.settings.graceful_timeout, self._give_up)

    def _give_up(self) -> None:
        _LOG.error("%d connections did not end in time", self.connection_count)
        self._access_log.flush()
        os._exit(1)

    # Connections

    def is_crowded(self) -> bool:
        """Whether this worker holds well more connections than those siblings that can take one."""
        siblings = self._siblings
        if not siblings:
            return False
        most = self.settings.max_connections
        counts = [words[Word.CONNECTIONS] for words in siblings]
        open_counts = [count for count in counts if count < most]
        if not open_counts:
            return False
        mean = sum(open_counts) / len(open_counts)
        return self.connection_count > mean + 1 + mean / 8

    def may_accept_after(self, error: OSError) -> bool:
        """Always: a listener is shared and outlives this worker, so what is wrong with it may pass."""
        return True

    def _find_siblings(self, now: float) -> list[memoryview]:
        """Returns the words of the workers that serve beside this one and were alive just now."""
        board, own = self._context.scoreboard, self._context.slot
        return [
            slot.words
            for slot in (board[index] for index in range(board.used) if index != own)
            if slot.words[Word.STATE] == State.READY
            and slot.words[Word.GENERATION] == self._context.generation
            and now - slot.reals[Real.BEAT] < 4 * TICK
        ]

    def _count_changed(self) -> None:
        self._slot.words[Word.CONNECTIONS] = self.connection_count
        if self.is_draining and self.is_empty and not self._done.ready():
            self._done.send(None)

    # Requests

    def begin(self, exchange: Exchange) -> None:
        """A request begins to run. Runs in: pool greenlet."""
        if self._rows:
            exchange.row = row = self._rows.pop()
            self._slot.begin_request(row, exchange.started, exchange.head.line)

    def end(self, exchange: Exchange, now: float) -> None:
        """A request was answered, or its client is gone. Runs in: pool greenlet."""
        if exchange.row >= 0:
            self._slot.end_request(exchange.row)
            self._rows.append(exchange.row)
        seconds = now - exchange.started
        self._count_end(exchange, seconds)
        if self._access_log.is_on:
            self._access_log.note(exchange, seconds)

    def note_refused(self, connection: Connection, status: int, reason: str) -> None:
        """A malformed request was answered with an error."""
        self.counters.refused += 1
        self.counters.status[str(status)[0]] += 1
        _LOG.debug("refused a request from %s: %s", connection.peer[0], reason)
        if self._access_log.is_on:
            self._access_log.note_line(connection.peer, "-", str(status), 0, 0.0)

    def _on_tick(self, now: float, lag: float) -> None:
        slot = self._slot
        self._watchdog.on_tick(now, lag)
        slot.reals[Real.BEAT] = now
        slot.reals[Real.HUB_LAG] = lag
        self._siblings = self._find_siblings(now)
        self.counters.publish(slot, self._requests.running(), self._requests.requests_waiting())
        self._access_log.flush()


def _ignore(_error: BaseException) -> None:
    """The channel's throwback: nobody but the worker closes it."""
