"""What a reload changes, in lines for the log: each option, its old value and its new one, and from when on.

Rules: pure. An option that is mutable holds at once, in the running processes; one that is read at the start
holds at the next one; all others hold with the new generation.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from wsgisrv.config import Settings
from wsgisrv.layout import Layout

_FIELDS = dataclasses.fields(Settings)


def changes(before: Layout, after: Layout) -> Iterator[str]:
    """Yields a line for each option that differs.

    Args:
        before: what runs.
        after: what was read.
    """
    said = set()
    for name, old, new in _differences(before.settings, after.settings):
        said.add(name)
        yield f"[wsgisrv] {_line(name, old, new)}"
    old_servers = {server.name: server.settings for server in before.servers}
    for server in after.servers:
        if not server.name:
            continue
        if server.name not in old_servers:
            yield f"[wsgisrv_{server.name}]: a new server"
            continue
        for name, old, new in _differences(old_servers[server.name], server.settings):
            inherited = name in said and new == getattr(after.settings, name)
            if not inherited:
                yield f"[wsgisrv_{server.name}] {_line(name, old, new)}"


def _differences(before: Settings, after: Settings) -> Iterator[tuple[str, Any, Any]]:
    for field in _FIELDS:
        old, new = getattr(before, field.name), getattr(after, field.name)
        if old != new:
            yield field.name, old, new


def _line(name: str, old: Any, new: Any) -> str:
    meta = next(field.metadata for field in _FIELDS if field.name == name)
    when = "with the new generation"
    if meta["mutable"]:
        when = "at once"
    elif meta["at_start"]:
        when = "at the next start"
    return f"{name}: {_text(old)} -> {_text(new)}, {when}"


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "nothing"
    return str(value) if value != "" else "nothing"
