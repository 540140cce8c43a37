"""Finding what is named ``module:callable``, with dots in the second part for what is inside a class.

Rules: imports the module, so it is called in a worker, after the patching. Whatever is wrong with the name is
one line; what the module raises while it is imported is its own.
"""

from __future__ import annotations

import importlib
import os
import re
import sys
from typing import Any

from wsgisrv.errors import ConfigError

_NAME = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")


def is_named(target: str) -> bool:
    """Whether ``target`` has the form ``module:callable``."""
    module, _, name = target.partition(":")
    return bool(_NAME.fullmatch(module) and _NAME.fullmatch(name))


def look_here() -> None:
    """Has modules looked for in the working directory, too.

    Last of all: a file there takes the place of no module that is installed.
    """
    if (directory := os.getcwd()) not in sys.path:
        sys.path.append(directory)


def find_named(what: str, target: str) -> Any:
    """Returns what ``target`` names.

    Args:
        what: stands in front of the error, as ``key = value``.

    Raises:
        ConfigError: when it is not there, or cannot be called.
    """
    if not is_named(target):
        raise ConfigError(f"{what}: allowed is module:name")
    module_name, _, name = target.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if module_name == missing or module_name.startswith(f"{missing}."):
            raise ConfigError(f"{what}: there is no module {missing}") from None
        raise
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise ConfigError(f"{what}: {module_name} has no {name}") from None
    if not callable(found):
        raise ConfigError(f"{what}: it is {type(found).__name__}, which cannot be called")
    return found
