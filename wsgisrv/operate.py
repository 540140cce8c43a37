"""The commands that speak to a running service: ``wsgisrv status`` and its siblings.

Rules: what is wrong with the command line is found before anybody is asked. Text for people by default,
one JSON document with ``--json``. Must not import the master.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
from collections.abc import Callable, Mapping, Sequence
from typing import NoReturn

from wsgisrv.control import (
    DEFAULT_RATE,
    LEVELS,
    MOST_PROFILE_SECONDS,
    MOST_RATE,
    MOST_WORKERS,
    Fields,
)
from wsgisrv.control_client import ask, find_socket
from wsgisrv.errors import UsageError
from wsgisrv.flame import check_output, default_name, save, summary
from wsgisrv.options import load
from wsgisrv.report import dump_text, status_text


class _Parser(argparse.ArgumentParser):
    """One that raises instead of writing several lines and exiting."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


def _workers(text: str) -> int:
    if text.isdecimal() and len(text) <= 4 and 1 <= int(text) <= MOST_WORKERS:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r}: a whole number from 1 to {MOST_WORKERS}")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if 0 <= seconds <= 86400:
        return seconds
    raise argparse.ArgumentTypeError(f"{text!r}: seconds from 0 to 86400")


@dataclasses.dataclass(frozen=True, slots=True)
class Operation:
    """One command.

    Args:
        help: one line.
        in_words: makes text of the answer.
        add: adds what the command takes to its parser.
        local: names of what is for ``in_words`` alone, which finds it in the answer.
    """

    help: str
    in_words: Callable[[Fields], str]
    add: Callable[[argparse.ArgumentParser], object] = lambda _parser: None
    local: tuple[str, ...] = ()


def _add_level(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("level", choices=LEVELS, metavar="LEVEL", help=", ".join(LEVELS))
    parser.add_argument("logger", nargs="?", default="", metavar="LOGGER", help="default: all")


def _add_workers(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("workers", type=_workers, metavar="N", help=f"1 to {MOST_WORKERS}")
    parser.add_argument(
        "--server",
        default="",
        metavar="NAME",
        help="whose, where servers have workers of their own",
    )


def _add_profile(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("worker", type=_worker, metavar="WORKER", help="its number in status")
    parser.add_argument(
        "--seconds", type=_profile_seconds, default=10.0, metavar="SECONDS", help="default: 10"
    )
    parser.add_argument(
        "--rate",
        type=_rate,
        default=DEFAULT_RATE,
        metavar="N",
        help=f"samples a second, 1 to {MOST_RATE}; default: {DEFAULT_RATE}",
    )
    parser.add_argument(
        "--output",
        default="",
        metavar="FILE",
        help="a new file, .json (speedscope) or .svg; default: one in this directory. Not with --json",
    )


def _worker(text: str) -> int:
    if text.isdecimal() and len(text) < 10:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r}: the number of a worker")


def _rate(text: str) -> int:
    if text.isdecimal() and len(text) <= 4 and 1 <= int(text) <= MOST_RATE:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r}: a whole number from 1 to {MOST_RATE}")


def _profile_seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if 0.1 <= seconds <= MOST_PROFILE_SECONDS:
        return seconds
    raise argparse.ArgumentTypeError(f"{text!r}: seconds from 0.1 to {MOST_PROFILE_SECONDS}")


def _save_profile(answer: Fields) -> str:
    path = answer["output"] or default_name(answer["worker"])
    save(answer, path)
    return summary(answer, path)


def _of(servers: Sequence[str]) -> str:
    return f" of {', '.join(servers)}" if servers else ""


OPERATIONS: Mapping[str, Operation] = {
    "status": Operation("say how the service and each worker stand", status_text),
    "reload": Operation(
        "start a new generation and wait until it serves",
        lambda answer: f"generation {answer['generation']} serves",
    ),
    "upgrade": Operation(
        "run the master anew, from disk, and wait until it serves",
        lambda answer: f"the new master, pid {answer['pid']}, serves",
    ),
    "stop": Operation(
        "stop the service and wait until it is gone",
        lambda answer: f"stopped (master pid {answer['pid']})",
        lambda parser: parser.add_argument(
            "--now", action="store_true", help="do not wait for running requests"
        ),
    ),
    "scale": Operation(
        "run another number of workers",
        lambda answer: f"workers wanted{_of(answer['servers'])}: {answer['workers']}",
        _add_workers,
    ),
    "dump": Operation("show every worker's stacks, with the requests that they run", dump_text),
    "profile": Operation(
        "write a flame graph of what a worker does", _save_profile, _add_profile, ("output",)
    ),
    "logs-reopen": Operation("reopen the log files", lambda _answer: "log files reopened"),
    "log-level": Operation(
        "change what is logged, in the master and every worker",
        lambda answer: f"log level of {answer['logger'] or 'all'}: {answer['level']}",
        _add_level,
    ),
}


def operate(name: str, args: Sequence[str], program: str = "wsgisrv") -> int:
    """Runs one command of OPERATIONS.

    Args:
        args: behind the command's name.
        program: whose command it is.

    Returns:
        0.

    Raises:
        WsgisrvError: for whatever else comes out of it.
        SystemExit: with code 0, after the help was printed.
    """
    operation = OPERATIONS[name]
    found = vars(parser_of(name, program).parse_args(args))
    as_json, seconds = found.pop("json"), found.pop("timeout")
    check_output(found.get("output", ""))
    path = find_socket(socket_option(found), os.environ)
    local = {key: found.pop(key) for key in operation.local}
    answer = ask(path, {"command": name, **found}, seconds=seconds)
    print(json.dumps(answer) if as_json else operation.in_words({**answer, **local}))
    return 0


def parser_of(name: str, program: str = "wsgisrv") -> argparse.ArgumentParser:
    """Returns what reads the command line of one command of OPERATIONS."""
    operation = OPERATIONS[name]
    parser = client_parser(f"{program} {name}", operation.help)
    operation.add(parser)
    parser.add_argument("--json", action="store_true", help="answer with a JSON document")
    parser.add_argument(
        "--timeout", type=_seconds, metavar="SECONDS", help="wait no longer for the outcome"
    )
    return parser


def client_parser(prog: str, help: str) -> argparse.ArgumentParser:
    """Returns the parser of a command that speaks to a running service, with what says which one.

    Args:
        help: one line.
    """
    parser = _Parser(prog=prog, description=f"{help[0].upper()}{help[1:]}.", allow_abbrev=False)
    parser.add_argument("--control-socket", metavar="PATH", help="of the service")
    for flag, metavar in (("--config-file", "PATH"), ("--config-dir", "DIR")):
        parser.add_argument(
            flag, action="append", default=[], metavar=metavar, help="of the service's options"
        )
    return parser


def socket_option(found: Fields) -> str:
    """Returns ``control_socket`` as the service has it, and takes what names it out of ``found``."""
    args = []
    for name in ("config_file", "config_dir"):
        args += [f"--{name.replace('_', '-')}={path}" for path in found.pop(name)]
    if (named := found.pop("control_socket")) is not None:
        return str(named)
    return load(args, prog="wsgisrv").settings.control_socket
