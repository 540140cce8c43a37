"""A request as an action sees it: webob's, with a body that was checked."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import webob
from webob import exc

MOST_BODY_BYTES = 1024 * 1024
"""Longest JSON body; one that has to be longer is better streamed than parsed."""

MOST_DEPTH = 32
"""Deepest nesting of a JSON body."""


class Request(webob.Request):  # type: ignore[misc]
    """One request of the API."""

    @property
    def request_id(self) -> str:
        """What names this request in logs and faults; a filter in front may have chosen it."""
        found = self.environ.get("openstack.request_id")
        if found is None:
            found = self.environ["openstack.request_id"] = f"req-{uuid.uuid4()}"
        return str(found)

    def json_object(self) -> dict[str, Any]:
        """Returns the body, which has to be a JSON object.

        Raises:
            webob.exc.HTTPUnsupportedMediaType: when it says that it is something else.
            webob.exc.HTTPRequestEntityTooLarge: when it is longer than MOST_BODY_BYTES.
            webob.exc.HTTPBadRequest: when it is no JSON, has a key twice, NaN or Infinity, or is nested
                too deeply; the message says which.
        """
        if self.content_type != "application/json":
            raise exc.HTTPUnsupportedMediaType("the body has to be application/json")
        body = self._limited_body()
        try:
            value = _DECODER(body.decode("utf-8"))
        except UnicodeDecodeError:
            raise exc.HTTPBadRequest("the body is not UTF-8") from None
        except RecursionError:
            raise exc.HTTPBadRequest(
                f"the body is nested deeper than {MOST_DEPTH} levels"
            ) from None
        except ValueError as error:
            raise exc.HTTPBadRequest(f"the body is not JSON: {error}") from None
        if not isinstance(value, dict):
            raise exc.HTTPBadRequest("the body has to be a JSON object")
        if _is_deeper(value, MOST_DEPTH):
            raise exc.HTTPBadRequest(f"the body is nested deeper than {MOST_DEPTH} levels")
        return value

    def _limited_body(self) -> bytes:
        body: bytes = (
            self.environ["wsgi.input"].read(MOST_BODY_BYTES + 1) if self.is_body_readable else b""
        )
        if len(body) > MOST_BODY_BYTES:
            raise exc.HTTPRequestEntityTooLarge(f"the body is longer than {MOST_BODY_BYTES} bytes")
        return body


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {twice!r} stands twice")
    return found


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


_DECODER: Callable[[str], Any] = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_no_constant
).decode


def _is_deeper(value: Any, most: int) -> bool:
    level = [value]
    for _ in range(most):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True
