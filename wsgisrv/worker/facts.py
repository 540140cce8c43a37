"""What a dump tells of a worker besides stacks: places, descriptors, memory, options.

Rules: values of options whose names or texts may be secrets are masked; of objects only types are told. Runs
in: hub, or the watchdog's thread while the hub stands.

Facts about what it costs: a dump stops the hub for 0.15 s for each million objects that the app has made,
most of it the search for greenlets (wsgisrv.worker.stacks), and for half a second while tracemalloc is on.
"""

from __future__ import annotations

import collections
import dataclasses
import gc
import os
import re
import resource
import tracemalloc
from collections.abc import Iterable
from typing import Any

from wsgisrv.blocking.threads import thread_figures
from wsgisrv.config import Settings

_MOST_OBJECTS = 500_000
"""Counted; that takes 28 ms, and to find them 26 ms for each million that there are."""

_NAMED = 12
_MOST_TRACES_BYTES = 8 * 1024**2
"""Of tracemalloc's own memory: 140,000 blocks, whose snapshot takes 0.46 s; 32 MiB took 1.75 s."""

_SECRET_NAME = re.compile("password|secret|token")
_USERINFO = re.compile(r"(://[^/@\s:]*):[^/@\s]*@")
_DEFAULTS = Settings()


def fds() -> dict[str, Any]:
    """Returns how many descriptors are open, of which kinds, and how many may be."""
    kinds: collections.Counter[str] = collections.Counter()
    try:
        names = os.listdir("/proc/self/fd")
    except OSError:
        names = []
    for name in names:
        try:
            link = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue  # the one that listed them
        kind, colon, _ = link.partition(":[")
        kinds[kind if colon else link if link.startswith("anon_inode:") else "file"] += 1
    return {
        "open": sum(kinds.values()),
        "limit": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "kinds": dict(kinds.most_common()),
    }


def memory() -> dict[str, Any]:
    """Returns which objects there are most of, of those made since the app was loaded."""
    objects = gc.get_objects()
    counted: collections.Counter[type] = collections.Counter(map(type, objects[:_MOST_OBJECTS]))
    found = [
        [f"{kind.__module__}.{kind.__qualname__}", count]
        for kind, count in counted.most_common(_NAMED)
    ]
    return {"objects": len(objects), "types": found, "allocations": _allocations()}


def _allocations() -> list[list[Any]]:
    """Returns the lines that hold most, in bytes, while tracemalloc is on."""
    if not tracemalloc.is_tracing() or tracemalloc.get_tracemalloc_memory() > _MOST_TRACES_BYTES:
        return []
    statistics = tracemalloc.take_snapshot().statistics("lineno")[:_NAMED]
    return [[str(found.traceback[0]), found.size] for found in statistics]


def threads() -> dict[str, int]:
    """Returns how the pool of ``in_thread`` stands."""
    found = thread_figures()
    if found is None:
        return {"threads": 0, "running": 0, "waiting": 0}
    return {"threads": found.threads, "running": found.running, "waiting": found.waiting}


def options(servers: Iterable[tuple[str, Settings]]) -> dict[str, dict[str, Any]]:
    """Returns, by server, each option that differs from its default, as JSON has it."""
    return {
        name: {
            field.name: masked(field.name, getattr(settings, field.name))
            for field in dataclasses.fields(settings)
            if getattr(settings, field.name) != getattr(_DEFAULTS, field.name)
        }
        for name, settings in servers
    }


def masked(name: str, value: Any) -> Any:
    """Returns an option's value without what may be a secret."""
    if _SECRET_NAME.search(name):
        return "***"
    if isinstance(value, tuple):
        return [masked(name, each) for each in value]
    return _USERINFO.sub(r"\1:***@", value) if isinstance(value, str) else value
