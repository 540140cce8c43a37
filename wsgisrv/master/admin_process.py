"""The process that shows how the service is, as the master holds it (wsgisrv.admin.process).

Rules: one, forked when the master begins and again when it dies; it ends with the master. Nothing of the
service waits for it, so it may fail. A master that follows another one binds the address when that one has
let go of it. Runs in: master loop.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable

from wsgisrv.channel import Channel, Message
from wsgisrv.config import Settings
from wsgisrv.context import AdminContext
from wsgisrv.errors import WsgisrvError, first_line
from wsgisrv.master.admin_listener import is_wanted, open_admin
from wsgisrv.master.backoff import FIRST_DELAY, LONG_ENOUGH, LONGEST_DELAY
from wsgisrv.master.listener import Listener
from wsgisrv.master.reap import exited, in_words
from wsgisrv.master.spawn import CloseMasters, spawn_process
from wsgisrv.scoreboard import Scoreboard
from wsgisrv.titles import Titles

_LOG = logging.getLogger("wsgisrv.master")

PATIENCE = 3.0
"""Seconds that it has to end by itself when the service does."""

_COMPLAIN_AFTER = 5.0  # seconds of an address in use, when a predecessor should long have left it

SpawnProcess = Callable[[Callable[[], int], CloseMasters, str], int]


class AdminProcess:
    """Args:
    settings: of the service, as they were at the start.
    listeners: bound already; None for a master that follows another, which binds later.
    scoreboard: that it reads.
    control_path: returns the control socket's path, "" for none.
    close_masters: closes, in the child, every descriptor that is the master's alone.
    spawn: forks.
    """

    def __init__(
        self,
        settings: Settings,
        listeners: list[Listener] | None,
        scoreboard: Scoreboard,
        control_path: Callable[[], str],
        close_masters: CloseMasters,
        spawn: SpawnProcess = spawn_process,
    ) -> None:
        self._settings = settings
        self._listeners = listeners
        self._scoreboard = scoreboard
        self._control_path = control_path
        self._close_masters = close_masters
        self._spawn = spawn
        self._is_on = is_wanted(settings)
        self._pid = 0
        self._channel: Channel | None = None
        self._began = time.time()
        self._waits_since = time.monotonic()
        self._spawned_at = 0.0
        self._not_before = 0.0
        self._early_deaths = 0
        self._has_complained = False
        self._is_announced = False

    @property
    def urls(self) -> list[str]:
        """Where it listens."""
        return [listener.url for listener in self._listeners or ()]

    def announce(self) -> None:
        """Says where it listens, when the service is ready for the first time."""
        if self.urls and not self._is_announced:
            self._is_announced = True
            _LOG.info("status page and metrics: %s", ", ".join(self.urls))

    def tick(self, now: float, *, may_bind: bool) -> None:
        """Reaps it, and sees that there is one.

        Args:
            may_bind: False while a predecessor has the address.
        """
        if not self._is_on:
            return
        if self._pid:
            for _, status in exited([self._pid], adopts=False):
                self._on_exit(in_words(status), now)
        if self._pid or now < self._not_before:
            return
        if self._listeners is None and not (may_bind and self._bind(now)):
            self._not_before = now + FIRST_DELAY
            return
        self._start(now)

    def deadline(self, now: float) -> float | None:
        """Returns when ``tick`` has something to do, None for never."""
        return self._not_before if self._is_on and not self._pid else None

    def _bind(self, now: float) -> bool:
        try:
            bound = open_admin(self._settings, None) if self._settings.admin_bind else []
        except WsgisrvError as error:
            if now - self._waits_since > _COMPLAIN_AFTER and not self._has_complained:
                self._has_complained = True
                _LOG.warning("%s; tried again until it is free", first_line(error))
            return False
        self._listeners = bound
        return True

    def _start(self, now: float) -> None:
        try:
            ours, theirs = Channel.pair()
        except OSError as error:
            self._delay(now, f"cannot be forked: {error.strerror}")
            return
        context = AdminContext(
            listeners=tuple(listener.socket for listener in self._listeners or ()),
            channel=theirs,
            scoreboard=self._scoreboard,
            control_path=self._control_path(),
            settings=self._settings,
            master_pid=os.getpid(),
            started=self._began,
            titles=Titles(self._settings.proc_name),
        )
        try:
            self._pid = self._spawn(
                lambda: _run(context), lambda: self._close_in_admin(ours), "the admin process"
            )
        except OSError as error:
            ours.close()
            self._delay(now, f"cannot be forked: {error.strerror}")
            return
        finally:
            theirs.close()
        self._channel = ours
        self._spawned_at = now

    def _close_in_admin(self, ours: Channel) -> None:
        """Runs in: the child."""
        self._close_masters()
        ours.close()

    def _on_exit(self, how: str, now: float) -> None:
        self._pid = 0
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        if now - self._spawned_at >= LONG_ENOUGH:
            self._early_deaths = 0
        self._delay(now, how)

    def _delay(self, now: float, how: str) -> None:
        delay = min(FIRST_DELAY * 2**self._early_deaths, LONGEST_DELAY)
        self._not_before = now + delay
        self._early_deaths = min(self._early_deaths + 1, 16)
        _LOG.warning("the admin process %s; the next is spawned in %g s", how, delay)

    def tell(self, message: Message) -> None:
        """Sends it a message, if it is there."""
        if self._channel is not None:
            self._channel.send(message)

    def close_in_child(self) -> None:
        """Lets go of the descriptors. Runs in: a worker or helper."""
        if self._channel is not None:
            self._channel.close()
        for listener in self._listeners or ():
            listener.socket.close()

    def close(self) -> None:
        """Sees it gone, and its address free."""
        self._is_on = False
        if self._channel is not None:
            self._channel.close()
            self._channel = None
        for listener in self._listeners or ():
            listener.close()
        self._listeners = []
        until = time.monotonic() + PATIENCE
        while self._pid and not exited([self._pid], adopts=False):
            if time.monotonic() >= until:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._pid, signal.SIGKILL)
            time.sleep(0.005)
        self._pid = 0


def _run(context: AdminContext) -> int:
    """Runs in: a fresh child, so that the master never imports it."""
    from wsgisrv.admin.process import run_admin

    return run_admin(context)
