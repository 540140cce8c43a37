"""The versions document: what ``GET /`` of a service says, and ``GET /v1`` of one version.

Source: the API-SIG's version discovery. ``min_version`` and ``max_version`` (microversions) stand in the
document of a version that has them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any
from wsgiref.types import WSGIApplication

from webob import exc

from wsgisrv.api.app import API
from wsgisrv.api.request import Request
from wsgisrv.api.router import Router


@dataclasses.dataclass(frozen=True, slots=True)
class Version:
    """One version of an API.

    Args:
        version_id: as in ``v1.0``.
        status: ``CURRENT``, ``SUPPORTED``, ``DEPRECATED`` or ``EXPERIMENTAL``.
        path: where it is served, below the service's root: ``/v1/``.
        min_version: of its microversions, or "" when it has none.
        max_version: likewise.
    """

    version_id: str
    status: str
    path: str
    min_version: str = ""
    max_version: str = ""

    def document(self, href: str) -> dict[str, Any]:
        """Returns the version as JSON has it.

        Args:
            href: the URL under which this client reaches the version.
        """
        document: dict[str, Any] = {
            "id": self.version_id,
            "status": self.status,
            "links": [{"rel": "self", "href": href}],
        }
        if self.max_version:
            document |= {"min_version": self.min_version, "max_version": self.max_version}
        return document


class OneVersion:
    """Controller of ``GET`` on the root of one version.

    Args:
        version: that is served there.
    """

    def __init__(self, version: Version) -> None:
        self._version = version

    def show(self, request: Request) -> dict[str, Any]:
        """The version, with the link that led here."""
        return {"version": self._version.document(f"{request.application_url}/")}


class _Versions:
    def __init__(self, versions: Sequence[Version], documented: Version | None) -> None:
        self._versions = versions
        self._documented = documented

    def index(self, request: Request) -> dict[str, Any]:
        root = str(request.application_url)
        return {"versions": [version.document(root + version.path) for version in self._versions]}

    def documentation(self, request: Request, name: str) -> None:
        version = self._documented
        if version is not None:
            place = f"{request.application_url}{version.path}{name}"
            raise exc.HTTPTemporaryRedirect(location=place)


def versions_app(
    versions: Sequence[Version], *, documented: Version | None = None
) -> WSGIApplication:
    """Returns a WSGI app that answers ``GET /`` with the versions document.

    Args:
        documented: the version whose documentation ``/openapi.json`` and ``/docs`` lead to.
    """
    router = Router()
    controller = _Versions(versions, documented)
    router.connect("/", controller=controller, action="index", methods=["GET"])
    if documented is not None:
        path = r"/{name:openapi\.json|docs}"
        router.connect(path, controller=controller, action="documentation", methods=["GET"])
    return API(router)
