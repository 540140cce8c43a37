"""A request as an action sees it: webob's, with a checked body and its context.

Rules: everything is found when it is asked for, and once.
"""

from __future__ import annotations

import dataclasses
import io
import re
from collections.abc import Container, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

import webob
from webob import exc
from webob.acceptparse import create_accept_language_header
from webob.multidict import GetDict

from wsgisrv.api import conditions, policy
from wsgisrv.api.body import MOST_BODY_BYTES, read_body
from wsgisrv.api.policy import Enforcer
from wsgisrv.api.serializers import JSON, JSON_TYPE, MediaType, choose, encode, read_value
from wsgisrv.current import CONTEXT, REQUEST_ID, new_request_id

MORE_HEADERS = "wsgisrv.response_headers"
"""Key of the environ: the headers that an action adds to its answer."""

VERSION = "wsgisrv.api_version"
"""Key of the environ: the microversion that is answered, as a text."""

_PARSED_QUERY = "webob._parsed_query_vars"  # webob's own, which it asks for first
_BODY = "wsgisrv.json_body"
_LONGEST_LANGUAGES = 1000  # octets; a longer Accept-Language is no browser's, and as good as none
_GLOBAL_ID = re.compile(r"req-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclasses.dataclass(slots=True)
class RequestContext:
    """Who asks, and under which name the request stands in the log.

    Args:
        request_id: ``req-`` and a UUID.
        global_request_id: of the request that led to this one in another service, or "".
        user_id, user_name: of the user whose token was checked; "" without one, and so the others.
        project_id, project_name: that the token is for.
        domain_id: likewise.
        roles: that the user has there.
        is_admin: whether ``admin`` is among the roles.
    """

    request_id: str
    global_request_id: str = ""
    user_id: str = ""
    user_name: str = ""
    project_id: str = ""
    project_name: str = ""
    domain_id: str = ""
    roles: Sequence[str] = ()

    @property
    def is_admin(self) -> bool:
        """Whether the user has the role ``admin``."""
        return "admin" in self.roles

    def credentials(self) -> dict[str, Any]:
        """Returns what policy rules ask for, as oslo.policy names it."""
        return {
            "user_id": self.user_id,
            "project_id": self.project_id,
            "tenant_id": self.project_id,
            "domain_id": self.domain_id,
            "roles": list(self.roles),
            "request_id": self.request_id,
        }


class Request(webob.Request):  # type: ignore[misc]
    """One request of the API."""

    most_body_bytes = MOST_BODY_BYTES
    """Longest body; a service that takes more gives its API a subclass of Request."""

    media_types: Mapping[str, MediaType] = {JSON: JSON_TYPE}
    """That a body may have; the API's."""

    identity_headers = False
    """Whether a filter in front has checked who asks, and set the headers; the API's."""

    enforcer: Enforcer | None = None
    """Of policies; the API's."""

    @property
    def request_id(self) -> str:
        """The request's id: a filter's in front, or one that is made now."""
        found = self.environ.get(REQUEST_ID)
        if found is None:
            found = self.environ[REQUEST_ID] = new_request_id()
        return str(found)

    @property
    def context(self) -> RequestContext:
        """The context; one is made when no filter has left one."""
        found = self.environ.get(CONTEXT)
        if not isinstance(found, RequestContext):
            found = self.environ[CONTEXT] = self._make_context()
        return found

    @property
    def microversion(self) -> tuple[int, int]:
        """The microversion that is answered; (0, 0) for an API that has none."""
        major, _, minor = self.environ.get(VERSION, "0.0").partition(".")
        return int(major), int(minor)

    @property
    def body_value(self) -> Any:
        """The body, as its media type says.

        Raises:
            webob.exc.HTTPUnsupportedMediaType: when it is of none that the API takes, not in UTF-8 or
                encoded, as in gzip; nothing of it is read then.
            webob.exc.HTTPException: when it is too long or does not come; ``read_body`` says which.
            webob.exc.HTTPBadRequest: when it is malformed; parse_json says how of JSON.
        """
        if _BODY not in self.environ:
            media_type = self._media_type()
            if self.is_body_seekable and hasattr(self.body_file_raw, "seek"):
                self.body_file_raw.seek(0)  # somebody may have read it, as webob's copy() does
            body = read_body(self.environ, self.most_body_bytes)
            # ``body`` and ``body_file`` give it again: a signature may be of its octets.
            self.environ["wsgi.input"] = io.BytesIO(body)
            self.environ["webob.is_body_seekable"] = True
            self.environ["CONTENT_LENGTH"] = str(len(body))
            self.environ[_BODY] = read_value(media_type, body)
        return self.environ[_BODY]

    @property
    def json_body(self) -> Any:
        """As ``body_value``, and so is ``json``; what is set is the body from then on."""
        return self.body_value

    @json_body.setter
    def json_body(self, value: Any) -> None:
        self.environ.pop(_BODY, None)
        self.content_type = JSON
        self.body = encode(value).encode()

    json = json_body

    @property
    def json_object(self) -> dict[str, Any]:
        """The body, which has to be a JSON object.

        Raises:
            webob.exc.HTTPException: as ``body_value``, and 400 when it is no object.
        """
        body = self.body_value
        if not isinstance(body, dict):
            raise exc.HTTPBadRequest("the body has to be a JSON object")
        return body

    @property
    def query_pairs(self) -> list[tuple[str, str]]:
        """The query's parameters, of which one may stand several times.

        Raises:
            webob.exc.HTTPBadRequest: when it is not UTF-8.
        """
        query = self.environ.get("QUERY_STRING")
        if not query:
            return []
        try:
            # Only & separates: a cache in front that takes ; for text would be told another query.
            text = query if query.isascii() else query.encode("latin-1").decode()
            return parse_qsl(text, keep_blank_values=True, errors="strict")
        except UnicodeDecodeError:
            raise exc.HTTPBadRequest("the query is not UTF-8") from None

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters.

        Raises:
            webob.exc.HTTPBadRequest: when it is not UTF-8, or has a parameter twice.
        """
        return self.query_with_lists(())

    def query_with_lists(self, lists: Container[str]) -> dict[str, str]:
        """Returns the query's parameters; of one that is a list, ``a=1&a=2`` is the same as ``a=1,2``.

        Args:
            lists: the parameters that are lists.

        Raises:
            webob.exc.HTTPBadRequest: when it is not UTF-8, or has another parameter twice.
        """
        found: dict[str, list[str]] = {}
        for name, text in self.query_pairs:
            if name in found and name not in lists:
                raise exc.HTTPBadRequest(f"the query has {name[:100]!r} twice")
            found.setdefault(name, []).append(text)
        return {name: ",".join(texts) for name, texts in found.items()}

    @property
    def GET(self) -> Any:  # noqa: N802 - webob's name
        """The query as webob has it, but that only & separates.

        Raises:
            webob.exc.HTTPBadRequest: when it is not UTF-8.
        """
        source = self.environ.get("QUERY_STRING", "")
        _, known = self.environ.get(_PARSED_QUERY, (None, None))
        if known != source:
            self.environ[_PARSED_QUERY] = GetDict(self.query_pairs, self.environ), source
        return super().GET

    @property
    def POST(self) -> Any:  # noqa: N802 - webob's name
        """The body as a form, as webob has it.

        Raises:
            webob.exc.HTTPBadRequest: when it is none.
            webob.exc.HTTPUnsupportedMediaType: when it is not in UTF-8.
        """
        try:
            return super().POST
        except DeprecationWarning:
            raise exc.HTTPUnsupportedMediaType("the body has to be in UTF-8") from None
        except ValueError as error:
            raise exc.HTTPBadRequest(f"the body is no form: {error}") from None

    def best_match(self, offers: Sequence[str]) -> str | None:
        """Returns the media type among ``offers`` that the client likes best; None when it takes none."""
        return choose(self.environ.get("HTTP_ACCEPT", "*/*") or "*/*", tuple(offers))

    def best_language(self, offers: Sequence[str]) -> str | None:
        """Returns the language among ``offers`` that the client likes best (RFC 4647, lookup), if any."""
        header = self.environ.get("HTTP_ACCEPT_LANGUAGE")
        # Looking up takes time by the square of the length: 20 s for 200 kB.
        if not header or not offers or len(header) > _LONGEST_LANGUAGES:
            return None
        tags = {offer.replace("_", "-"): offer for offer in offers}
        found = create_accept_language_header(header).lookup(
            language_tags=list(tags), default_tag=None, default=""
        )
        return tags.get(found)

    def answer_with(self, name: str, value: str) -> None:
        """Adds a header to the answer of an action that returns a dict, a list, lines or nothing."""
        self.environ.setdefault(MORE_HEADERS, []).append((name, value))

    def check_etag(self, etag: str | None) -> None:
        """Checks If-Match and If-None-Match against the state that was found; for a reader it is sent, too.

        Args:
            etag: of ``wsgisrv.api.etag_of``; None when there is no such resource.

        Raises:
            webob.exc.HTTPException: 304, 412 or 400, as ``conditions.check`` says.
            TypeError: when the action has no ``api.conditional``: a bug of the service.
        """
        conditions.check(self.environ, etag)
        if etag is not None and self.environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            self.answer_with("ETag", etag)

    def authorize(self, rule: str, target: Mapping[str, Any]) -> None:
        """Asks the API's enforcer about what the action has found: ``policy`` knows the path arguments alone.

        Args:
            rule: registered with the enforcer.
            target: what the rule compares with: the row's own ``project_id``, for instance; where it says
                no ``project_id`` or ``user_id``, they are those of who asks.

        Raises:
            webob.exc.HTTPForbidden: when the rule does not allow it.
            ConfigError: when there is no such rule: a bug of the service.
        """
        policy.authorize(self.enforcer, rule, target, self.context)

    def _media_type(self) -> MediaType:
        environ, name = self.environ, self.content_type.lower()
        if environ.get("HTTP_CONTENT_ENCODING", "identity").lower() not in ("", "identity"):
            raise exc.HTTPUnsupportedMediaType(
                "the body has to be without a Content-Encoding",
                headers={"Accept-Encoding": "identity"},
            )
        is_empty = environ.get("CONTENT_LENGTH") in (None, "", "0")
        if is_empty and not name and "HTTP_TRANSFER_ENCODING" not in environ:
            return next(iter(self.media_types.values()))
        found = self.media_types.get(name)
        if found is None or self.charset.lower() not in ("utf-8", "utf8"):
            names = " or ".join(self.media_types)
            raise exc.HTTPUnsupportedMediaType(
                f"the body has to be {names}, in UTF-8",
                headers={"Accept": ", ".join(self.media_types)},
            )
        return found

    def _make_context(self) -> RequestContext:
        environ = self.environ
        context = RequestContext(self.request_id)
        sent = environ.get("HTTP_X_OPENSTACK_REQUEST_ID", "")
        if _GLOBAL_ID.fullmatch(sent):
            context.global_request_id = sent
        if (
            self.identity_headers
            and environ.get("HTTP_X_IDENTITY_STATUS", "Confirmed") == "Confirmed"
        ):
            roles = environ.get("HTTP_X_ROLES", "").split(",")
            context.user_id = environ.get("HTTP_X_USER_ID", "")
            context.user_name = environ.get("HTTP_X_USER_NAME", "")
            context.project_id = environ.get("HTTP_X_PROJECT_ID", "")
            context.project_name = environ.get("HTTP_X_PROJECT_NAME", "")
            context.domain_id = environ.get("HTTP_X_DOMAIN_ID", "")
            context.roles = tuple(role.strip() for role in roles if role.strip())
        return context
