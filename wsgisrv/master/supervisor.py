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
from collections.abc import Callable, Mapping

from wsgisrv import logs
from wsgisrv.channel import Kind, Message
from wsgisrv.config import Settings
from wsgisrv.context import RunWorker, WorkerContext
from wsgisrv.control import Fields
from wsgisrv.errors import (
    BY_EXIT_CODE,
    BootError,
    ConfigError,
    ReloadError,
    UnavailableError,
    WsgisrvError,
)
from wsgisrv.layout import Layout
from wsgisrv.master import events
from wsgisrv.master.admin_process import AdminProcess
from wsgisrv.master.belongings import Belongings
from wsgisrv.master.changes import changes
from wsgisrv.master.commands import Asker, Commands
from wsgisrv.master.control_server import ControlServer
from wsgisrv.master.cpu_helpers import CpuHelpers
from wsgisrv.master.dumps import Dumps
from wsgisrv.master.history import History
from wsgisrv.master.listener import Listener
from wsgisrv.master.listener_sets import ListenerSet
from wsgisrv.master.notify import Notifier
from wsgisrv.master.outcomes import Outcomes
from wsgisrv.master.plans import MOST_WORKERS
from wsgisrv.master.profiles import Profiles
from wsgisrv.master.reloads import Reloads, Version
from wsgisrv.master.reports import Reports
from wsgisrv.master.roster import Roster
from wsgisrv.master.signals import STRANGE, SignalPipe, name_of
from wsgisrv.master.spawn import Fork, spawn
from wsgisrv.master.status import service_status, tasks_status
from wsgisrv.master.succession import Succession
from wsgisrv.master.surroundings import Surroundings
from wsgisrv.master.workers import Workers
from wsgisrv.scoreboard import Common

_LOG = logging.getLogger("wsgisrv.master")
_STOPPING = "the service is stopping"


class Supervisor:
    """Args:
    first: the options at the start, and the certificates.
    listeners: bound already; closed when ``run`` ends.
    run_worker: what a child runs.
    reload_settings: reads options and certificates anew; raises WsgisrvError for what is wrong.
    mutate: returns the running options, with those that are mutable read anew; likewise.
    global_conf: for the paste file.
    fork: makes a child; ``spawn`` but for tests of a kernel that refuses.
    signals: caught already, from before the listeners were bound; closed when ``run`` ends.
    surroundings: who started this master, its pid file and log file; closed when ``run`` ends.
    control: the control socket, or None for a service without; closed when ``run`` ends. Heard when the
        predecessor has handed over.
    admin: what ``admin_bind`` names, likewise; None where a predecessor still has it.
    """

    def __init__(
        self,
        first: Version,
        listeners: ListenerSet,
        run_worker: RunWorker,
        *,
        reload_settings: Callable[[], Version],
        mutate: Callable[[], Layout],
        global_conf: Mapping[str, str],
        signals: SignalPipe,
        surroundings: Surroundings | None = None,
        control: Listener | None = None,
        admin: list[Listener] | None = None,
        fork: Fork = spawn,
    ) -> None:
        self._versions = Reloads(
            first, listeners, reload_settings, self._tell_reload, self._on_reload_failed
        )
        self._mutate = mutate
        self._signals = signals
        self._selector = selectors.DefaultSelector()
        self._workers = Workers(
            run_worker, fork, self._selector, global_conf, self._close_in_worker
        )
        self._helpers = CpuHelpers(self._close_in_helper)
        self._roster = Roster(first.plan(0), time.monotonic(), secrets.randbelow(1000) / 1000)
        self._notifier = Notifier(os.environ)
        self._started = time.monotonic()
        self._dumps = Dumps(self._workers)
        self._profiles = Profiles(self._workers)
        self._commands = Commands(self)
        self._control = ControlServer(control, self._selector, self._commands.obey, time.monotonic)
        self._surroundings = surroundings or Surroundings()
        self._history = History(self._workers.scoreboard)
        self._admin = AdminProcess(
            first.layout.settings, admin, self._workers.scoreboard, self._control_path,
            self._close_in_admin,
        )  # fmt: skip
        self._succession = Succession(
            self, self._selector, self._surroundings, self._control, self._notifier
        )
        self._reports = Reports(
            self._roster,
            self._workers,
            self._tell,
            dumps=self._dumps,
            profiles=self._profiles,
            history=self._history,
            notifier=self._notifier,
        )
        self._outcomes = Outcomes(
            self._roster,
            self._workers,
            self._versions,
            surroundings=self._surroundings,
            succession=self._succession,
            notifier=self._notifier,
            commands=self._commands,
            history=self._history,
            admin=self._admin,
        )
        self._belongings = Belongings(
            listeners=self._versions.listeners,
            workers=self._workers,
            helpers=self._helpers,
            admin=self._admin,
            succession=self._succession,
            control=self._control,
            surroundings=self._surroundings,
            selector=self._selector,
            signals=signals,
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
                self._reports.read()
                self._workers.renew_certificates(self._versions)
                self._tell(events.Ticked())
                running = {handle.version for handle in self._workers.handles()}
                self._versions.keep(self._roster.versions, running)
                self._show()
                if self._halt is None:
                    self._sleep()
        finally:
            self._belongings.close()
        if self._halt.exit_code:
            raise _error_of(self._halt)
        return self._succession.rest(self._signals)

    # The loop's parts

    def _sleep(self) -> None:
        now = time.monotonic()
        others = (
            self._dumps.deadline(), self._profiles.deadline(), self._versions.deadline(),
            self._helpers.deadline(now), self._notifier.due(now), self._admin.deadline(now),
        )  # fmt: skip
        due = min(each for each in (self._roster.next_deadline(now), *others) if each is not None)
        for key, mask in self._selector.select(max(due - now, 0.0)):
            if key.data is not None:  # a control connection; all else is looked at in any case
                key.data(mask)
        self._control.expire()
        self._dumps.tick()
        self._profiles.tick()
        self._versions.tick()
        self._succession.tick()

    def _show(self) -> None:
        if self._stops_asked or self._succession.is_under_way:
            state = "stopping" if self._stops_asked else "upgrading"
        elif self._is_reloading:
            state = "reloading"
        else:
            state = "serving" if self._roster.is_serving else "starting"
        common = self._workers.scoreboard.common
        common[Common.GENERATION] = self._roster.generation
        common[Common.WANTED] = sum(
            policy.workers for policy in self._roster.latest_plan.groups.values()
        )
        self._surroundings.show(f"generation {self._roster.generation}, {state}")

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
        self._reports.reap(is_stopping=bool(self._stops_asked))
        self._helpers.tick(
            {self._roster.generation, *(found.generation for found in self._workers.handles())},
            time.monotonic(),
        )
        self._admin.tick(time.monotonic(), may_bind=not self._surroundings.is_waiting)

    # Signals

    def _on_signal(self, number: int) -> None:
        if self._succession.forwards(number):
            return
        if number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            graceful = number != signal.SIGQUIT and not self._stops_asked
            self.stop(graceful=graceful, asked_by=name_of(number))
        elif number == signal.SIGHUP:
            self._succession.on_hup()
        elif number == signal.SIGUSR2:
            try:
                self.upgrade(None)
            except WsgisrvError as error:
                _LOG.error("upgrade refused: %s", error)
        elif number == signal.SIGUSR1:
            self.reopen_logs()
        elif number in (signal.SIGTTIN, signal.SIGTTOU):
            if self._stops_asked:
                _LOG.warning("%s: %s; the workers stay as many", name_of(number), _STOPPING)
            by = 1 if number == signal.SIGTTIN else -1
            self._tell(events.ResizeRequested(by, self._first_group))
        elif number in STRANGE:
            _LOG.warning("%s: a signal without a meaning here; nothing changes", name_of(number))

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
            raise ReloadError(_STOPPING)
        if not self._roster.is_serving or self._is_reloading:
            raise ReloadError("a generation of workers is not ready yet")
        settings = self._versions[self._roster.plan.version].layout.settings
        self._succession.begin(asker, settings.boot_timeout)

    def listeners(self) -> list[Listener]:
        """Returns what this master listens on."""
        return self._versions.listeners[self._roster.plan.version].all()

    def take_over(self) -> None:
        """Has the listeners to itself: another master has handed over."""
        self._versions.listeners.configure()

    def leave(self) -> None:
        """Drains: another master serves."""
        self._stops_asked += 1
        self._versions.forget()
        self._admin.close()
        self._tell(events.StopRequested(graceful=True, is_handover=True))

    def status(self) -> Fields:
        """Returns how service and workers stand (wsgisrv.master.status)."""
        now = time.monotonic()
        found = service_status(
            self._roster, self._workers, self._versions,
            is_stopping=bool(self._stops_asked), is_reloading=self._is_reloading, now=now,
        )  # fmt: skip
        return {
            **found,
            **self._succession.status(),
            "names": [listener.name for listener in self.listeners()],
            "uptime": round(now - self._started, 1),
            "last_reload": self._outcomes.last_reload,
            "helpers": self._helpers.status(now),
            "admin": self._admin.urls,
            "events": self._history.events(now),
            "tasks": tasks_status(self._surroundings.tasks, self._workers, now),
        }

    def _control_path(self) -> str:
        listener = self._control.listener
        return listener.path if listener is not None else ""

    @property
    def _first_group(self) -> str:
        """Whose workers TTIN and TTOU are about: those that are shared, else those of the first server."""
        return self._versions[self._roster.latest_plan.version].layout.groups[0].name

    def stop(self, *, graceful: bool, asked_by: str) -> None:
        """Begins to stop; ``run`` returns when every worker is gone."""
        self._stops_asked += 1
        _LOG.info("%s: stopping %s", asked_by, "gracefully" if graceful else "now")
        self._succession.cancel("the service stops")
        self._notifier.stopping()
        self._versions.forget()
        self._tell(events.StopRequested(graceful=graceful))

    def read_settings(self) -> int:
        """Reads options and certificates for a reload; what may change live has changed then.

        Returns:
            Their version.

        Raises:
            WsgisrvError: when they are wrong, or it is too late; nothing has changed.
        """
        if self._stops_asked:
            raise ReloadError(_STOPPING)
        version = self._versions.read()
        live = self._mutate()
        running = self._versions[self._roster.plan.version].layout
        for line in changes(running, self._versions[version].layout):
            _LOG.info("reload: %s", line)
        self._tune(running.settings, live)
        return version

    def _tune(self, before: Settings, live: Layout) -> None:
        """Gives the running processes what may change live."""
        self._versions.tune(live)
        self._workers.tune(self._versions)
        for version in self._roster.versions:
            self._tell(events.Tuned(self._versions[version].plan(version).groups))
        if live.settings.log_level != before.log_level:
            self.set_log_level(live.settings.log_level, "")

    def begin_reload(self, version: int) -> None:
        """Begins a new generation with the settings of ``version``, or queues it."""
        self._notifier.reloading()
        self._versions.begin(version)

    def _tell_reload(self, version: int) -> None:
        self._tell(events.ReloadRequested(self._versions[version].plan(version)))

    def _on_reload_failed(self, version: int, reason: str, generation: int = 0) -> None:
        located = self._versions[version].locate(reason)
        self._outcomes.reload_failed(version, located, generation, not self._is_reloading)

    @property
    def _is_reloading(self) -> bool:
        return self._roster.is_reloading or self._versions.deadline() is not None

    def scale(self, workers: int, server: str) -> list[str]:
        """Wants so many workers for a server, in this generation and one that is about to serve.

        Returns:
            The servers that they serve.

        Raises:
            UnavailableError: when it is too late.
            ConfigError: when it is not clear, or not known, which workers are meant, and for too many.
        """
        if self._stops_asked:
            raise UnavailableError(f"scale: {_STOPPING}")
        layout = self._versions[self._roster.latest_plan.version].layout
        group = layout.group_serving(server)
        groups = self._roster.latest_plan.groups
        others = sum(policy.workers for name, policy in groups.items() if name != group.name)
        if workers + others > MOST_WORKERS:
            raise ConfigError(
                f"with {others} of other servers these are more than {MOST_WORKERS} workers"
            )
        self._tell(events.ScaleRequested(workers, group.name))
        return [each.name for each in group.servers if each.name]

    def reopen_logs(self) -> None:
        """Opens the log files anew, here and in every worker."""
        self._surroundings.reopen_logs()
        self._workers.tell_all(Message(Kind.REOPEN))
        _LOG.info("log files reopened")

    def dump(self, asker: Asker) -> None:
        """Has every worker's stacks gathered, and ``asker`` answered with them."""
        self._dumps.begin(asker)

    def profile(self, asker: Asker, worker_id: int, seconds: float, rate: int) -> None:
        """Has a worker profiled, and ``asker`` answered with what it ran.

        Raises:
            UsageError: when there is no such worker, or one is being profiled.
        """
        self._profiles.begin(asker, worker_id, seconds, rate)
        asker.answer({"wait": True}, is_last=False)

    def set_log_level(self, level: str, logger: str) -> None:
        """Logs from another level on; workers that are forked later inherit it."""
        logs.set_level(level, logger)
        message = Message(Kind.LOG_LEVEL, {"level": level, "logger": logger})
        self._workers.tell_all(message)
        self._helpers.tell_all(message)
        self._admin.tell(message)
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
                self._outcomes.serving(generation)
            case events.FailReadiness():
                self._workers.scoreboard.note_stop()
            case events.StopListening():
                self._versions.listeners.close()
            case events.ReloadFailed(generation, version, reason):
                self._on_reload_failed(version, reason, generation)
            case events.Halt():
                self._halt = action

    def _spawn(self, wanted: events.Spawn) -> None:
        try:
            self._fork(wanted)
        except OSError as error:
            self._tell(events.SpawnFailed(wanted.worker_id, f"cannot fork: {error.strerror}"))

    def _fork(self, wanted: events.Spawn) -> None:
        version = self._versions[wanted.version]
        jobs = self._helpers.queue_for(wanted.generation, version.layout)
        self._workers.fork(
            wanted, version, self._versions.listeners[wanted.version], jobs,
            self._surroundings.log_file, self._surroundings.proc_name,
        )  # fmt: skip
        self._tell(events.Spawned(wanted.worker_id))

    def _close_in_worker(self, context: WorkerContext) -> None:
        self._belongings.close_in_worker(context)

    def _close_in_helper(self) -> None:
        self._belongings.close_in_helper()

    def _close_in_admin(self) -> None:
        self._belongings.close_in_admin()

    def _drain(self, worker_id: int) -> None:
        """One that has not said READY gets SIGTERM: it dies of that until it begins to serve."""
        handle = self._workers.get(worker_id)
        if handle is None:
            return
        if not handle.hub or not handle.channel.send(Message(Kind.DRAIN)):
            self._workers.kill(worker_id, signal.SIGTERM)


def _error_of(halt: events.Halt) -> WsgisrvError:
    return BY_EXIT_CODE.get(halt.exit_code, BootError)(halt.reason)
