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
from wsgisrv.config import Settings
from wsgisrv.context import WorkerContext
from wsgisrv.errors import SystemRefusedError, UsageError, WsgisrvError, first_line
from wsgisrv.operate import OPERATIONS, operate
from wsgisrv.options import Loaded, load, with_absolute_files

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


COMMANDS: Mapping[str, Command] = {
    "serve": Command(_serve, "serve a paste-deployed app"),
    "demo": Command(_demo, "serve the demo API"),
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
    from wsgisrv.master.start import Plan, start

    return start(Plan(loaded, _check, global_conf, _run_worker))


def _check(settings: Settings) -> None:
    from wsgisrv.deploy import check_readable

    if not settings.paste_config:
        raise UsageError("nothing to serve: name a paste file, as in: wsgisrv serve api-paste.ini")
    check_readable(settings.paste_config)


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
