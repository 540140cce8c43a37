"""A path that has moved: the controller of ``Router.redirect``.

Rules: Location is a path below where the API is mounted, or the URL that was declared; the Host of a request
stands nowhere in it, and no argument of the path can make another host of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import routes.route
from webob import exc

from wsgisrv.api.request import Request
from wsgisrv.api.route_checks import wrong_path
from wsgisrv.errors import ConfigError

MOVING = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
"""The methods that are redirected, unless others are named."""

_STATUSES = (301, 302, 303, 307, 308)


class Redirect:
    """Args:
    place: ``file:line`` of the declaration.
    path: that has moved.
    destination: as for ``Router.redirect``.
    code: status line.

    Raises:
        ConfigError: when the status is none of a redirect.
    """

    def __init__(self, place: str, path: str, destination: str, code: str) -> None:
        self._where = f"{place}: {path}: the redirect to {destination!r}"
        number = str(code)[:3]
        if number not in map(str, _STATUSES):
            known = ", ".join(map(str, _STATUSES))
            raise ConfigError(
                f"{self._where}: no status of a redirect: {code!r}; there are {known}"
            )
        is_url = isinstance(destination, str) and "://" in destination
        if complaint := wrong_path(destination, may_lack_slash=is_url):
            raise ConfigError(f"{self._where}: {complaint}")
        self.destination = destination
        self.status = number
        self._kind = exc.status_map[int(number)]
        self._route = routes.route.Route(None, destination, _static=True, _explicit=True)

    def check(self, arguments: Iterable[str]) -> None:
        """Checks that the path has the arguments of the destination.

        Raises:
            ConfigError: when it has not.
        """
        for name in sorted(self._route.minkeys - self._route.dotkeys - {*arguments}):
            raise ConfigError(f"{self._where}: {name!r} is no variable of the path")

    def redirect(self, request: Request, **arguments: Any) -> None:
        """Sends the client there; what the destination does not have of the arguments is its query."""
        given = {name: value for name, value in arguments.items() if value is not None}
        place = self._route.generate(**given)
        if not place:
            raise exc.HTTPNotFound(f"no {request.path} any more")
        if not self._route.external:
            place = path_in(request.environ, place)
        raise self._kind(location=place)


def path_in(environ: dict[str, Any], path: str) -> str:
    """Returns where a path of the app is, as a reference without host.

    Args:
        path: as in a URL, with a slash at its beginning.
    """
    place = quote(environ.get("SCRIPT_NAME", "").encode("latin-1")) + path
    # Two slashes would begin the name of another host (RFC 3986, 4.2).
    return f"/.{place}" if place.startswith("//") else place
