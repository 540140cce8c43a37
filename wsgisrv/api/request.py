"""A request as an action sees it: webob's, with a checked body and its context.

Rules: everything is found when it is asked for, and once.
"""

from __future__ import annotations

import dataclasses
import uuid
from typing import Any

import webob
from webob import exc

from wsgisrv.api.body import MOST_BODY_BYTES, parse_json, read_body
from wsgisrv.api.serializers import JSON

REQUEST_ID = "openstack.request_id"
"""Key of the environ under which a filter in front may have put the request's id."""

_CONTEXT = "wsgisrv.context"
_BODY = "wsgisrv.json_body"


@dataclasses.dataclass(slots=True)
class RequestContext:
    """Who asks, and under which name the request stands in the log.

    Args:
        request_id: ``req-`` and a UUID.
    """

    request_id: str


class Request(webob.Request):  # type: ignore[misc]
    """One request of the API."""

    most_body_bytes = MOST_BODY_BYTES
    """Longest JSON body; a service that takes more gives its API a subclass of Request."""

    @property
    def context(self) -> RequestContext:
        """The context; one is made when no filter has left one."""
        found = self.environ.get(_CONTEXT)
        if not isinstance(found, RequestContext):
            request_id = self.environ.get(REQUEST_ID)
            if request_id is None:
                request_id = self.environ[REQUEST_ID] = f"req-{uuid.uuid4()}"
            found = self.environ[_CONTEXT] = RequestContext(request_id)
        return found

    @property
    def json_body(self) -> Any:
        """The body, parsed as JSON.

        Raises:
            webob.exc.HTTPUnsupportedMediaType: when it does not say that it is JSON in UTF-8.
            webob.exc.HTTPRequestEntityTooLarge: when it is longer than ``most_body_bytes``.
            webob.exc.HTTPBadRequest: when it is no JSON, as parse_json says.
        """
        if _BODY not in self.environ:
            body = read_body(self.environ, self.most_body_bytes)
            if body or self.content_type:
                self._check_content_type()
            self.environ[_BODY] = parse_json(body)
        return self.environ[_BODY]

    @property
    def json_object(self) -> dict[str, Any]:
        """The body, which has to be a JSON object.

        Raises:
            webob.exc.HTTPException: as ``json_body``, and 400 when it is no object.
        """
        body = self.json_body
        if not isinstance(body, dict):
            raise exc.HTTPBadRequest("the body has to be a JSON object")
        return body

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters.

        Raises:
            webob.exc.HTTPBadRequest: when it is not UTF-8, or has a parameter twice.
        """
        try:
            found: dict[str, str] = dict(self.GET)
        except UnicodeDecodeError:
            raise exc.HTTPBadRequest("the query is not UTF-8") from None
        if len(found) < len(self.GET):
            twice = next(name for name in found if len(self.GET.getall(name)) > 1)
            raise exc.HTTPBadRequest(f"the query has {twice!r} twice")
        return found

    def _check_content_type(self) -> None:
        if self.content_type.lower() != JSON or self.charset.lower() not in ("utf-8", "utf8"):
            raise exc.HTTPUnsupportedMediaType(f"the body has to be {JSON}, in UTF-8")
