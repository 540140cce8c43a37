"""A client for tests: calls an app without sockets, under WebTest's lint.

Rules: needs WebTest (``pip install 'wsgisrv[testing]'``). Any WSGI app will do; what this adds to
``webtest.TestApp`` is the service's: microversions, JSON, the error document.

    client = Client(app, service_type="shelf")
    book = client.post_json("/v1/books", {"title": "t", "author": "a"}, status=201).json
    client.at("1.2").get(f"/v1/books/{book['id']}/loans")
    assert client.errors(client.get("/v1/books?limit=-1", status=400)) == ["?limit: ..."]
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from wsgiref.types import WSGIApplication

try:
    import webtest
except ImportError:
    raise ImportError("the test client needs WebTest: pip install 'wsgisrv[testing]'") from None

from wsgisrv.api.microversions import HEADER


class Client(webtest.TestApp):  # type: ignore[misc]
    """As webtest.TestApp: ``get``, ``post_json``, ``put_json``, ``patch_json``, ``delete``, ``options``.

    Args:
        app: that is called.
        service_type: in front of microversions.
        version: that every request asks for; "" for the API's first.
        headers: that every request has.
    """

    def __init__(
        self,
        app: WSGIApplication,
        *,
        service_type: str = "",
        version: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        environ = {f"HTTP_{k.upper().replace('-', '_')}": v for k, v in (headers or {}).items()}
        if version:
            key = f"HTTP_{HEADER.upper().replace('-', '_')}"
            environ[key] = f"{service_type} {version}".strip()
        super().__init__(app, extra_environ=environ)
        self._service_type, self._version, self._headers = service_type, version, headers or {}

    def at(self, version: str) -> Client:
        """Returns a client whose requests ask for another microversion."""
        return Client(
            self.app, service_type=self._service_type, version=version, headers=self._headers
        )

    def as_user(self, user_id: str, project_id: str = "", roles: str = "") -> Client:
        """Returns a client whose requests say who asks, as a token filter would say it.

        Args:
            roles: separated by commas.
        """
        identity = {"X-User-Id": user_id, "X-Project-Id": project_id, "X-Roles": roles}
        return Client(
            self.app,
            service_type=self._service_type,
            version=self._version,
            headers={**self._headers, **identity},
        )

    @staticmethod
    def errors(response: Any) -> list[str]:
        """Returns the details of an error document, of either kind.

        Raises:
            AssertionError: when it is none, or does not say its request's id.
        """
        document = response.json
        if "errors" in document and response.content_type == "application/json":
            ids = {error["request_id"] for error in document["errors"]}
            if ids != {response.headers["X-OpenStack-Request-ID"]}:
                raise AssertionError(f"not the request's own id: {ids}")
            return [error["detail"] for error in document["errors"]]
        if response.content_type != "application/problem+json":
            raise AssertionError(f"no error document: {response}")
        return [document["detail"]]
