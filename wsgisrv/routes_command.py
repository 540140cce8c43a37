"""``wsgisrv routes``: the routes of the app that a paste file names, as a table or as JSON.

Rules: the app is loaded in a child, as a worker loads it, and nothing is bound. What the app prints while it
loads goes to stderr, so that stdout has the table alone.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from oslo_config import cfg

from wsgisrv import logs
from wsgisrv.config import Settings
from wsgisrv.deploy import check_readable
from wsgisrv.errors import BY_EXIT_CODE, BootError, UsageError, WsgisrvError, first_line
from wsgisrv.options import load
from wsgisrv.report import table

_COLUMNS = ("method", "path", "action", "versions", "schema")
_OWN = (
    cfg.StrOpt(
        "paste_ini",
        positional=True,
        required=False,
        metavar="PASTE_INI[#APP]",
        help="Paste file whose app is loaded, and the section in it, main by default.",
    ),
    cfg.BoolOpt("json", default=False, help="Print a JSON document."),
)


def print_routes(args: Sequence[str]) -> int:
    """Runs the command; returns the exit code.

    Raises:
        WsgisrvError: when the app cannot be loaded.
    """
    found = load(
        args,
        prog="wsgisrv routes",
        usage="wsgisrv routes [PASTE_INI[#APP]] [--json] [options]",
        description="Print the routes of an app written with wsgisrv.api.",
        own=_OWN,
    )
    logs.setup(found.settings.log_level)
    paste_config = found.extra["paste_ini"] or found.settings.paste_config
    if not paste_config:
        raise UsageError("no app: name a paste file, as in: wsgisrv routes api-paste.ini")
    check_readable(paste_config)
    settings = dataclasses.replace(found.settings, paste_config=paste_config)
    rows: list[dict[str, Any]] = in_child(lambda: _load_rows(settings))
    if found.extra["json"]:
        print(json.dumps({"routes": rows}, indent=2))
    elif not rows:
        print("no routes: nothing in the app is an API of wsgisrv.api")
    else:
        cells = [[_cell(row[name]) for name in _COLUMNS] for row in rows]
        print("\n".join(line.rstrip() for line in table(_COLUMNS, cells)))
    return 0


def in_child(work: Callable[[], Any]) -> Any:
    """Returns what ``work`` returns in a forked child; it has to be JSON.

    Raises:
        WsgisrvError: that ``work`` raised, or when the child dies.
    """
    sys.stdout.flush()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _run_child(work, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        text = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    try:
        answer: Mapping[str, Any] = json.loads(text)
    except ValueError:
        raise BootError(f"the process that loaded the app ended with {status}") from None
    if "failed" in answer:
        raise BY_EXIT_CODE.get(answer["exit_code"], BootError)(answer["failed"])
    return answer["result"]


def _run_child(work: Callable[[], Any], writing: int) -> None:
    """Answers through the pipe and ends, without running anything of the parent's."""
    try:
        os.dup2(2, 1)
        try:
            answer = {"result": work()}
        except WsgisrvError as error:
            answer = {"failed": str(error), "exit_code": error.exit_code}
        except BaseException as error:
            answer = {"failed": first_line(error), "exit_code": BootError.exit_code}
        with os.fdopen(writing, "w") as pipe:
            json.dump(answer, pipe)
        sys.stdout.flush()
    finally:
        os._exit(0)


def _load_rows(settings: Settings) -> list[dict[str, Any]]:
    """Runs in: a fresh child, where eventlet may be imported."""
    from wsgisrv.worker.boot import prepare

    prepare(settings)
    from wsgisrv.api.table import routes_of
    from wsgisrv.deploy import load_app

    app = load_app(settings.paste_config, {})
    return [dataclasses.asdict(row) for row in routes_of(app)]


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else " ".join(value)
