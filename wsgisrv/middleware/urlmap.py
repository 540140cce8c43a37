"""``egg:wsgisrv#urlmap``: a paste composite that gives each path prefix to an app.

Rules: the longest prefix wins; it matches whole segments only (``/v1`` serves ``/v1`` and ``/v1/x``, never
``/v10``) and moves from PATH_INFO to SCRIPT_NAME. Anything else is a 404.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from wsgisrv.errors import ConfigError
from wsgisrv.middleware.document import refuse


def urlmap_factory(
    loader: Any, global_conf: Mapping[str, str], **local_conf: str
) -> WSGIApplication:
    """Makes the composite; each key is a path, each value the app's name in the paste file.

    Raises:
        ConfigError: for a key that is no path.
    """
    apps = {}
    for path, name in local_conf.items():
        if not path.startswith("/"):
            raise ConfigError(f"{path} = {name}: a path begins with /")
        apps[path.rstrip("/")] = loader.get_app(name, global_conf=global_conf)
    return URLMap(apps)


class URLMap:
    """Args:
    apps: by prefix without a trailing slash; "" takes what no other one does.
    """

    def __init__(self, apps: Mapping[str, WSGIApplication]) -> None:
        self.apps = sorted(apps.items(), key=lambda item: -len(item[0]))

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Calls the app of the longest prefix."""
        path = environ.get("PATH_INFO", "")
        if path == "*":  # OPTIONS *, which asks about the whole server (RFC 9110 9.3.7)
            start_response("204 No Content", [("Allow", "OPTIONS")])
            return []
        for prefix, app in self.apps:
            if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("", "/"):
                if prefix:
                    environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + prefix
                    environ["PATH_INFO"] = path[len(prefix) :]
                return app(environ, start_response)
        return refuse(environ, start_response, 404, "no such path")
