"""The start of a master: from options to a supervisor that runs, in one order.

Rules: what may be wrong with the options is found before the command goes into the background; what needs
root is opened before the master becomes another user; nothing is left behind by a start that fails. Imports
nothing of the app.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from wsgisrv import logs
from wsgisrv.context import RunWorker
from wsgisrv.control import OFF
from wsgisrv.errors import ConfigError, NotPermittedError, WsgisrvError
from wsgisrv.layout import Layout
from wsgisrv.log_file import LogFile
from wsgisrv.log_target import file_of
from wsgisrv.master.admin_listener import check_admin, open_admin
from wsgisrv.master.control_socket import open_control_socket
from wsgisrv.master.daemon import detach
from wsgisrv.master.handover import Predecessor
from wsgisrv.master.identity import Identity
from wsgisrv.master.inherited import inherited_listeners
from wsgisrv.master.limits import raise_nofile
from wsgisrv.master.listener import Listener
from wsgisrv.master.listener_sets import ListenerSet
from wsgisrv.master.owned_files import open_log
from wsgisrv.master.pid_file import PidFile
from wsgisrv.master.reloads import Version
from wsgisrv.master.signals import SignalPipe, StopAskedError
from wsgisrv.master.starter import Starter
from wsgisrv.master.supervisor import Supervisor
from wsgisrv.master.surroundings import Again, Surroundings
from wsgisrv.options import Loaded
from wsgisrv.task_board import TaskBoard
from wsgisrv.titles import Titles

Inherited = Sequence[tuple[str, str]]

_LOG = logging.getLogger("wsgisrv.master")


@dataclasses.dataclass(frozen=True, slots=True)
class Start:
    """What a command serves, and how.

    Args:
        load: reads the configuration, now and on every reload.
        check: returns the layout of a configuration, given what was inherited; raises WsgisrvError for one
            that cannot be served.
        layout_of: the same, unchecked.
        mutate: returns the first configuration with what is mutable as the second has it.
        global_conf: what the command adds to the paste file's [DEFAULT], out of its own options.
        run_worker: what a child runs.
        open_tasks: makes the board of the service's tasks, from the descriptor of the one that a master
            before this one had, -1 for none. None where no task runs in one worker only.
    """

    load: Callable[[], Loaded]
    check: Callable[[Loaded, Inherited], Layout]
    layout_of: Callable[[Loaded, Inherited], Layout]
    mutate: Callable[[Loaded, Loaded], Loaded]
    global_conf: Callable[[Mapping[str, Any]], dict[str, str]]
    run_worker: RunWorker
    open_tasks: Callable[[int], TaskBoard] | None = None


def start(plan: Start) -> int:
    """Binds, forks and supervises until told to stop.

    Returns:
        The exit code; of the command that started a daemon: 0 when the service is ready.

    Raises:
        WsgisrvError: when it cannot.
    """
    directory = _directory()
    predecessor = Predecessor.take(os.environ)
    found = plan.load()
    try:
        return _start(plan, found, predecessor, directory)
    except WsgisrvError as error:
        raise found.located(error) from error


def _start(plan: Start, found: Loaded, predecessor: Predecessor | None, directory: str) -> int:
    settings = found.settings
    logs.setup(settings.log_level)
    if settings.chdir:
        _work_in(settings.chdir)
    titles = Titles(settings.proc_name)
    identity = Identity.of(settings.user, settings.group)
    inherited = inherited_listeners(os.environ) if predecessor is None else predecessor.inherited
    layout = plan.check(found, inherited)
    starter: Starter | None = None
    if predecessor is not None:
        predecessor.take_streams()
        starter = predecessor.starter
    elif settings.daemon:
        starter = detach()
        if starter is None:
            return 0
    opening = _Opening(
        plan, found, layout, identity, inherited, starter, predecessor, titles, directory
    )
    try:
        return opening.run()
    except Exception as error:
        if starter is None:
            raise
        is_heard = starter.failed(
            found.located(error) if isinstance(error, WsgisrvError) else error
        )
        if predecessor is not None and is_heard and isinstance(error, WsgisrvError):
            return error.exit_code  # the old master says why
        raise


class _Opening:
    """Opens everything, in order, and runs the supervisor with it."""

    def __init__(
        self,
        plan: Start,
        found: Loaded,
        layout: Layout,
        identity: Identity | None,
        inherited: Sequence[tuple[str, str]],
        starter: Starter | None,
        predecessor: Predecessor | None,
        titles: Titles,
        directory: str,
    ) -> None:
        self._plan = plan
        self._found = self._fresh = found
        self._layout = layout
        self._settings = found.settings
        self._identity = identity
        self._inherited = inherited
        self._starter = starter
        self._predecessor = predecessor
        self._titles = titles
        self._directory = directory

    def run(self) -> int:
        """Returns the master's exit code."""
        settings = self._settings
        if settings.umask:
            os.umask(int(settings.umask, 8))
        check_admin(settings)
        line, warning = raise_nofile(settings.nofile, settings.max_connections)
        first = Version.read(self._own(self._layout), self._found.locate)
        signals = SignalPipe()
        signals.install()
        with contextlib.ExitStack() as stack:
            try:
                listeners = self._listeners(first.layout, signals)
            except StopAskedError:
                return 0
            for listener in listeners.all():
                stack.callback(listener.close)
            listeners.check()
            control = self._control()
            if control is not None:
                stack.callback(control.close)
            admin = self._admin()
            for listener in admin or ():
                stack.callback(listener.close)
            pid_file = self._pid_file()
            if pid_file is not None:
                stack.callback(pid_file.close)
            log_file = self._open_logs()
            if self._identity is not None:
                self._identity.become(os.environ)
            tasks = self._open_tasks()
            global_conf = self._plan.global_conf(self._found.extra)
            stack.pop_all()
        notes = [(logging.INFO, line), *([(logging.WARNING, warning)] if warning else [])]
        surroundings = Surroundings(
            starter=self._starter,
            predecessor=self._predecessor,
            pid_file=pid_file,
            log_file=log_file,
            titles=self._titles,
            notes=notes,
            again=self._again(tasks),
            tasks=tasks,
        )
        return Supervisor(
            first,
            listeners,
            self._plan.run_worker,
            reload_settings=self._reloaded,
            mutate=self._mutated,
            global_conf=global_conf,
            signals=signals,
            control=control,
            admin=admin,
            surroundings=surroundings,
        ).run()

    def _reloaded(self) -> Version:
        self._fresh = fresh = self._plan.load()
        try:
            layout = self._own(self._plan.check(fresh, self._inherited))
            return Version.read(layout, fresh.locate)
        except WsgisrvError as error:
            raise fresh.located(error) from error

    def _mutated(self) -> Layout:
        self._found = self._plan.mutate(self._found, self._fresh)
        return self._own(self._plan.layout_of(self._found, self._inherited))

    def _own(self, layout: Layout) -> Layout:
        """Returns the layout with unix sockets owned by whom the master becomes, unless told otherwise."""
        if self._identity is None:
            return layout
        return layout.owned_by(f"{self._identity.uid}:{self._identity.gid}")

    def _open_tasks(self) -> TaskBoard | None:
        """Opens the board that the old master had, so that its workers' locks hold against ours, too."""
        inherited = self._predecessor.tasks if self._predecessor is not None else -1
        if self._plan.open_tasks is not None:
            return self._plan.open_tasks(inherited)
        if inherited >= 0:
            os.close(inherited)
        return None

    def _again(self, tasks: TaskBoard | None) -> Again:
        return Again(
            directory=self._directory,
            inherited=tuple(self._inherited),
            control_option=self._settings.control_socket,
            is_detached=self._settings.daemon,
            tasks=tasks.fd if tasks is not None else -1,
        )

    def _listeners(self, layout: Layout, signals: SignalPipe) -> ListenerSet:
        known = self._predecessor.known if self._predecessor is not None else {}
        timeout = self._settings.bind_timeout
        listeners = ListenerSet.open(layout.servers, known, timeout, signals.wait)
        names = dict(self._inherited)
        for listener in listeners.all():
            listener.name = names.get(listener.address, "")
        if self._predecessor is not None:
            self._predecessor.adopt(listeners.all())
        return listeners

    def _control(self) -> Listener | None:
        option = self._settings.control_socket
        if self._predecessor is not None and option != OFF:
            adopted = self._predecessor.control_socket(option)
            if adopted is not None:
                return adopted
        return open_control_socket(option, os.environ, self._identity)

    def _admin(self) -> list[Listener] | None:
        """Returns what is bound of ``admin_bind``; None where the predecessor has it still."""
        if not self._settings.admin_bind:
            return []
        return open_admin(self._settings, self._identity) if self._predecessor is None else None

    def _pid_file(self) -> PidFile | None:
        if not self._settings.pid_file:
            return None
        predecessor = self._predecessor.pid if self._predecessor is not None else 0
        return PidFile.claim(self._settings.pid_file, self._identity, predecessor)

    def _open_logs(self) -> LogFile | None:
        """Opens the log file, and makes the access log's, which workers open themselves."""
        settings = self._settings
        targets = {file_of(server.settings.access_log) for server in self._layout.servers} - {""}
        for target in targets if self._identity is not None else ():
            os.close(open_log(self._identity, os.path.abspath(target), "access_log"))
        if not settings.log_file:
            return None
        path = os.path.abspath(settings.log_file)
        fd = open_log(self._identity, path, "log_file")
        is_detached = settings.daemon
        log_file = LogFile(path, fd, (1, 2) if is_detached else ())
        logs.setup(settings.log_level, fd)
        return log_file


def _directory() -> str:
    """Returns where the command was started, by the name that whoever did it used.

    A deployment may have another directory under the same name at the next upgrade, by a symbolic link.
    """
    named = os.environ.get("PWD", "")
    with contextlib.suppress(OSError):
        if named.startswith("/") and os.path.samefile(named, "."):
            return named
    with contextlib.suppress(OSError):
        return os.getcwd()
    return "/"


def _work_in(directory: str) -> None:
    try:
        os.chdir(directory)
    except PermissionError:
        raise NotPermittedError(f"[wsgisrv] chdir = {directory}: may not enter it") from None
    except OSError as error:
        raise ConfigError(f"[wsgisrv] chdir = {directory}: {error.strerror}") from None
