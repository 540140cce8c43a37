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

from collections.abc import Mapping
from wsgiref.types import WSGIApplication

from wsgisrv.errors import ConfigError
from wsgisrv.middleware.local_conf import LocalConf
from wsgisrv.named import find_named


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
        app = find_named(f"object = {target}", target)
    elif "object" in arguments:
        raise ConfigError("object and factory are both there: allowed is one of them")
    else:
        app = find_named(f"factory = {factory}", factory)(**arguments)
    if not callable(app):
        where = f"factory = {factory}" if factory else f"object = {arguments['object']}"
        raise ConfigError(f"{where}: it is {type(app).__name__}, which is not a WSGI callable")
    return app  # type: ignore[no-any-return]
