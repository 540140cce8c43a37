"""The versions document: what ``GET /`` of a service says (API-SIG, microversion specification)."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any
from wsgiref.types import WSGIApplication

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
    """

    version_id: str
    status: str
    path: str


class _Versions:
    def __init__(self, versions: Sequence[Version]) -> None:
        self._versions = versions

    def index(self, request: Request) -> dict[str, Any]:
        """Lists the versions with links that are good for this client."""
        root = str(request.application_url)
        return {
            "versions": [
                {
                    "id": version.version_id,
                    "status": version.status,
                    "links": [{"rel": "self", "href": root + version.path}],
                }
                for version in self._versions
            ]
        }


def versions_app(
    versions: Sequence[Version],
) -> WSGIApplication:
    """Returns a WSGI app that answers ``GET /`` with the versions document."""
    router = Router()
    router.connect("/", controller=_Versions(versions), action="index", methods=["GET"])
    return API(router)
