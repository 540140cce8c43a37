"""What workers say of themselves, and how they end, as events for the roster.

Rules: decides nothing. A worker's last words are read before its end is told, since they may say why.
Runs in: master loop.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable

from wsgisrv.channel import Kind, Message
from wsgisrv.errors import BootError
from wsgisrv.master import events
from wsgisrv.master.dumps import Dumps
from wsgisrv.master.notify import Notifier
from wsgisrv.master.reap import Status, in_words
from wsgisrv.master.worker_handle import WorkerHandle
from wsgisrv.master.workers import Workers

_LOG = logging.getLogger("wsgisrv.master")


class Reports:
    """Args:
    workers: that report.
    dumps: wait for their stacks.
    notifier: pings systemd's watchdog while workers beat.
    tell: takes the events.
    """

    def __init__(
        self,
        workers: Workers,
        dumps: Dumps,
        notifier: Notifier,
        tell: Callable[[events.Event], None],
    ) -> None:
        self._workers = workers
        self._dumps = dumps
        self._notifier = notifier
        self._tell = tell

    def reap(self) -> None:
        """Tells which workers have exited since, and lets go of them."""
        for handle, status in self._workers.reap():
            self._on_exit(handle, status)

    def read(self) -> None:
        """Reads channels and scoreboard."""
        for handle in self._workers.handles():
            self._read_channel(handle)
        beats = list(self._workers.beats())
        for beat in beats:
            self._tell(beat)
        self._notifier.watch((beat.at for beat in beats), time.monotonic())
        self._workers.report_blocks()
        for measured in self._workers.measured():
            self._tell(measured)

    def _on_exit(self, handle: WorkerHandle, status: Status) -> None:
        self._read_channel(handle)
        seconds = time.monotonic() - handle.spawned_at
        reason = f"{handle} {in_words(status)} after {seconds:.1f} s"
        self._workers.forget(
            handle, reason, was_killed=status is not None and os.WIFSIGNALED(status)
        )
        self._dumps.on_exit(handle)
        exit_code, reason = handle.failure or (BootError.exit_code if status != 0 else 0, reason)
        self._tell(events.Exited(handle.worker_id, reason, exit_code))

    def _read_channel(self, handle: WorkerHandle) -> None:
        for message in self._workers.messages(handle):
            self._on_message(handle, message)

    def _on_message(self, handle: WorkerHandle, message: Message) -> None:
        if message.kind is Kind.READY:
            handle.hub = str(message.fields.get("hub", ""))
            _LOG.debug("%s is ready", handle)
            self._tell(events.BecameReady(handle.worker_id))
        elif message.kind is Kind.STACKS:
            self._dumps.on_stacks(handle, message.fields)
        elif message.kind is Kind.FAILED:
            handle.failure = (int(message.fields["exit_code"]), str(message.fields["reason"]))
