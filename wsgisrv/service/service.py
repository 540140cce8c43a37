"""``wsgisrv.Service``: what a service's main() declares, and how it runs.

Rules: declares and hands over; what ``wsgisrv serve`` does with it is the same. Must not import eventlet,
webob, paste or routes.
"""

from __future__ import annotations

import dataclasses
import math
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from oslo_config import cfg

from wsgisrv import cli
from wsgisrv.context import WorkerContext
from wsgisrv.errors import UsageError
from wsgisrv.extension import Called, Extension, Moment, RunIn, Task
from wsgisrv.named import is_named
from wsgisrv.options import Loaded, mutated
from wsgisrv.service.commands import ServiceCommand, run_command
from wsgisrv.service.own_config import OwnConfig
from wsgisrv.task_board import TaskBoard

_MAKES_LOCKS = ("eventlet", "webob", "routes", "sqlalchemy", "oslo_messaging", "oslo_db")
"""Modules of which it is known that what they make while they are imported is not green."""


class Service:
    """One service: APIs, hooks, tasks and commands, under one master.

    Args:
        conf: the service's own oslo.config. ``run`` wants it called, ``main`` calls it.
        app: what is served: the name of a section in the paste file of ``[wsgisrv] paste_config``, or
            ``module:callable``. Empty serves what the configuration says, or what ``add`` adds.
        defaults: of options in [wsgisrv], by name, where nobody gives them.
    """

    def __init__(
        self, conf: cfg.ConfigOpts, app: str = "", *, defaults: Mapping[str, Any] | None = None
    ) -> None:
        self.conf = conf
        self._apps: dict[str, str] = {"": _checked_app(app)}
        self._defaults: dict[str, Mapping[str, Any]] = {"": dict(defaults or {})}
        self._hooks: dict[Moment, list[str]] = {}
        self._tasks: dict[str, Task] = {}
        self._commands: dict[str, ServiceCommand] = {}
        self._board: TaskBoard | None = None

    # What it is made of

    def add(self, server: str, app: str, *, defaults: Mapping[str, Any] | None = None) -> None:
        """Adds an API with addresses of its own, in section [wsgisrv_SERVER].

        Of the servers that were added, ``servers`` in the configuration chooses some; without it all are
        served.

        Args:
            server: its name: lower-case letters, digits and _.
            app: as for the class.
            defaults: of options in its section.
        """
        self._apps[server] = _checked_app(app)
        self._defaults[server] = dict(defaults or {})

    def hook(self, moment: str, target: str) -> None:
        """Has ``target`` called in each worker with its WorkerInfo (wsgisrv.extension).

        Args:
            moment: ``post_fork``: the standard library is patched, and the app not imported yet; what the
                hook raises keeps the worker from starting. ``ready``: the worker has begun to serve.
                ``draining``: it accepts no more, and waits for the hook as for a request. ``worker_exit``:
                the last thing before it exits by itself; a worker that is killed calls nothing.
            target: ``module:callable``.

        Raises:
            ValueError: for another moment.
            TypeError: for a target that is not named.
        """
        self._hooks.setdefault(Moment(moment), []).append(_checked_name(target))

    def periodic(
        self,
        target: str,
        *,
        interval: float,
        jitter: float = 0.0,
        immediate: bool = False,
        run_in: str = RunIn.ALL,
        name: str = "",
    ) -> None:
        """Has ``target`` called in workers again and again, with the worker's WorkerInfo.

        Runs never overlap; what one raises is logged, and the next one comes. The worker waits for it when
        it drains.

        Args:
            target: ``module:callable``.
            interval: seconds from start to start, above 0.
            jitter: most seconds that are added each time, 0 or more.
            immediate: whether the service's first run is at once.
            run_in: ``all``: in every worker. ``one``: in exactly one of the service; when that one drains or
                dies, another one goes on.
            name: in log and status; by default the target.

        Raises:
            ValueError: for a value out of range, or a name that another task has.
            TypeError: for a target that is not named.
        """
        if not (0 < interval < math.inf and 0 <= jitter < math.inf):
            raise ValueError("interval is above 0 and jitter 0 or more, in seconds")
        self._add_task(name, Task(target, RunIn(run_in), interval, jitter, immediate))

    def background(self, target: str, *, run_in: str = RunIn.ALL, name: str = "") -> None:
        """Has ``target`` called once in workers, in a greenlet, with the worker's WorkerInfo.

        It ends when ``info.stopping`` is set, which the worker waits for when it drains. What it raises is
        logged, and it is called again, after a second and later each time.

        Args:
            target: ``module:callable``.
            run_in: as for ``periodic``.
            name: likewise.

        Raises:
            ValueError, TypeError: likewise.
        """
        self._add_task(name, Task(target, RunIn(run_in)))

    def _add_task(self, name: str, task: Task) -> None:
        _checked_name(task.target)
        name = name or task.target
        if name in self._tasks:
            raise ValueError(f"there is a task {name} already: give this one a name of its own")
        self._tasks[name] = task

    def command(self, name: str, target: str, help: str) -> None:  # noqa: A002 - as argparse has it
        """Adds a subcommand of ``main``: ``target(conf, args)`` is called in this very process.

        Args:
            name: as it stands on the command line.
            target: ``module:callable``; gets the conf, with its files read, and what stands behind the name
                but for those files. What it returns is the exit code, None for 0.
            help: one line.

        Raises:
            ValueError: for a name that is taken.
            TypeError: for a target that is not named.
        """
        if name in self._commands or name in cli.COMMANDS:
            raise ValueError(f"there is a command {name} already")
        self._commands[name] = ServiceCommand(_checked_name(target), help)

    # How it runs

    def run(self) -> int:
        """Serves until told to stop; the conf was called before.

        Returns:
            The exit code (README, "Exit codes"); what is wrong is one line on stderr.
        """
        return cli.guarded(lambda: self.serve(self.own_config(), _prog()))

    def main(
        self, argv: Sequence[str] | None = None, *, project: str = "", version: str = ""
    ) -> int:
        """Runs one command of the service's: ``serve``, which is the default, those that speak to a running
        service, ``check``, and the service's own.

        Args:
            argv: as in sys.argv[1:], which is the default.
            project: what the service's configuration files are called.
            version: what ``--version`` says.

        Returns:
            The exit code.
        """
        args = list(sys.argv[1:] if argv is None else argv)
        return cli.guarded(
            lambda: run_command(self, self._commands, args, _prog(), project, version)
        )

    def own_config(self, line: Sequence[str] = ()) -> OwnConfig:
        """Returns the options of the server in the service's conf, which was called.

        Args:
            line: those on the command line.
        """
        defaults = {
            server: {**({"app": app} if is_named(app) else {}), **self._defaults[server]}
            for server, app in self._apps.items()
        }
        if names := [name for name in self._apps if name]:
            defaults[""] = {"servers": names, **defaults[""]}
        return OwnConfig(self.conf, defaults, line)

    def serve(self, own: OwnConfig, prog: str) -> int:
        """Serves until told to stop.

        Raises:
            WsgisrvError: when it cannot.
        """
        from wsgisrv.master.start import Start, start
        from wsgisrv.served import checked, layout_of

        _refuse_patched()

        def loaded() -> Loaded:
            found = self.named(own.load(prog))
            return dataclasses.replace(found, warnings=(*found.warnings, *_early_imports()))

        shared = [name for name, task in self._tasks.items() if task.run_in is RunIn.ONE]

        def open_tasks(inherited: int) -> TaskBoard:
            self._board = TaskBoard(inherited, shared) if inherited >= 0 else TaskBoard.make(shared)
            return self._board

        return start(
            Start(
                loaded,
                checked,
                layout_of,
                mutated,
                lambda _: {},
                self._run_worker,
                open_tasks if shared else None,
            )
        )

    def named(self, found: Loaded) -> Loaded:
        """Returns the configuration with the names of the apps in it.

        Raises:
            UsageError: when there is no paste file to find one in.
        """
        common = found.settings
        settings = dataclasses.replace(common, **self._app_of(dataclasses.asdict(common), ""))
        sections = {
            name: {**section, **self._app_of({**dataclasses.asdict(common), **section}, name)}
            for name, section in found.sections.items()
        }
        return dataclasses.replace(found, settings=settings, sections=sections)

    def _app_of(self, options: Mapping[str, Any], server: str) -> dict[str, Any]:
        """Returns ``paste_config`` with the section that main() names, unless the configuration does."""
        name = self._apps.get(server, "")
        path, _, section = options["paste_config"].partition("#")
        if path:
            wanted = section or ("" if is_named(name) else name)
            found = self.conf.find_file(path) or path
            return {"paste_config": f"{found}#{wanted}" if wanted else found}
        if name and not (options["app"] or options["factory"]):
            raise UsageError(
                f"nothing to serve: [wsgisrv] paste_config has to name the paste file with {name}"
            )
        return {}

    def extension(self) -> Extension:
        """Returns what the workers get of it."""
        hooks: dict[Moment, tuple[str | Called, ...]] = {
            moment: tuple(targets) for moment, targets in self._hooks.items()
        }
        return Extension(self.conf, hooks, self._tasks, self._board)

    def _run_worker(self, context: WorkerContext) -> int:
        """Runs in: a fresh child, where eventlet may be imported."""
        from wsgisrv.worker.boot import run_worker

        return run_worker(context, self.extension())


def _checked_name(target: object) -> str:
    if not isinstance(target, str) or not is_named(target):
        raise TypeError(
            f"{target!r}: name it, as 'module:callable': it is imported in the process that runs it"
        )
    return target


def _checked_app(app: object) -> str:
    if not isinstance(app, str):
        raise TypeError(
            f"{app!r}: an app is named, since each worker imports its own: a section of the paste file, or"
            " 'module:callable'"
        )
    return app


def _prog() -> str:
    name = os.path.basename(sys.argv[0])
    package = os.path.basename(os.path.dirname(os.path.abspath(sys.argv[0])))
    return f"python -m {package}" if name == "__main__.py" else name


def _refuse_patched() -> None:
    """Raises:
    UsageError: when the master would be patched, and hand locks to workers that hang them.
    """
    patcher = sys.modules.get("eventlet.patcher")
    if patcher is not None and patcher.already_patched:
        raise UsageError(
            "eventlet.monkey_patch() was called before run(): take it out, each worker patches its own"
            " process"
        )


def _early_imports() -> list[str]:
    found = ", ".join(name for name in _MAKES_LOCKS if name in sys.modules)
    if not found:
        return []
    what = "locks that were made then hang a worker's greenlets: leave the import to the app"
    return [f"imported by main(), before the fork: {found}; {what}"]
