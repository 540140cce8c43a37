"""``wsgisrv check``: what ``serve`` would do with the same arguments, without doing it.

Rules: looks at everything and says all that is wrong, not the first alone. Serves nobody, binds an address
for a moment only if it is free, and never touches a unix socket's file or a running service. The app is
loaded as a worker loads it, in a child of its own.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from oslo_config import cfg

from wsgisrv import logs
from wsgisrv.app_child import LoadedApp, ask_app
from wsgisrv.check.addresses import check_addresses, is_named
from wsgisrv.check.report import check_text
from wsgisrv.config import Settings
from wsgisrv.deploy import check_readable, source_of
from wsgisrv.errors import ConfigError, WsgisrvError, first_line
from wsgisrv.layout import Layout, ServerSettings
from wsgisrv.master.admin_listener import check_admin
from wsgisrv.master.cpus import usable_cpus
from wsgisrv.master.inherited import inherited_listeners
from wsgisrv.master.reloads import check_workers
from wsgisrv.options import PASTE_INI, Loaded, load
from wsgisrv.served import Inherited, check_apps, layout_of
from wsgisrv.tls import TlsFiles

Problems = list[dict[str, Any]]

OWN = [
    PASTE_INI,
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
        usage="wsgisrv check [PASTE_INI[#APP] | --app MODULE:NAME] [--imports] [--json] [options]",
        description="Check configuration, TLS files, addresses and app as 'wsgisrv serve' would use them.",
        own=OWN,
    )
    return check_found(found, with_imports=found.extra["imports"], as_json=found.extra["json"])


def check_found(found: Loaded, *, with_imports: bool, as_json: bool) -> int:
    """Checks a configuration, and prints what there is to say.

    Returns:
        As ``run_check``.

    Raises:
        UsageError: when it names no app.
    """
    problems: Problems = []
    layout = _layout(found, inherited_listeners(os.environ), problems)
    check_apps(layout, "check")
    logs.setup(found.settings.log_level)
    answer = examine(layout, problems, with_imports=with_imports)
    for problem in problems:
        problem["text"] = found.locate(problem["text"])
    answer["warnings"] = list(found.warnings)
    print(json.dumps(answer) if as_json else check_text(answer))
    return int(answer["exit_code"])


def _layout(found: Loaded, inherited: Inherited, problems: Problems) -> Layout:
    """Returns the layout. A socket that systemd names is there when the service starts, if not here: where no
    socket is handed over, each name counts as one that will be.
    """
    if inherited:
        try:
            return layout_of(found, inherited)
        except ConfigError as error:
            note(problems, error)
    binds = [found.settings.bind, *(section.get("bind", ()) for section in found.sections.values())]
    named = {address for bind in binds for address in bind if is_named(address)}
    expected = [(address, address.removeprefix("fd://")) for address in sorted(named)]
    return layout_of(found, [*inherited, *expected])


def examine(layout: Layout, problems: Problems, *, with_imports: bool) -> dict[str, Any]:
    """Returns what would run and what is wrong with it, as plain values, and adds that to ``problems``.

    What is known of one server stands with the rest, that of servers with names in a list, ``servers``.
    """
    for look in (_look_at_admin, check_workers):
        try:
            look(layout)
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


def _look_at_admin(layout: Layout) -> None:
    check_admin(layout.settings)


def _examine_server(
    server: ServerSettings, problems: Problems, *, with_imports: bool
) -> dict[str, Any]:
    settings, own = server.settings, Problems()
    source = source_of(settings)
    tls = _tls(settings, own)
    addresses = check_addresses(settings, own)
    app: Mapping[str, Any] = {}
    try:
        check_readable(settings)
        app = ask_app(settings, lambda loaded: _describe(loaded, with_imports))
    except WsgisrvError as error:
        note(own, error)
    label = f"{server.name}: " if server.name else ""
    problems += [{**problem, "text": label + problem["text"]} for problem in own]
    named = {"name": server.name} if server.name else {}
    return {
        **named,
        "source": str(source),
        "app": dict(app),
        "addresses": addresses,
        "tls": tls,
    }


def _describe(loaded: LoadedApp, with_imports: bool) -> dict[str, Any]:
    """Runs in: a child, where the app was loaded."""
    from wsgisrv.check.imports import find_blocking

    kind = type(loaded.app)
    return {
        "hub": loaded.hub,
        "seconds": round(loaded.seconds, 3),
        "app": f"{kind.__module__}.{kind.__qualname__}",
        "imports": find_blocking() if with_imports else None,
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
