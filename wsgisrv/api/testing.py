"""A client for tests: calls an app without sockets, under WebTest's lint.

Rules: needs WebTest (``pip install 'wsgisrv[testing]'``). Any WSGI app will do; what this adds to
``webtest.TestApp`` is the service's: microversions, who asks, the error document, and the exception behind a
500 that no test expected.

    client = Client(app, service_type="shelf")
    book = client.post_json("/v1/books", {"title": "t", "author": "a"}, status=201).json
    client.at("1.2").get(f"/v1/books/{book['id']}/loans")
    assert client.errors(client.get("/v1/books?limit=-1", status=400)) == ["?limit: ..."]
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote
from wsgiref.types import WSGIApplication

try:
    import webtest
except ImportError:
    raise ImportError("the test client needs WebTest: pip install 'wsgisrv[testing]'") from None

from wsgisrv.api.microversions import ENVIRON_KEY

_OF_EACH_REQUEST = ("content-type", "content-length")


class Client(webtest.TestApp):  # type: ignore[misc]
    """As webtest.TestApp: ``get``, ``post_json``, ``put_json``, ``patch_json``, ``delete``, ``options``.

    A request whose status is not the expected one raises webtest.AppError; its cause is the exception that
    the app logged as a bug, if it did.

    Args:
        app: that is called.
        service_type: in front of microversions.
        version: that every request asks for; "" for the API's first.
        headers: that every request has.

    Raises:
        ValueError: for a header that each request has for itself.
    """

    def __init__(
        self,
        app: WSGIApplication,
        *,
        service_type: str = "",
        version: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(app, extra_environ=_environ_of(headers or {}))
        self._service_type = service_type
        if version:
            self.extra_environ[ENVIRON_KEY] = self._version_header(version)

    def at(self, version: str) -> Client:
        """Returns a client like this one whose requests ask for another microversion."""
        return self._with({ENVIRON_KEY: self._version_header(version)})

    def as_user(
        self, user_id: str, project_id: str = "", roles: str | Sequence[str] = ""
    ) -> Client:
        """Returns a client like this one whose requests say who asks, as a token filter would say it.

        An API believes it with ``identity_headers=True``.

        Args:
            roles: their names; or one text, separated by commas.
        """
        names = roles if isinstance(roles, str) else ",".join(roles)
        identity = {"X-User-Id": user_id, "X-Project-Id": project_id, "X-Roles": names}
        return self._with(_environ_of(identity))

    def do_request(self, *args: Any, **more: Any) -> Any:
        """As webtest.TestApp.do_request."""
        bugs = _Bugs()
        log = logging.getLogger("wsgisrv.api")
        log.addHandler(bugs)
        try:
            return super().do_request(*args, **more)
        except webtest.AppError as error:
            raise error from bugs.last
        finally:
            log.removeHandler(bugs)

    @staticmethod
    def errors(response: Any) -> list[str]:
        """Returns what the error document says, of either kind: one text for each error, with its field.

        Raises:
            AssertionError: when it is none, or does not say its request's id.
        """
        try:
            document = response.json
            if response.content_type == "application/json":
                ids = {error["request_id"] for error in document["errors"]}
                found = [error["detail"] for error in document["errors"]]
            elif response.content_type == "application/problem+json":
                ids = {document["request_id"]}
                found = [*map(_told, document.get("errors", ()))] or [document["detail"]]
            else:
                raise KeyError(response.content_type)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise AssertionError(f"no error document: {response}") from error
        if ids != {response.headers.get("X-OpenStack-Request-ID")}:
            raise AssertionError(f"not the request's own id: {ids}")
        return found

    def _version_header(self, version: str) -> str:
        return f"{self._service_type} {version}".strip()

    def _with(self, environ: Mapping[str, str]) -> Client:
        client = copy.copy(self)
        client.extra_environ = {**self.extra_environ, **environ}
        return client


class _Bugs(logging.Handler):
    """Keeps the last exception that was logged."""

    last: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.last = record.exc_info[1]


def _environ_of(headers: Mapping[str, str]) -> dict[str, str]:
    for name in headers:
        if name.lower() in _OF_EACH_REQUEST:
            raise ValueError(f"{name} is said with each request and not for all")
    return {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in headers.items()}


def _told(error: Mapping[str, str]) -> str:
    """Returns one error of a problem document as the other document has it."""
    field = f"?{error['parameter']}" if "parameter" in error else unquote(error["pointer"][1:])
    return f"{field or 'the body'}: {error['detail']}"
