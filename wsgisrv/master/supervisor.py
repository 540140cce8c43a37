"""The supervisor: the effects of what the roster decides.

Rules: single-threaded, one loop: reap, then signals and messages, then deadlines; asleep in between, a
second at most. It never touches a request.

Events are handled one after another: one that comes up while the roster's actions are carried out waits
until all of them are. Else a fork that fails would have its siblings killed before they are forked.
"""

from __future__ import annotations

import collections
import logging
import os
import selectors
import signal
import time
from collections.abc import Callable, Mapping, Sequence

from wsgisrv.channel import Kind, Message
from wsgisrv.config import Settings
from wsgisrv.context import RunWorker
from wsgisrv.errors import BY_EXIT_CODE, BootError, WsgisrvError
from wsgisrv.master import events
from wsgisrv.master.cpus import usable_cpus
from wsgisrv.master.listeners import Listener
from wsgisrv.master.notify import Notifier
from wsgisrv.master.reap import Status, in_words
from wsgisrv.master.roster import MOST_WORKERS, Roster
from wsgisrv.master.roster import State as WorkerState
from wsgisrv.master.signals import SignalPipe
from wsgisrv.master.spawn import Fork, spawn
from wsgisrv.master.worker_handle import WorkerHandle
from wsgisrv.master.workers import Workers
from wsgisrv.tls import TlsFiles

_LOG = logging.getLogger("wsgisrv.master")


class Supervisor:
    """Args:
    settings: the options at the start.
    listeners: bound already; closed when ``run`` ends.
    run_worker: what a child runs.
    reload_settings: reads the options anew; raises ConfigError for a wrong one.
    global_conf: for the paste file.
    fork: makes a child; ``spawn`` but for tests of a kernel that refuses.
    tls: the certificates, read already.
    signals: caught already, from before the listeners were bound; closed when ``run`` ends.
    """

    def __init__(
        self,
        settings: Settings,
        listeners: Sequence[Listener],
        run_worker: RunWorker,
        *,
        reload_settings: Callable[[], Settings],
        global_conf: Mapping[str, str],
        tls: TlsFiles,
        signals: SignalPipe,
        fork: Fork = spawn,
    ) -> None:
        self._settings = [settings]  # by version: the index here
        self._tls = [tls]  # likewise
        self._listeners = listeners
        self._reload_settings = reload_settings
        self._signals = signals
        self._selector = selectors.DefaultSelector()
        self._workers = Workers(
            run_worker, fork, self._selector, global_conf, self._close_in_worker
        )
        self._roster = Roster(_policy(settings, 0), time.monotonic())
        self._notifier = Notifier(os.environ)
        self._events: collections.deque[events.Event] = collections.deque()
        self._acting = False
        self._stops_asked = 0
        self._halt: events.Halt | None = None

    def run(self) -> int:
        """Serves until told to stop.

        Returns:
            The exit code: 0 after a stop that was asked for.

        Raises:
            WsgisrvError: when the workers cannot boot.
        """
        self._signals.install()
        self._selector.register(self._signals, selectors.EVENT_READ)
        try:
            while self._halt is None:
                self._reap()
                for number in self._signals.read():
                    self._on_signal(number)
                self._read_channels()
                self._read_beats()
                self._renew_certificates()
                self._tell(events.Ticked())
                if self._halt is None:
                    self._sleep()
        finally:
            self._close()
        if self._halt.exit_code:
            raise _error_of(self._halt)
        return 0

    # The loop's parts

    def _sleep(self) -> None:
        now = time.monotonic()
        self._selector.select(max(self._roster.next_deadline(now) - now, 0.0))

    def _tell(self, event: events.Event) -> None:
        self._events.append(event)
        if self._acting:
            return
        self._acting = True
        while self._events:
            for action in self._roster.handle(self._events.popleft(), time.monotonic()):
                self._act(action)
        self._acting = False

    def _reap(self) -> None:
        for handle, status in self._workers.reap():
            self._on_exit(handle, status)

    def _on_exit(self, handle: WorkerHandle, status: Status) -> None:
        self._read_channel(handle)
        self._workers.forget(handle)
        seconds = time.monotonic() - handle.spawned_at
        reason = f"{handle} {in_words(status)} after {seconds:.1f} s"
        exit_code, reason = handle.failure or (BootError.exit_code if status != 0 else 0, reason)
        self._tell(events.Exited(handle.worker_id, reason, exit_code))

    def _read_channels(self) -> None:
        for handle in self._workers.handles():
            self._read_channel(handle)

    def _read_channel(self, handle: WorkerHandle) -> None:
        for message in self._workers.messages(handle):
            if message.kind is Kind.READY:
                handle.hub = str(message.fields.get("hub", ""))
                _LOG.debug("%s is ready", handle)
                self._tell(events.BecameReady(handle.worker_id))
            elif message.kind is Kind.FAILED:
                handle.failure = (int(message.fields["exit_code"]), str(message.fields["reason"]))

    def _read_beats(self) -> None:
        for beat in self._workers.beats():
            self._tell(beat)

    def _renew_certificates(self) -> None:
        """Hands the workers what certificate files say now, if they have changed."""
        handles = self._workers.handles()
        for version in {handle.version for handle in handles}:
            files = self._tls[version]
            if files.has_changed() and files.material is not None:
                message = Message(Kind.TLS, files.material.to_fields())
                told = [h.channel.send(message) for h in handles if h.version == version]
                _LOG.info("certificates renewed in %d workers", sum(told))

    # Signals

    def _on_signal(self, number: signal.Signals) -> None:
        if number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            self._on_stop_signal(number)
        elif number == signal.SIGHUP:
            self._reload()
        elif number == signal.SIGUSR1:
            self._workers.tell_all(Message(Kind.REOPEN))
            _LOG.info("log files reopened")
        elif number == signal.SIGTTIN:
            self._tell(events.ResizeRequested(1))
        elif number == signal.SIGTTOU:
            self._tell(events.ResizeRequested(-1))

    def _on_stop_signal(self, number: signal.Signals) -> None:
        graceful = number != signal.SIGQUIT and not self._stops_asked
        self._stops_asked += 1
        _LOG.info("%s: stopping %s", number.name, "gracefully" if graceful else "now")
        self._notifier.stopping()
        self._tell(events.StopRequested(graceful=graceful))

    def _reload(self) -> None:
        try:
            settings = self._reload_settings()
            tls = TlsFiles(settings)
        except WsgisrvError as error:
            _LOG.error("reload: %s; the settings stay as they were", error)
            return
        self._notifier.reloading()
        self._settings.append(settings)
        self._tls.append(tls)
        self._tell(events.ReloadRequested(_policy(settings, len(self._settings) - 1)))

    # Actions

    def _act(self, action: events.Action) -> None:
        match action:
            case events.Spawn():
                self._spawn(action)
            case events.Drain(worker_id):
                self._drain(worker_id)
            case events.Abort(worker_id):
                self._workers.kill(worker_id, signal.SIGABRT)
            case events.Kill(worker_id):
                self._workers.kill(worker_id, signal.SIGKILL)
            case events.Announce(severity, text):
                _LOG.log(logging.getLevelNamesMapping()[severity.upper()], "%s", text)
            case events.Serving(generation):
                self._announce(generation)
            case events.ReloadFailed(generation, reason):
                _LOG.error(
                    "reload failed, generation %d stays: %s", self._roster.generation, reason
                )
                self._notifier.ready(f"serving; reload to generation {generation} failed")
            case events.Halt():
                self._halt = action

    def _spawn(self, wanted: events.Spawn) -> None:
        try:
            self._fork(wanted)
        except OSError as error:
            self._tell(events.SpawnFailed(wanted.worker_id, f"cannot fork: {error.strerror}"))

    def _fork(self, wanted: events.Spawn) -> None:
        version = wanted.version
        self._workers.fork(wanted, self._settings[version], self._listeners, self._tls[version])
        self._tell(events.Spawned(wanted.worker_id))

    def _close_in_worker(self) -> None:
        """Runs in: the child."""
        self._selector.close()
        self._signals.close()

    def _drain(self, worker_id: int) -> None:
        handle = self._workers.get(worker_id)
        if handle is not None and not handle.channel.send(Message(Kind.DRAIN)):
            self._workers.kill(worker_id, signal.SIGTERM)

    def _announce(self, generation: int) -> None:
        states = self._roster.workers()
        handles = [
            handle
            for handle in self._workers.handles()
            if handle.generation == generation and states.get(handle.worker_id) is WorkerState.READY
        ]
        scheme = "https://" if handles and self._tls[handles[0].version].contexts else "http://"
        addresses = ", ".join(
            listener.url.replace("http://", scheme) for listener in self._listeners
        )
        pids = ", ".join(str(handle.pid) for handle in handles)
        hubs = ", ".join(sorted({handle.hub for handle in handles}))
        text = f"{len(handles)} worker{'s'[: len(handles) != 1]} (pid {pids})"
        _LOG.info(
            "ready: %s, hub %s, %s, master pid %d, generation %d",
            addresses, hubs, text, os.getpid(), generation,
        )  # fmt: skip
        self._notifier.ready(f"serving on {addresses} with {len(handles)} workers")

    def _close(self) -> None:
        """Ends everything; whatever worker is left after an error of ours is killed and reaped."""
        self._workers.close()
        for listener in self._listeners:
            listener.close()
        self._selector.close()
        self._signals.close()


def _policy(settings: Settings, version: int) -> events.Policy:
    return events.Policy(
        version=version,
        workers=settings.workers or min(usable_cpus(), MOST_WORKERS),
        boot_timeout=settings.boot_timeout,
        worker_timeout=settings.worker_timeout,
        graceful_timeout=settings.graceful_timeout,
    )


def _error_of(halt: events.Halt) -> WsgisrvError:
    return BY_EXIT_CODE.get(halt.exit_code, BootError)(halt.reason)
