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
from wsgisrv.config_files import with_absolute_files
from wsgisrv.context import WorkerContext
from wsgisrv.errors import SystemRefusedError, UsageError, WsgisrvError, first_line
from wsgisrv.operate import OPERATIONS, operate
from wsgisrv.options import PASTE_INI, Loaded, load, mutated

_LOG = logging.getLogger("wsgisrv")
_UNEXPECTED = 70  # sysexits.h, EX_SOFTWARE
DATABASE = cfg.StrOpt(
    "database",
    default="",
    metavar="URL",
    help="SQLAlchemy URL of the demo's database. By default a SQLite file in the user's state"
    " directory.",
)
PASTE_VAR = cfg.MultiStrOpt(
    "paste-var",
    default=[],
    metavar="NAME=VALUE",
    help="Value of the paste file's [DEFAULT], over what stands there; may be given more than once.",
)


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
    return guarded(lambda: _dispatch(list(sys.argv[1:] if args is None else args)))


def guarded(run: Callable[[], int]) -> int:
    """Returns the exit code of a command, and makes one line on stderr of whatever goes wrong in it."""
    try:
        return run()
    except SystemExit as done:  # the command's help was printed
        return int(done.code or 0)
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
        from wsgisrv.http1 import reader

        is_compiled = not str(reader.__file__).endswith(".py")
        print(f"wsgisrv {__version__}{' (compiled)' * is_compiled}")
    elif name in COMMANDS:
        return COMMANDS[name].run(args[1:])
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
    args = with_absolute_files(args)

    def loaded() -> Loaded:
        return load(
            args,
            prog="wsgisrv serve",
            usage="wsgisrv serve [PASTE_INI[#APP] | --app MODULE:NAME | --factory MODULE:NAME] [options]",
            description="Serve an app, of a paste file or by its name, from one worker per core.",
            own=[PASTE_INI, PASTE_VAR],
        )

    return _run(loaded, lambda extra: _paste_vars(extra["paste_var"]))


def _paste_vars(given: Sequence[str]) -> dict[str, str]:
    for text in given:
        if not text.partition("=")[1] or text.startswith("="):
            raise UsageError(f"--paste-var {text}: allowed is NAME=VALUE")
    return dict(text.split("=", 1) for text in given)


def _demo(args: Sequence[str]) -> int:
    paste_config = str(Path(__file__).parent / "demo" / "api-paste.ini")
    args = with_absolute_files(args)

    def loaded() -> Loaded:
        found = load(
            args,
            prog="wsgisrv demo",
            usage="wsgisrv demo [--database URL] [options]",
            description="Serve the demo API: a shelf of books.",
            own=[DATABASE],
        )
        settings = dataclasses.replace(
            found.settings, paste_config=paste_config, app="", factory=""
        )
        return dataclasses.replace(found, settings=settings)

    return _run(loaded, lambda extra: {"database": extra["database"] or _default_database()})


def _check(args: Sequence[str]) -> int:
    from wsgisrv.check import run_check

    return run_check(args)


def _config(args: Sequence[str]) -> int:
    from wsgisrv.config_command import print_config

    return print_config(args)


def _routes(args: Sequence[str]) -> int:
    from wsgisrv.routes_command import print_routes

    return print_routes(args)


def _top(args: Sequence[str]) -> int:
    from wsgisrv.top import run_top

    return run_top(args)


def _new(args: Sequence[str]) -> int:
    from wsgisrv.new import run_new

    return run_new(args)


COMMANDS: Mapping[str, Command] = {
    "serve": Command(_serve, "serve an app"),
    "check": Command(_check, "check what serve would do, and serve nobody"),
    "config": Command(_config, "print each option's value, and where it comes from"),
    "demo": Command(_demo, "serve the demo API"),
    "new": Command(_new, "write a service project"),
    "routes": Command(_routes, "print the routes of an app"),
    **{
        name: Command(functools.partial(operate, name), operation.help)
        for name, operation in OPERATIONS.items()
    },
    "top": Command(_top, "show the service live in this terminal"),
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
    from wsgisrv.served import checked, layout_of

    return start(Start(loaded, checked, layout_of, mutated, global_conf, _run_worker))


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
