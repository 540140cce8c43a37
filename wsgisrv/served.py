"""What a configuration would serve: its servers with their addresses and apps, or why it cannot.

Rules: nothing is bound and no app imported. Must not import eventlet or webob.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Sequence

from wsgisrv.deploy import check_readable, source_of
from wsgisrv.errors import UsageError
from wsgisrv.layout import Layout
from wsgisrv.master.inherited import choose_addresses
from wsgisrv.master.reloads import check_workers
from wsgisrv.options import Loaded

_LOG = logging.getLogger("wsgisrv")

Inherited = Sequence[tuple[str, str]]
"""Address and name of each socket that was handed over."""


def layout_of(found: Loaded, inherited: Inherited) -> Layout:
    """Returns the layout, unchecked.

    Args:
        inherited: takes the place of the default. Where there are several servers, each names its own.

    Raises:
        ConfigError: for the name of a socket that was not handed over.
    """
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


def checked(found: Loaded, inherited: Inherited) -> Layout:
    """Returns the layout of a service that can be served, at the start and on every reload.

    Raises:
        UsageError: when there is nothing to serve.
        ConfigError: when a paste file cannot be read, or the servers want too many workers together.
    """
    for warning in found.warnings:
        _LOG.warning("%s", warning)
    layout = layout_of(found, inherited)
    check_apps(layout, "serve")
    for server in layout.servers:
        check_readable(server.settings)
    check_workers(layout)
    return layout


def check_apps(layout: Layout, command: str) -> None:
    """Sees that every server has an app.

    Args:
        command: for the example in the message.

    Raises:
        UsageError: when one has none.
    """
    for server in layout.servers:
        if source_of(server.settings) is None:
            what = f" for {server.name}" if server.name else ""
            raise UsageError(
                f"nothing to {command}{what}: name a paste file, as in: wsgisrv {command} api-paste.ini,"
                " or --app module:name"
            )
