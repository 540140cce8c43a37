"""ETags and what a request makes depend on them: 304 for what the client has, 412 for what has changed.

Rules: pure but for the request. An action names the state that it found, before it changes anything; one
call answers for If-Match and If-None-Match. ETags are strong: they are made of all that is shown. An
action that declares nothing of the kind has no ETag, so that If-Match never holds.

Source: RFC 9110, section 13; RFC 6585, section 3, for 428.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from webob import exc

if TYPE_CHECKING:
    from wsgisrv.api.controller import Prepare
    from wsgisrv.api.declared import Declared
    from wsgisrv.api.request import Request

_ENTITY_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
# Of the elements all but one may be empty (RFC 9110, 5.6.1.2). No text matches in two ways, which is slow.
_TAG = _ENTITY_TAG.pattern
_LIST = re.compile(rf"[\s,]*{_TAG}(?:\s*,[\s,]*{_TAG})*[\s,]*")

# Key of the environ: whether the action has called check_etag; there when it has declared that it will.
_CHECKED = "wsgisrv.etag_is_checked"

SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")
"""Methods that change nothing."""

PATTERN = r'^(\*|(W/)?"[!#-~]*"([ \t]*,[ \t]*(W/)?"[!#-~]*")*)$'
"""Of both headers, for the OpenAPI document."""


def etag_of(*state: Any) -> str:
    """Returns a strong ETag, in its quotes.

    Args:
        state: all that is shown, as values that JSON can say; ``request.microversion`` as well where versions
            show it differently.
    """
    text = json.dumps(state, sort_keys=True, default=str)
    return f'"{hashlib.blake2b(text.encode(), digest_size=12).hexdigest()}"'


def check(environ: dict[str, Any], etag: str | None) -> None:
    """Checks the request's preconditions against the resource's state.

    Args:
        etag: of the state; None when there is no such resource.

    Raises:
        TypeError: when the action has not declared it.
        webob.exc.HTTPNotModified: when a reader has it already.
        webob.exc.HTTPPreconditionFailed: when a writer has seen another state.
        webob.exc.HTTPBadRequest: when a header is no list of ETags.
    """
    if _CHECKED not in environ:
        raise TypeError("check_etag needs @api.conditional() on the action")
    environ[_CHECKED] = True
    wanted = environ.get("HTTP_IF_MATCH")
    if wanted is not None and not _matches(wanted, etag, "If-Match", weak=False):
        if etag is not None and _matches(wanted, etag, "If-Match", weak=True):
            raise exc.HTTPPreconditionFailed(
                f"If-Match: W/{etag} is a weak ETag, which never matches here; a strong one is needed"
            )
        raise exc.HTTPPreconditionFailed("If-Match: the resource has changed, or is not there")
    unwanted = environ.get("HTTP_IF_NONE_MATCH")
    if unwanted is None or not _matches(unwanted, etag, "If-None-Match", weak=True):
        return
    if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
        raise exc.HTTPNotModified(headers={"ETag": etag} if etag else {})
    raise exc.HTTPPreconditionFailed("If-None-Match: the resource is there already")


def expecting(declared: Declared) -> Prepare:
    """Returns what lets an action check the preconditions, or refuses with 428 where there are none."""
    needs_if_match = declared.needs_if_match

    def step(request: Request, arguments: dict[str, Any]) -> None:
        environ = request.environ
        environ[_CHECKED] = False
        if needs_if_match and "HTTP_IF_MATCH" not in environ and request.method not in SAFE:
            raise exc.HTTPPreconditionRequired(
                "this needs the header If-Match with the ETag that a GET has shown"
            )

    return step


def checking(call: Callable[..., Any], name: str) -> Callable[..., Any]:
    """Returns the action, which has to check the preconditions, as it has declared."""

    def checked(request: Request, **arguments: Any) -> Any:
        result = call(request, **arguments)
        if not request.environ[_CHECKED]:
            raise TypeError(f"{name} has @api.conditional() and did not call check_etag")
        return result

    return checked


def check_without_etag(environ: dict[str, Any]) -> None:
    """Checks the preconditions for an action that has declared none: the resource is there, without an ETag.

    Raises:
        webob.exc.HTTPException: as ``check``; but a reader is never told 304.
    """
    method = environ["REQUEST_METHOD"]
    if method in ("OPTIONS", "TRACE"):  # RFC 9110, 13.2.1
        return
    wanted = environ.get("HTTP_IF_MATCH")
    if wanted is not None and not _matches(wanted, "", "If-Match", weak=False):
        raise exc.HTTPPreconditionFailed("If-Match: this resource has no ETag")
    unwanted = environ.get("HTTP_IF_NONE_MATCH")
    if unwanted is None or not _matches(unwanted, "", "If-None-Match", weak=True):
        return
    if method not in SAFE:
        raise exc.HTTPPreconditionFailed("If-None-Match: the resource is there already")


def _matches(header: str, etag: str | None, name: str, *, weak: bool) -> bool:
    if header.strip() == "*":
        return etag is not None
    if not _LIST.fullmatch(header):
        raise exc.HTTPBadRequest(f"the header {name} has to be * or ETags in quotes")
    found = _ENTITY_TAG.findall(header)
    return any(f'"{opaque}"' == etag for is_weak, opaque in found if weak or not is_weak)
