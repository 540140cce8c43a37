"""ETags and what a request makes depend on them: 304 for what the client has, 412 for what has changed.

Rules: pure but for the request. An action names the state that it found, before it changes anything; one
call answers for If-Match and If-None-Match. ETags are strong: they are made of all that may change.

Source: RFC 9110, section 13.
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any

from webob import exc

_ENTITY_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
_LIST = re.compile(rf"\s*{_ENTITY_TAG.pattern}\s*(?:,\s*{_ENTITY_TAG.pattern}\s*)*")


def etag_of(*state: Any) -> str:
    """Returns an ETag, in its quotes, for values that JSON can say and that change when the resource does."""
    text = json.dumps(state, sort_keys=True, default=str)
    return f'"{hashlib.blake2b(text.encode(), digest_size=12).hexdigest()}"'


def check(environ: dict[str, Any], etag: str | None) -> None:
    """Checks the request's preconditions against the resource's state.

    Args:
        etag: of the state; None when there is no such resource.

    Raises:
        webob.exc.HTTPNotModified: when a reader has it already.
        webob.exc.HTTPPreconditionFailed: when a writer has seen another state.
        webob.exc.HTTPBadRequest: when a header is no list of ETags.
    """
    wanted = environ.get("HTTP_IF_MATCH")
    if wanted is not None and not _matches(wanted, etag, "If-Match", weak=False):
        raise exc.HTTPPreconditionFailed("If-Match: the resource has changed, or is not there")
    unwanted = environ.get("HTTP_IF_NONE_MATCH")
    if unwanted is None or not _matches(unwanted, etag, "If-None-Match", weak=True):
        return
    if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
        raise exc.HTTPNotModified(headers={"ETag": etag} if etag else {})
    raise exc.HTTPPreconditionFailed("If-None-Match: the resource is there already")


def _matches(header: str, etag: str | None, name: str, *, weak: bool) -> bool:
    if header.strip() == "*":
        return etag is not None
    if not _LIST.fullmatch(header):
        raise exc.HTTPBadRequest(f"the header {name} has to be * or ETags in quotes")
    found = _ENTITY_TAG.findall(header)
    return any(f'"{opaque}"' == etag for is_weak, opaque in found if weak or not is_weak)
