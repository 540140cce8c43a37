"""How an option is declared: a dataclass field that says all that oslo.config needs to know of it.

Imports nothing of the project: ``config`` is the table that is made with it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

SERVER, WORKERS, SERVICE = "server", "workers", "service"
"""What an option is about: one API, so that each of several may have its own; a group of worker processes; or
the service as a whole.
"""

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB


def option(
    default: Any,
    help: str,
    *,
    min: float | None = None,
    max: float | None = None,
    choices: tuple[str, ...] | None = None,
    pattern: tuple[str, str] | None = None,
    metavar: str = "TEXT",
    is_list: bool = False,
    check: Callable[[tuple[str, ...]], str] | None = None,
    mutable: bool = False,
    scope: str = SERVER,
    at_start: bool = False,
) -> Any:
    """Declares one option: a dataclass field whose metadata is what oslo.config needs to know.

    Args:
        pattern: a regular expression that text has to match whole, and the same in words.
        is_list: of an option with several values, they are separated by commas; else it may be given
            more than once.
        check: of such an option; returns what is wrong with the values and what is allowed, "" for
            nothing.
        mutable: it changes in running processes, on HUP.
        scope: SERVER, WORKERS or SERVICE; a mutable one is of WORKERS or SERVICE.
        at_start: it is read when the master starts, and never again.
    """
    meta = {
        "help": help, "min": min, "max": max, "choices": choices, "pattern": pattern,
        "metavar": metavar, "is_list": is_list, "check": check, "mutable": mutable,
        "scope": scope, "at_start": at_start,
    }  # fmt: skip
    return dataclasses.field(default=default, metadata=meta)
