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
import secrets
import selectors
import signal
import time
from collections.abc import Callable, Mapping, Sequence

from wsgisrv import __version__, logs
from wsgisrv.channel import Kind, Message
from wsgisrv.config import Settings
from wsgisrv.context import RunWorker
from wsgisrv.control import Fields
from wsgisrv.errors import BootError, ReloadError, WsgisrvError
from wsgisrv.master import events
from wsgisrv.master.commands import Asker, Commands
from wsgisrv.master.control_server import ControlServer
from wsgisrv.master.dumps import Dumps
from wsgisrv.master.listeners import Listener
from wsgisrv.master.member import State
from wsgisrv.master.notify import Notifier
from wsgisrv.master.policy import error_of, policy_of
from wsgisrv.master.reap import Status, in_words
from wsgisrv.master.roster import Roster
from wsgisrv.master.signals import SignalPipe
from wsgisrv.master.spawn import Fork, spawn
from wsgisrv.master.status import worker_status
from wsgisrv.master.succession import Succession
from wsgisrv.master.surroundings import Surroundings
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
    signals: caught already, from before the listeners were bound.
    surroundings: who started this master, its pid file and log file; closed when ``run`` ends.
    control: the control socket, or None for a service without; closed when ``run`` ends. Heard when the
        predecessor has handed over.
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
        surroundings: Surroundings | None = None,
        control: Listener | None = None,
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
        self._roster = Roster(
            policy_of(settings, 0), time.monotonic(), secrets.randbelow(1000) / 1000
        )
        self._notifier = Notifier(os.environ)
        self._started = time.monotonic()
        self._last_reload = ""
        self._dumps = Dumps(self._workers)
        self._commands = Commands(self)
        self._control = ControlServer(control, self._selector, self._commands.obey, time.monotonic)
        self._surroundings = surroundings or Surroundings()
        self._succession = Succession(
            self, self._selector, self._surroundings, self._control, self._notifier
        )
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
                self._show()
                if self._halt is None:
                    self._sleep()
        finally:
            self._close()
        if self._halt.exit_code:
            raise error_of(self._halt)
        return self._succession.rest(self._signals)

    # The loop's parts

    def _sleep(self) -> None:
        now = time.monotonic()
        due = min(
            self._roster.next_deadline(now), self._dumps.deadline() or now + 1.0,
            self._notifier.due(now),
        )  # fmt: skip
        for key, mask in self._selector.select(max(due - now, 0.0)):
            if key.data is not None:  # a control connection; all else is looked at in any case
                key.data(mask)
        self._control.expire()
        self._dumps.tick()
        self._succession.tick()

    def _show(self) -> None:
        roster = self._roster
        if self._stops_asked or self._succession.is_under_way:
            state = "stopping" if self._stops_asked else "upgrading"
        elif roster.reload_version is not None:
            state = "reloading"
        else:
            state = "serving" if roster.is_serving else "starting"
        self._surroundings.show(f"generation {roster.generation}, {state}")

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
        seconds = time.monotonic() - handle.spawned_at
        reason = f"{handle} {in_words(status)} after {seconds:.1f} s"
        self._workers.forget(
            handle, reason, was_killed=status is not None and os.WIFSIGNALED(status)
        )
        self._dumps.on_exit(handle)
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
            elif message.kind is Kind.STACKS:
                self._dumps.on_stacks(handle, message.fields)
            elif message.kind is Kind.FAILED:
                handle.failure = (int(message.fields["exit_code"]), str(message.fields["reason"]))

    def _read_beats(self) -> None:
        beats = list(self._workers.beats())
        for beat in beats:
            self._tell(beat)
        self._notifier.watch((beat.at for beat in beats), time.monotonic())
        self._workers.report_blocks()
        for measured in self._workers.measured():
            self._tell(measured)

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
        if self._succession.forwards(number):
            return
        if number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            graceful = number != signal.SIGQUIT and not self._stops_asked
            self.stop(graceful=graceful, asked_by=number.name)
        elif number == signal.SIGHUP:
            self._succession.on_hup()
        elif number == signal.SIGUSR2:
            try:
                self.upgrade(None)
            except WsgisrvError as error:
                _LOG.error("upgrade refused: %s", error)
        elif number == signal.SIGUSR1:
            self.reopen_logs()
        elif number == signal.SIGTTIN:
            self._tell(events.ResizeRequested(1))
        elif number == signal.SIGTTOU:
            self._tell(events.ResizeRequested(-1))

    # What signals and control commands ask for

    def reload(self) -> None:
        """Reads options and certificates, and begins a new generation with them if they are right."""
        try:
            self.begin_reload(self.read_settings())
        except WsgisrvError as error:
            _LOG.error("reload: %s; the settings stay as they were", error)

    def upgrade(self, asker: Asker | None) -> None:
        """Runs a new master from disk (wsgisrv.master.succession).

        Raises:
            WsgisrvError: when it is no time for that; nothing has changed.
        """
        if self._stops_asked:
            raise ReloadError("the service is stopping")
        if not self._roster.is_serving or self._roster.reload_version is not None:
            raise ReloadError("a generation of workers is not ready yet")
        self._succession.begin(asker, self._settings[self._roster.policy.version].boot_timeout)

    def listeners(self) -> Sequence[Listener]:
        """Returns what this master listens on."""
        return self._listeners

    def leave(self) -> None:
        """Drains: another master serves."""
        self._stops_asked += 1
        self._tell(events.StopRequested(graceful=True))

    def status(self) -> Fields:
        """Returns how service and workers stand (wsgisrv.master.status)."""
        now = time.monotonic()
        states = self._roster.workers()
        version = self._roster.reload_version
        return {
            "version": __version__,
            "pid": os.getpid(),
            "uptime": round(now - self._started, 1),
            "state": "stopping" if self._stops_asked else "serving",
            **self._succession.status(),
            "generation": self._roster.generation,
            "addresses": self._addresses(self._roster.policy.version),
            "names": [listener.name for listener in self._listeners],
            "workers_wanted": self._roster.latest_policy.workers,
            "reload": "none" if version is None else "under way",
            "last_reload": self._last_reload,
            "workers": [
                worker_status(handle, state, self._workers.scoreboard[handle.slot], now)
                for handle in self._workers.handles()
                if (state := states.get(handle.worker_id)) is not None
            ],
        }

    def stop(self, *, graceful: bool, asked_by: str) -> None:
        """Begins to stop; ``run`` returns when every worker is gone."""
        self._stops_asked += 1
        _LOG.info("%s: stopping %s", asked_by, "gracefully" if graceful else "now")
        self._succession.cancel("the service stops")
        self._notifier.stopping()
        self._tell(events.StopRequested(graceful=graceful))

    def read_settings(self) -> int:
        """Reads options and certificates for a reload.

        Returns:
            Their version.

        Raises:
            WsgisrvError: when they are wrong, or it is too late; nothing has changed.
        """
        if self._stops_asked:
            raise ReloadError("the service is stopping")
        settings = self._reload_settings()
        tls = TlsFiles(settings)
        self._settings.append(settings)
        self._tls.append(tls)
        return len(self._settings) - 1

    def begin_reload(self, version: int) -> None:
        """Begins a new generation with the settings of ``version``, or queues it."""
        self._notifier.reloading()
        self._tell(events.ReloadRequested(policy_of(self._settings[version], version)))

    def scale(self, workers: int) -> None:
        """Wants so many workers, in this generation and one that is about to serve."""
        self._tell(events.ScaleRequested(workers))

    def reopen_logs(self) -> None:
        """Opens the log files anew, here and in every worker."""
        self._surroundings.reopen_logs()
        self._workers.tell_all(Message(Kind.REOPEN))
        _LOG.info("log files reopened")

    def dump(self, asker: Asker) -> None:
        """Has every worker's stacks gathered, and ``asker`` answered with them."""
        self._dumps.begin(asker)

    def set_log_level(self, level: str, logger: str) -> None:
        """Logs from another level on; workers that are forked later inherit it."""
        logs.set_level(level, logger)
        self._workers.tell_all(Message(Kind.LOG_LEVEL, {"level": level, "logger": logger}))
        _LOG.info("log level of %s: %s", logger or "all", level)

    # Actions

    def _act(self, action: events.Action) -> None:
        match action:
            case events.Spawn():
                self._spawn(action)
            case events.Drain(worker_id):
                self._drain(worker_id)
            case events.Abort(worker_id):
                self._workers.abort(worker_id)
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
                self._last_reload = f"generation {generation} failed: {reason}"
                self._commands.reload_failed(reason, self._roster.reload_version)
            case events.Halt():
                self._halt = action

    def _spawn(self, wanted: events.Spawn) -> None:
        try:
            self._fork(wanted)
        except OSError as error:
            self._tell(events.SpawnFailed(wanted.worker_id, f"cannot fork: {error.strerror}"))

    def _fork(self, wanted: events.Spawn) -> None:
        version = wanted.version
        self._workers.fork(
            wanted, self._settings[version], self._listeners, self._tls[version],
            self._surroundings.log_file,
        )  # fmt: skip
        self._tell(events.Spawned(wanted.worker_id))

    def _close_in_worker(self) -> None:
        """Runs in: the child."""
        self._control.close_in_worker()
        self._succession.close_in_worker()
        self._surroundings.close_in_worker()
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
            if handle.generation == generation and states.get(handle.worker_id) is State.READY
        ]
        addresses = ", ".join(self._addresses(self._roster.policy.version))
        pids = ", ".join(str(handle.pid) for handle in handles)
        hubs = ", ".join(sorted({handle.hub for handle in handles}))
        text = f"{len(handles)} worker{'s'[: len(handles) != 1]} (pid {pids})"
        self._surroundings.note()
        _LOG.info(
            "ready: %s, hub %s, %s, master pid %d, generation %d",
            addresses, hubs, text, os.getpid(), generation,
        )  # fmt: skip
        self._succession.announce(f"serving on {addresses} with {len(handles)} workers")
        if generation > 1:
            self._last_reload = f"generation {generation} serves"
        self._commands.reload_done(self._roster.policy.version, generation)

    def _addresses(self, version: int) -> list[str]:
        scheme = "https://" if self._tls[version].contexts else "http://"
        return [listener.url.replace("http://", scheme) for listener in self._listeners]

    def _close(self) -> None:
        """Ends everything; whatever worker is left after an error of ours is killed and reaped."""
        self._workers.close()
        self._succession.close()
        for listener in self._listeners:
            listener.close()
        self._control.close()
        self._surroundings.close()
        self._selector.close()
