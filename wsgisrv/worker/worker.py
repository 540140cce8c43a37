"""The worker: a process that a master watches, its servers, and its life from READY to exit.

Rules: imported after the standard library is patched. The hub runs every method unless it says
otherwise; ``serve`` is the main greenlet's.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import os
import signal
import time
import weakref
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any
from wsgiref.types import WSGIApplication

from eventlet import event

from wsgisrv import logs
from wsgisrv.channel import ChannelClosedError, Kind, Message
from wsgisrv.context import WorkerContext
from wsgisrv.errors import SystemRefusedError
from wsgisrv.scoreboard import ROWS, Real, State, Word
from wsgisrv.tls import Material, TlsContexts
from wsgisrv.worker import facts
from wsgisrv.worker.backdoor import Backdoor
from wsgisrv.worker.blocking_figures import publish_threads
from wsgisrv.worker.clock import TICK, Clock
from wsgisrv.worker.connection_states import (
    STATES_SECONDS,
    STATES_SECONDS_EACH,
    publish_states,
)
from wsgisrv.worker.counters import Counters
from wsgisrv.worker.draining import Draining
from wsgisrv.worker.extended import Extended
from wsgisrv.worker.stacks import all_stacks, describe
from wsgisrv.worker.watchdog import Watchdog
from wsgisrv.worker.worker_server import WorkerServer

if TYPE_CHECKING:
    from wsgisrv.worker.tracing import Tracing

_LOG = logging.getLogger("wsgisrv.worker")

_FLUSH_SECONDS = 3.0
"""For the last spans, when the worker has nothing else to do."""
NEW_TICKS = 8
"""For how long a worker looks for its siblings at each accept: they become ready within a moment of one
another, which may be when all clients come back, and one that knew of none until its next tick took 40 to
64 of 64 connections.
"""
BLOCKED_SECONDS = 0.25
"""Lateness from which the hub counts as blocked where ``blocked_warning`` is off."""


class Worker:
    """One worker process.

    Args:
        context: from the master.
        apps: what answers requests, for each of its servers.
        hub: eventlet's hub.
        watchdog: made before the patching, not started yet.
        hidden: greenlets that gc does not find any more.
        tracing: None for none.
        extended: what a service's own main() has added; None for nothing.

    Raises:
        SystemRefusedError: when an access log cannot be opened.
        ConfigError: when its format is wrong.
    """

    def __init__(
        self,
        context: WorkerContext,
        apps: Sequence[WSGIApplication],
        hub: Any,
        watchdog: Watchdog,
        hidden: Sequence[weakref.ref[Any]] = (),
        tracing: Tracing | None = None,
        extended: Extended | None = None,
    ) -> None:
        self.hub = hub
        self.tracing = tracing
        self.names_servers = context.names_servers
        self.clock = Clock(hub, self._on_tick)
        self.counters = Counters()
        self._context = context
        self._settings = context.settings
        self.slot = context.scoreboard[context.slot]
        self._watchdog = watchdog
        self._extended = extended
        self.rows = list(range(ROWS))  # of the scoreboard, those that no request has
        self.draining = Draining(context.scoreboard)
        # As of the last tick, or the last accept while it is new.
        self._siblings: list[memoryview] = []
        self._new_ticks = NEW_TICKS  # left of them
        self._states_due = 0.0
        self._servers = [
            WorkerServer(self, served, app)
            for served, app in zip(context.servers, apps, strict=True)
        ]
        self.slot.words[Word.POOL_SIZE] = sum(each.settings.pool_size for each in context.servers)
        self._most_connections = sum(each.settings.max_connections for each in context.servers)
        self._channel_listener: Any = None
        self._stacks = functools.partial(all_stacks, hidden=hidden)
        served = {"app": apps[0]} if len(apps) == 1 else {"apps": list(apps)}
        self._backdoor = (
            Backdoor(context.backdoor, {"worker": self, **served, "stacks": self._stacks})
            if context.backdoor is not None
            else None
        )
        self._done = event.Event()

    # Life

    def serve(self, hub_name: str) -> None:
        """Serves until the worker is drained. Runs in: main greenlet.

        Says READY once it can be told to drain and its hub is watched: whoever is told so may count on both.
        """
        hub = self.hub
        signal.signal(signal.SIGTERM, self._on_term)
        fd = self._context.channel.fileno()
        self._channel_listener = hub.add(hub.READ, fd, self._on_message, _ignore, None)
        self.slot.reals[Real.BEAT] = time.monotonic()  # the boot was no lag
        self._watchdog.start(describe, self._dump)
        self.clock.start()
        self.slot.words[Word.STATE] = State.READY
        self._show("ready")
        if self._backdoor is not None:
            self._backdoor.start()
        self._context.channel.send(Message(Kind.READY, {"hub": hub_name}))
        for server in self._servers:
            for acceptor in server.acceptors:
                acceptor.start()
        if self._extended is not None:
            self._extended.start(self.count_changed)
        self._done.wait()
        if self._extended is not None:
            self._extended.end()
        self._on_tick(time.monotonic(), 0.0)
        self._finish_logs()
        self._close_backdoor()

    def drain(self) -> None:
        """Accepts no more, closes idle connections, lets requests finish, then ends ``serve``."""
        self.slot.words[Word.STATE] = State.DRAINING
        self._show("draining")
        if self._extended is not None:
            self._extended.drain()
        for server in self._servers:
            server.drain()

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
            self.draining.is_orphan = True
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
            found = self._dump(message.fields["most_bytes"])
            answer = {"token": message.fields["token"], "dump": found}
            self._context.channel.send(Message(Kind.STACKS, answer))
        elif message.kind is Kind.LOG_LEVEL:
            logs.set_level(message.fields["level"], message.fields["logger"])
        elif message.kind is Kind.SETTINGS:
            self._settings = dataclasses.replace(self._settings, **message.fields)
            settings = self._settings
            self._watchdog.set_limits(settings.blocked_warning, settings.worker_timeout)
            if self._extended is not None:
                self._extended.reread()
        elif message.kind is Kind.TLS:
            name = message.fields.pop("server")
            tls = TlsContexts(Material.from_fields(message.fields))
            for server in self._servers:
                if server.name == name:
                    server.tls = tls

    def _dump(self, most_bytes: int) -> dict[str, Any]:
        """Returns what ``wsgisrv dump`` shows. Runs in: hub, or the watchdog's thread while it stands."""
        servers = [(server.name, server.settings) for server in self._servers]
        return {
            "stacks": self._stacks(most_bytes),
            "facts": {
                "pools": [server.pool_figures() for server in self._servers],
                "threads": facts.threads(),
                "fds": facts.fds(),
                "memory": facts.memory(),
                "options": facts.options(servers),
            },
        }

    def _reopen_logs(self) -> None:
        if self._context.log_file is not None:
            try:
                self._context.log_file.reopen()
            except SystemRefusedError as error:
                _LOG.error("%s; the old file stays open", error)
        for server in self._servers:
            try:
                server.access_log.reopen()
            except SystemRefusedError as error:
                _LOG.error("%s%s; the old file stays open", server.label, error)

    def _limit_drain(self) -> None:
        """Ends the process at graceful_timeout: there is no master to do it."""
        self.hub.schedule_call_global(self._settings.graceful_timeout, self._give_up)

    def _give_up(self) -> None:
        _LOG.error("%d connections did not end in time", self.connection_count)
        self._on_tick(time.monotonic(), 0.0)
        self._finish_logs()
        self._close_backdoor()
        os._exit(1)

    def _finish_logs(self) -> None:
        for server in self._servers:
            server.access_log.finish()
        if self.tracing is not None:
            self.tracing.finish(_FLUSH_SECONDS)

    def _close_backdoor(self) -> None:
        if self._backdoor is not None:
            self._backdoor.close()

    @property
    def connection_count(self) -> int:
        """How many connections are open."""
        return sum(server.connection_count for server in self._servers)

    # Connections

    def is_crowded(self) -> bool:
        """Whether this worker holds well more connections than those siblings that can take one."""
        if self._new_ticks:
            self._siblings = self._find_siblings(time.monotonic())
        siblings = self._siblings
        if not siblings:
            return False
        most = self._most_connections
        counts = [words[Word.CONNECTIONS] for words in siblings]
        open_counts = [count for count in counts if count < most]
        if not open_counts:
            return False
        mean = sum(open_counts) / len(open_counts)
        return self.connection_count > mean + 1 + mean / 8

    def _find_siblings(self, now: float) -> list[memoryview]:
        """Returns the words of the workers that serve beside this one and were alive just now."""
        board, own = self._context.scoreboard, self._context.slot
        return [
            slot.words
            for slot in (board[index] for index in range(board.used) if index != own)
            if slot.words[Word.STATE] == State.READY
            and slot.words[Word.GENERATION] == self.slot.words[Word.GENERATION]
            and slot.words[Word.GROUP] == self.slot.words[Word.GROUP]
            and now - slot.reals[Real.BEAT] < 4 * TICK
        ]

    def count_changed(self) -> None:
        """Called when a server's ``connection_count`` or ``is_empty`` may have changed."""
        self.slot.words[Word.CONNECTIONS] = self.connection_count
        is_done = all(server.is_draining and server.is_empty for server in self._servers)
        if self._extended is not None:
            is_done = is_done and self._extended.is_done
        if is_done and not self._done.ready():
            self._done.send(None)

    def _on_tick(self, now: float, lag: float) -> None:
        slot = self.slot
        self._watchdog.on_tick(now, lag)
        slot.reals[Real.BEAT] = now
        slot.reals[Real.HUB_LAG] = lag
        self._siblings = self._find_siblings(now)
        self._new_ticks = max(self._new_ticks - 1, 0)
        running = sum(server.requests.running() for server in self._servers)
        waiting = sum(server.requests.requests_waiting() for server in self._servers)
        self.counters.note_lag(lag, self._settings.blocked_warning or BLOCKED_SECONDS)
        self.counters.publish(slot, running, waiting)
        if now >= self._states_due:
            states = publish_states(slot, self._servers)
            self._states_due = now + max(STATES_SECONDS, states * STATES_SECONDS_EACH)
        publish_threads(slot)
        for server in self._servers:
            server.access_log.tick(now)


def _ignore(_error: BaseException) -> None:
    """The channel's throwback: nobody but the worker closes it."""
