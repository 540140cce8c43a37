"""What an app has loaded that is known to block the hub: modules, and what was taken before the patching.

Rules: reads the namespaces of modules and runs nothing of an app's. Looks past the standard library, eventlet
and this package, which know what they do. Runs in: the child that loads the app.
"""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Any

from wsgisrv.blocking.remedies import REMEDIES, Remedy, remedy_for

Finding = dict[str, str]

_TRUSTED = {*sys.stdlib_module_names, "eventlet", "greenlet", "wsgisrv"}
_ORIGINAL = "__original_module_"  # how eventlet names what it loads a second time, unpatched

_FUNCTIONS = {
    "time.sleep", "select.select", "select.poll", "select.epoll", "_thread.allocate_lock",
    "_thread.start_new_thread",
}  # fmt: skip
"""In C, where what the patching puts in their places is Python: so name and module tell them apart."""

_LOCKS = {"lock", "RLock"}  # of _thread


def find_blocking() -> list[Finding]:
    """Returns each as ``module``, ``found`` in words and ``remedy``, by the module's name."""
    found = [*_loaded(), *_waiting_in_c(), *_held()]
    return sorted(found, key=lambda finding: (finding["module"], finding["found"]))


def _loaded() -> Iterator[Finding]:
    for remedy in REMEDIES:
        if remedy.served_by in sys.modules:
            continue
        names = [name for name in remedy.modules if name in sys.modules]
        for name in names if remedy.when_loaded else ():
            if not name.startswith("_") or name[1:] not in names:
                yield _finding(name, "is loaded", remedy)


def _waiting_in_c() -> Iterator[Finding]:
    """Yields the drivers of PostgreSQL that would wait elsewhere than in the hub."""
    extensions = sys.modules.get("psycopg2.extensions")
    if extensions is not None and extensions.get_wait_callback() is None:
        yield _finding("psycopg2", "is loaded, without a wait callback", remedy_for("psycopg2"))
    wait = getattr(sys.modules.get("psycopg.waiting"), "wait", None)
    name = getattr(wait, "__name__", "wait_selector")
    if name != "wait_selector":
        yield _finding("psycopg", f"is loaded, and waits by {name}()", remedy_for("psycopg"))


def _held() -> Iterator[Finding]:
    for module_name, module in list(sys.modules.items()):
        top = module_name.partition(".")[0]
        if top in _TRUSTED or top.startswith(_ORIGINAL):
            continue
        for name, value in list(getattr(module, "__dict__", {}).items()):
            if what := _what(value):
                yield _finding(
                    module_name, f"has {name}, {what} of before the patching", _of(value)
                )


def _what(value: Any) -> str:
    """Returns what a value is that the patching came too late for; empty for anything else."""
    if isinstance(value, types.BuiltinFunctionType):
        name = f"{value.__module__}.{value.__name__}"
        return f"the {name}()" if name in _FUNCTIONS else ""
    if isinstance(value, type):
        return "the class socket.socket" if _is_plain_socket(value) else ""
    if _is_plain_lock(value):
        return "a lock"
    return "a socket" if _is_plain_socket(type(value)) else ""


def _is_plain_socket(kind: type) -> bool:
    module = kind.__module__  # which a class may make anything of
    is_socket = isinstance(module, str) and module.removeprefix(_ORIGINAL) == "socket"
    return is_socket and kind.__name__ == "socket"


def _is_plain_lock(value: Any) -> bool:
    return type(value).__module__ == "_thread" and type(value).__name__ in _LOCKS


def _of(value: Any) -> Remedy | None:
    if isinstance(value, types.BuiltinFunctionType):
        return remedy_for(f"{value.__module__}.{value.__name__}")
    return remedy_for("_thread" if _is_plain_lock(value) else "socket")


def _finding(module: str, found: str, remedy: Remedy | None) -> Finding:
    return {"module": module, "found": found, "remedy": remedy.text if remedy else ""}
