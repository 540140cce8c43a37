"""PostgreSQL's drivers wait in the hub: ``make_psycopg_green``, which a worker's boot calls.

psycopg 3 reads PSYCOPG_WAIT_FUNC when it is imported, and ``wait_selector`` is the one of its ways to wait
that is Python, so that patching the standard library changes it. psycopg 2 has a callback for whoever waits,
which is set when the app imports it and not before: many apps never do.

Rules: what is interrupted closes its connection (psycopg 2 itself does; SQLAlchemy's pool does for psycopg
3), and the server goes on with the statement until it notices: ``statement_timeout`` bounds that.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from wsgisrv.blocking.green import is_green, wait_ready

_PSYCOPG2 = "psycopg2"
_POLLIN, _POLLOUT = 0x001, 0x004  # poll(2); a patched select module has neither


def make_psycopg_green() -> None:
    """Has both drivers wait in the hub, whenever they are imported from now on.

    Runs in: a patched process, before the app is loaded; more than once does no harm.
    """
    os.environ.setdefault("PSYCOPG_WAIT_FUNC", "wait_selector")
    if _PSYCOPG2 in sys.modules:
        _set_callback()
    elif not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(importlib.abc.MetaPathFinder):
    """Sees the import of psycopg 2, once."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != _PSYCOPG2:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is None or spec.loader is None:
            sys.meta_path.insert(0, self)  # it may be installed later
            return None
        spec.loader = _Loader(spec.loader)
        return spec


class _Loader(importlib.abc.Loader):
    """Loads as the module's own loader does, and then sets the callback."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)  # what asks for the module's source or its files

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        _set_callback()


def _set_callback() -> None:
    from psycopg2 import extensions

    extensions.set_wait_callback(wait)


def wait(connection: Any) -> None:
    """Waits until the connection has done what it was asked to: psycopg 2's wait callback.

    Source: psycopg 2, "Support for coroutine libraries".
    """
    from psycopg2 import OperationalError, extensions

    while True:
        state = connection.poll()
        if state == extensions.POLL_OK:
            return
        if state not in (extensions.POLL_READ, extensions.POLL_WRITE):
            raise OperationalError(f"poll() returned {state}")
        _wait_ready(connection.fileno(), state == extensions.POLL_WRITE)


def _wait_ready(fd: int, for_writing: bool) -> None:
    if is_green():
        wait_ready(fd, for_writing=for_writing)
        return
    # A native thread, or a finalizer in the hub: eventlet's select() would not do for either.
    from eventlet import patcher

    poll = patcher.original("select").poll()
    poll.register(fd, _POLLOUT if for_writing else _POLLIN)
    poll.poll()
