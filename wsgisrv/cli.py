"""The command line: ``wsgisrv COMMAND``.

Rules: thin; a command is one entry of COMMANDS and one function. Whatever goes wrong ends in one line on
stderr and the exit code of its class, never in a traceback. Imports nothing that the master may not.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from oslo_config import cfg

from wsgisrv import __version__, logs
from wsgisrv.context import WorkerContext
from wsgisrv.errors import SystemRefusedError, UsageError, WsgisrvError, first_line
from wsgisrv.layout import Layout
from wsgisrv.operate import OPERATIONS, operate
from wsgisrv.options import Loaded, load, mutated, with_absolute_files

_LOG = logging.getLogger("wsgisrv")
_UNEXPECTED = 70  # sysexits.h, EX_SOFTWARE


@dataclasses.dataclass(frozen=True, slots=True)
class Command:
    """One subcommand.

    Args:
        run: gets what stands behind the command's name, returns the exit code.
        help: one line.
    """

    run: Callable[[Sequence[str]], int]
    help: str


def main(args: Sequence[str] | None = None) -> int:
    """Runs one command.

    Args:
        args: as in sys.argv[1:], which is the default.

    Returns:
        The exit code (README, "Exit codes").
    """
    try:
        return _dispatch(list(sys.argv[1:] if args is None else args))
    except WsgisrvError as error:
        logs.complain(first_line(error))
        return error.exit_code
    except KeyboardInterrupt:
        return 130  # as a shell says it: killed by SIGINT
    except BrokenPipeError:
        # Whoever read our output has left; Python would complain again while it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        logs.complain(f"unexpected error, please report it: {first_line(error)}")
        _LOG.debug("unexpected error", exc_info=error)
        return _UNEXPECTED


def _dispatch(args: list[str]) -> int:
    name = args[0] if args else "--help"
    if name in ("-h", "--help", "help"):
        print(_help())
    elif name == "--version":
        print(f"wsgisrv {__version__}")
    elif name in COMMANDS:
        try:
            return COMMANDS[name].run(args[1:])
        except SystemExit as done:  # the command's help was printed
            return int(done.code or 0)
    else:
        raise UsageError(f"no command {name!r}; there are {', '.join(COMMANDS)}")
    return 0


def _help() -> str:
    width = max(map(len, COMMANDS))
    rows = "\n".join(f"  {name:{width}}  {command.help}" for name, command in COMMANDS.items())
    return (
        "usage: wsgisrv COMMAND [options]\n\n"
        "A strict, fast, supervised WSGI API server on Eventlet.\n\n"
        f"commands:\n{rows}\n\nwsgisrv COMMAND --help says all about one."
    )


# Commands


def _serve(args: Sequence[str]) -> int:
    paste_ini = cfg.StrOpt(
        "paste_ini",
        positional=True,
        required=False,
        metavar="PASTE_INI[#APP]",
        help="Paste file to serve and the section in it, main by default.",
    )
    args = with_absolute_files(args)

    def loaded() -> Loaded:
        found = load(
            args,
            prog="wsgisrv serve",
            usage="wsgisrv serve [PASTE_INI[#APP]] [options]",
            description="Serve a paste-deployed app from one worker per core.",
            own=[paste_ini],
        )
        if not found.extra["paste_ini"]:
            return found
        settings = dataclasses.replace(found.settings, paste_config=found.extra["paste_ini"])
        return dataclasses.replace(found, settings=settings)

    return _run(loaded, lambda _: {})


def _demo(args: Sequence[str]) -> int:
    database = cfg.StrOpt(
        "database",
        default="",
        metavar="URL",
        help="SQLAlchemy URL of the demo's database. By default a SQLite file in the user's state"
        " directory.",
    )
    paste_config = str(Path(__file__).parent / "demo" / "api-paste.ini")
    args = with_absolute_files(args)

    def loaded() -> Loaded:
        found = load(
            args,
            prog="wsgisrv demo",
            usage="wsgisrv demo [--database URL] [options]",
            description="Serve the demo API: a shelf of books.",
            own=[database],
        )
        settings = dataclasses.replace(found.settings, paste_config=paste_config)
        return dataclasses.replace(found, settings=settings)

    return _run(loaded, lambda extra: {"database": extra["database"] or _default_database()})


def _check(args: Sequence[str]) -> int:
    from wsgisrv.check import run_check

    return run_check(args)


def _routes(args: Sequence[str]) -> int:
    from wsgisrv.routes_command import print_routes

    return print_routes(args)


COMMANDS: Mapping[str, Command] = {
    "serve": Command(_serve, "serve a paste-deployed app"),
    "check": Command(_check, "check what serve would do, and serve nobody"),
    "demo": Command(_demo, "serve the demo API"),
    "routes": Command(_routes, "print the routes of an app"),
    **{
        name: Command(functools.partial(operate, name), operation.help)
        for name, operation in OPERATIONS.items()
    },
}


def _run(
    loaded: Callable[[], Loaded], global_conf: Callable[[Mapping[str, Any]], dict[str, str]]
) -> int:
    """Serves until told to stop.

    Args:
        loaded: reads the configuration, now and on every reload.
        global_conf: what the command adds to the paste file's [DEFAULT], out of its own options.
    """
    from wsgisrv.master.start import Start, start

    return start(Start(loaded, _checked, _layout_of, mutated, global_conf, _run_worker))


def _checked(found: Loaded, inherited: Sequence[tuple[str, str]]) -> Layout:
    """Returns the layout of a service that can be served, at the start and on every reload.

    Args:
        inherited: addresses and names of sockets that were handed over; they take the place of the
            default. Where there are several servers, each names its own.

    Raises:
        UsageError: when there is nothing to serve.
        ConfigError: when a paste file cannot be read, or the servers want too many workers together.
    """
    from wsgisrv.deploy import check_readable
    from wsgisrv.master.reloads import check_workers

    for warning in found.warnings:
        _LOG.warning("%s", warning)
    layout = _layout_of(found, inherited)
    for server in layout.servers:
        if not server.settings.paste_config:
            what = f" for {server.name}" if server.name else ""
            raise UsageError(
                f"nothing to serve{what}: name a paste file, as in: wsgisrv serve api-paste.ini"
            )
        check_readable(server.settings.paste_config)
    check_workers(layout)
    return layout


def _layout_of(found: Loaded, inherited: Sequence[tuple[str, str]]) -> Layout:
    from wsgisrv.master.inherited import choose_addresses

    if found.sections:
        sections = {
            name: {
                **section,
                "bind": tuple(choose_addresses(section["bind"], inherited, (), False)),
            }
            if "bind" in section
            else section
            for name, section in found.sections.items()
        }
        return Layout.of(found.settings, sections)
    given = found.settings.bind if "bind" in found.given else None
    bind = tuple(choose_addresses(given, inherited, found.settings.bind))
    return Layout.single(dataclasses.replace(found.settings, bind=bind))


def _run_worker(context: WorkerContext) -> int:
    """Runs in: a fresh child, where eventlet may be imported."""
    from wsgisrv.worker.boot import run_worker

    return run_worker(context)


def _default_database() -> str:
    """Returns the URL of a SQLite file that only this user can read."""
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    directory = Path(state) / "wsgisrv"
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SystemRefusedError(f"{directory}: {error.strerror}") from None
    return f"sqlite:///{directory / 'shelf.sqlite'}"
