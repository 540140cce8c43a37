"""``wsgisrv check``: what ``serve`` would do with the same arguments, without doing it.

Rules: looks at everything and says all that is wrong, not the first alone. Serves nobody, binds an address
for a moment only if it is free, and never touches a unix socket's file or a running service. The app is
loaded as a worker loads it, in a child of its own.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

from oslo_config import cfg

from wsgisrv import logs
from wsgisrv.check.addresses import check_addresses
from wsgisrv.check.app import check_app
from wsgisrv.check.report import check_text
from wsgisrv.config import Settings
from wsgisrv.deploy import check_readable, split_config
from wsgisrv.errors import UsageError, WsgisrvError, first_line
from wsgisrv.layout import Layout, ServerSettings
from wsgisrv.master.cpus import usable_cpus
from wsgisrv.master.reloads import check_workers
from wsgisrv.options import load
from wsgisrv.tls import TlsFiles

Problems = list[dict[str, Any]]

_OWN = [
    cfg.StrOpt(
        "paste_ini",
        positional=True,
        required=False,
        metavar="PASTE_INI[#APP]",
        help="Paste file to check and the section in it, main by default.",
    ),
    cfg.BoolOpt(
        "imports",
        default=False,
        help="Also list what the app has loaded that is known to block the hub, and what serves instead.",
    ),
    cfg.BoolOpt("json", default=False, help="Answer with a JSON document."),
]


def run_check(args: Sequence[str]) -> int:
    """Runs the command.

    Args:
        args: behind its name: those of ``serve``, ``--imports``, ``--json``.

    Returns:
        0 when it would serve, else the exit code with which ``serve`` would end.

    Raises:
        WsgisrvError: for options that cannot be read at all.
    """
    found = load(
        args,
        prog="wsgisrv check",
        usage="wsgisrv check [PASTE_INI[#APP]] [--imports] [--json] [options]",
        description="Check configuration, TLS files, addresses and app as 'wsgisrv serve' would use them.",
        own=_OWN,
    )
    settings = found.settings
    if found.extra["paste_ini"]:
        settings = dataclasses.replace(settings, paste_config=found.extra["paste_ini"])
    layout = Layout.of(settings, found.sections) if found.sections else Layout.single(settings)
    for server in layout.servers:
        if not server.settings.paste_config:
            what = f" for {server.name}" if server.name else ""
            raise UsageError(
                f"nothing to check{what}: name a paste file, as in: wsgisrv check api-paste.ini"
            )
    logs.setup(settings.log_level)
    answer = examine(layout, with_imports=found.extra["imports"])
    answer["warnings"] = list(found.warnings)
    print(json.dumps(answer) if found.extra["json"] else check_text(answer))
    return int(answer["exit_code"])


def examine(layout: Layout, *, with_imports: bool) -> dict[str, Any]:
    """Returns what would run and what is wrong with it, as plain values.

    What is known of one server stands with the rest, that of servers with names in a list, ``servers``.
    """
    problems: Problems = []
    try:
        check_workers(layout)
    except WsgisrvError as error:
        note(problems, error)
    servers = [
        _examine_server(server, problems, with_imports=with_imports) for server in layout.servers
    ]
    found = {
        "ok": not problems,
        "exit_code": problems[0]["exit_code"] if problems else 0,
        "problems": problems,
        "workers": sum(group.settings.workers or usable_cpus() for group in layout.groups),
        "cpu_workers": layout.settings.cpu_workers,
    }
    return {**found, **servers[0]} if not layout.settings.servers else {**found, "servers": servers}


def _examine_server(
    server: ServerSettings, problems: Problems, *, with_imports: bool
) -> dict[str, Any]:
    settings, own = server.settings, Problems()
    path, section = split_config(settings.paste_config)
    tls = _tls(settings, own)
    addresses = check_addresses(settings, own)
    app: Mapping[str, Any] = {}
    try:
        check_readable(settings.paste_config)
        app = check_app(settings, with_imports=with_imports)
    except WsgisrvError as error:
        note(own, error)
    label = f"{server.name}: " if server.name else ""
    problems += [{**problem, "text": label + problem["text"]} for problem in own]
    named = {"name": server.name} if server.name else {}
    return {
        **named,
        "paste_config": path,
        "section": section,
        "app": dict(app),
        "addresses": addresses,
        "tls": tls,
    }


def note(problems: Problems, error: WsgisrvError) -> None:
    """Adds what ``serve`` would end with."""
    problems.append({"text": first_line(error), "exit_code": error.exit_code})


def _tls(settings: Settings, problems: Problems) -> list[str]:
    try:
        TlsFiles(settings)
    except WsgisrvError as error:
        note(problems, error)
    return list(settings.tls_certificate)
