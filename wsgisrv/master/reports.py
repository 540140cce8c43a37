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
from wsgisrv.master.history import History, cause_of
from wsgisrv.master.notify import Notifier
from wsgisrv.master.profiles import Profiles
from wsgisrv.master.reap import Status, in_words
from wsgisrv.master.roster import Roster
from wsgisrv.master.worker_handle import WorkerHandle
from wsgisrv.master.workers import Workers

_LOG = logging.getLogger("wsgisrv.master")


class Reports:
    """Args:
    roster: knows what each worker was about.
    workers: that report.
    tell: takes the events.
    dumps, profiles: wait for what workers answer.
    history: notes exits and their causes.
    notifier: pings systemd's watchdog while workers beat.
    """

    def __init__(
        self,
        roster: Roster,
        workers: Workers,
        tell: Callable[[events.Event], None],
        *,
        dumps: Dumps,
        profiles: Profiles,
        history: History,
        notifier: Notifier,
    ) -> None:
        self._roster = roster
        self._workers = workers
        self._tell = tell
        self._dumps = dumps
        self._profiles = profiles
        self._history = history
        self._notifier = notifier

    def reap(self, *, is_stopping: bool) -> None:
        """Tells which workers have exited since, and lets go of them."""
        for handle, status in self._workers.reap():
            self._on_exit(handle, status, is_stopping)

    def read(self) -> None:
        """Reads channels and scoreboard."""
        for handle in self._workers.handles():
            self._read_channel(handle)
        beats = list(self._workers.beats())
        for beat in beats:
            self._tell(beat)
        self._notifier.watch((beat.at for beat in beats), time.monotonic())
        self._workers.report_blocks()
        self._workers.end_aborted()
        for measured in self._workers.measured():
            self._tell(measured)

    def _on_exit(self, handle: WorkerHandle, status: Status, is_stopping: bool) -> None:
        self._read_channel(handle)
        seconds = time.monotonic() - handle.spawned_at
        reason = f"{handle} {in_words(status)} after {seconds:.1f} s"
        was_killed = status is not None and os.WIFSIGNALED(status)
        if (member := self._roster.member(handle.worker_id)) is not None:
            cause = cause_of(
                member, generation=self._roster.generation, was_killed=was_killed,
                is_stopping=is_stopping,
            )  # fmt: skip
            self._history.note_exit(cause, reason)
        self._workers.forget(handle, reason, was_killed=was_killed)
        self._dumps.on_exit(handle)
        self._profiles.on_exit(handle)
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
