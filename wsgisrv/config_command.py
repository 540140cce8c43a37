"""``wsgisrv config``: each option's value as ``serve`` with the same arguments would have it, and its place.

Rules: nothing is opened but the configuration files. A password in a URL is never printed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from oslo_config import cfg

from wsgisrv.config import Settings
from wsgisrv.declared_options import FIELDS, group_of
from wsgisrv.errors import UsageError
from wsgisrv.layout import Layout
from wsgisrv.option import SERVICE, WORKERS
from wsgisrv.options import PASTE_INI, Loaded, load
from wsgisrv.places import DEFAULT, Place
from wsgisrv.report import table

OWN = (
    PASTE_INI,
    cfg.MultiStrOpt(
        "option",
        default=[],
        metavar="NAME",
        help="Only this option; may be given more than once.",
    ),
    cfg.BoolOpt("given", default=False, help="Leave out what is as it is by default."),
    cfg.BoolOpt("json", default=False, help="Answer with a JSON document."),
)

_PASSWORD = re.compile(r"(\w+://[^/@:\s]*:)[^/@\s]+@")


def print_config(args: Sequence[str]) -> int:
    """Runs the command; returns the exit code.

    Raises:
        WsgisrvError: for options that cannot be read.
    """
    found = load(
        args,
        prog="wsgisrv config",
        usage="wsgisrv config [PASTE_INI[#APP]] [--option NAME]... [--given] [--json] [options]",
        description="Print each option's value as 'wsgisrv serve' would have it, and where it comes from.",
        own=OWN,
    )
    wanted = [name.replace("-", "_") for name in found.extra["option"]]
    for name in wanted:
        if name not in FIELDS:
            raise UsageError(f"--option {name}: there is no such option")
    rows = [
        row
        for row in _rows(found)
        if (not wanted or row["option"] in wanted)
        and not (found.extra["given"] and row["from"][0].kind == DEFAULT)
    ]
    print(_document(rows, found) if found.extra["json"] else "\n".join(_text(rows, found)))
    return 0


def _rows(found: Loaded) -> Iterator[dict[str, Any]]:
    """Yields each option of [wsgisrv], then of each server those that it has for itself."""
    yield from _rows_of("", found.settings, found, list(FIELDS))
    if not found.sections:
        return
    layout = Layout.of(found.settings, found.sections)
    for server in layout.servers:
        own_workers = "workers" in found.sections[server.name]
        names = [
            name
            for name, field in FIELDS.items()
            if field.metadata["scope"] != SERVICE
            and (own_workers or field.metadata["scope"] != WORKERS)
        ]
        yield from _rows_of(server.name, server.settings, found, names)


def _rows_of(
    server: str, settings: Settings, found: Loaded, names: Sequence[str]
) -> Iterator[dict[str, Any]]:
    for name in names:
        value = getattr(settings, name)
        is_cleared = not value and value != getattr(found.settings, name)
        places = (Place(DEFAULT),) if server and is_cleared else found.places.of(name, server)
        yield {
            "section": group_of(server),
            "option": name,
            "value": _masked(value),
            "from": places,
        }


def _masked(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_masked(each) for each in value]
    return _PASSWORD.sub(r"\1***@", value) if isinstance(value, str) else value


def _document(rows: Sequence[dict[str, Any]], found: Loaded) -> str:
    sections: dict[str, dict[str, Any]] = {}
    for row in rows:
        places = [place.as_dict() for place in row["from"]]
        sections.setdefault(row["section"], {})[row["option"]] = {
            "value": row["value"], "from": places,
        }  # fmt: skip
    return json.dumps({"sections": sections, "warnings": list(found.warnings)}, indent=2)


def _text(rows: Sequence[dict[str, Any]], found: Loaded) -> Iterator[str]:
    for section in dict.fromkeys(row["section"] for row in rows):
        yield f"[{section}]"
        cells = [
            [row["option"], _in_words(row["value"]), ", ".join(map(str, row["from"]))]
            for row in rows
            if row["section"] == section
        ]
        yield from (line.rstrip() for line in table(("option", "value", "from"), cells))
    for warning in found.warnings:
        yield f"warning: {warning}"


def _in_words(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ", ".join(value) if isinstance(value, list) else str(value)
