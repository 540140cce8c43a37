"""``wsgisrv routes``: the routes of the app that a paste file names, as a table or as JSON.

Rules: the app is loaded in a child, as a worker loads it, and nothing is bound.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from oslo_config import cfg

from wsgisrv import logs
from wsgisrv.app_child import LoadedApp, ask_app
from wsgisrv.deploy import check_readable, source_of
from wsgisrv.errors import UsageError
from wsgisrv.options import PASTE_INI, load
from wsgisrv.report import table

_COLUMNS = ("method", "path", "action", "versions", "schema")
OWN = (
    PASTE_INI,
    cfg.BoolOpt("json", default=False, help="Print a JSON document, which has all that is known."),
    cfg.BoolOpt(
        "places", default=False, help="Add file and line of each declaration to the table."
    ),
)


def print_routes(args: Sequence[str]) -> int:
    """Runs the command; returns the exit code.

    Raises:
        WsgisrvError: when the app cannot be loaded.
    """
    found = load(
        args,
        prog="wsgisrv routes",
        usage="wsgisrv routes [PASTE_INI[#APP] | --app MODULE:NAME] [--json | --places] [options]",
        description="Print the routes of an app written with wsgisrv.api.",
        own=OWN,
    )
    settings = found.settings
    logs.setup(settings.log_level)
    if source_of(settings) is None:
        raise UsageError(
            "no app: name a paste file, as in: wsgisrv routes api-paste.ini, or --app module:name"
        )
    check_readable(settings)
    rows: list[dict[str, Any]] = ask_app(settings, _rows)
    if found.extra["json"]:
        print(json.dumps({"routes": rows}, indent=2))
    elif not rows:
        print("no routes: nothing in the app is an API of wsgisrv.api")
    else:
        columns = [
            *_COLUMNS,
            *(["condition"] if any(row["condition"] for row in rows) else []),
            *(["place"] if found.extra["places"] else []),
        ]
        cells = [[_cell(row[name]) for name in columns] for row in rows]
        print("\n".join(line.rstrip() for line in table(columns, cells)))
    return 0


def _rows(loaded: LoadedApp) -> list[dict[str, Any]]:
    """Runs in: a child, where the app was loaded."""
    from wsgisrv.api.table import routes_of

    return [dataclasses.asdict(row) for row in routes_of(loaded.app)]


def _cell(value: Any) -> str:
    """Returns the value as text on one line, whatever characters a path has."""
    text = value if isinstance(value, str) else " ".join(value)
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
