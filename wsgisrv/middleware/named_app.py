"""``egg:wsgisrv#app``: an app that has no paste factory of its own.

    [app:api]
    use = egg:wsgisrv#app
    object = yourservice.wsgi:application

    [app:api]
    use = egg:wsgisrv#app
    factory = yourservice.wsgi:make_app
    database = sqlite:///%(here)s/service.sqlite

Rules: ``object`` is a WSGI callable, ``factory`` a function that returns one; of the section's other keys
each is an argument of the factory, as text. Both are ``module:name``, with dots in the name for what is
inside a class or an instance.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from typing import Any
from wsgiref.types import WSGIApplication

from wsgisrv.errors import ConfigError
from wsgisrv.middleware.local_conf import LocalConf, wrong

_NAME = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")


def app_factory(global_conf: Mapping[str, str], **local_conf: str) -> WSGIApplication:
    """Finds the app or makes it.

    Args:
        local_conf: ``object``, or ``factory`` and its arguments.

    Raises:
        ConfigError: when it is not there, or nothing that can be called.
    """
    arguments = dict(local_conf)
    factory = arguments.pop("factory", "")
    if not factory:
        target = LocalConf("app", local_conf, ("object", "factory")).text("object")
        if not target:
            raise ConfigError(
                "object is missing: allowed is object = module:name or factory = module:name"
            )
        app = find_object("object", target)
    elif "object" in arguments:
        raise ConfigError("object and factory are both there: allowed is one of them")
    else:
        app = find_object("factory", factory)(**arguments)
    where = f"factory = {factory}" if factory else f"object = {arguments['object']}"
    return checked_app(where, app)


def checked_app(where: str, app: Any) -> WSGIApplication:
    """Returns what was found or made.

    Raises:
        ConfigError: when it cannot be called.
    """
    if not callable(app):
        raise ConfigError(f"{where}: it is {type(app).__name__}, which is not a WSGI callable")
    return app  # type: ignore[no-any-return]


def find_object(key: str, target: str) -> Any:
    """Imports a module and returns an object in it.

    Args:
        key: that it is the value of.
        target: ``module:name``.

    Raises:
        ConfigError: when it is not there, or cannot be called. What the module raises is passed on.
    """
    module_name, _, name = target.partition(":")
    if not (_NAME.fullmatch(module_name) and _NAME.fullmatch(name)):
        raise wrong(key, target, "module:name")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        missing = error.name or ""
        if module_name == missing or module_name.startswith(f"{missing}."):
            raise ConfigError(f"{key} = {target}: there is no module {missing}") from None
        raise
    for part in name.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise ConfigError(f"{key} = {target}: {module_name} has no {name}") from None
    if not callable(found):
        raise ConfigError(f"{key} = {target}: it is {type(found).__name__}, which cannot be called")
    return found
