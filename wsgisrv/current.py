"""The request that the running code belongs to: what logs, traces and stacks name it by.

Rules: a contextvar, so that it is right in the request's greenlet, in ``in_thread`` and in the greenlets
that a request spawns; None outside of any. Of the environ it is read from, nothing but names goes anywhere.
Imports nothing of the project.
"""

from __future__ import annotations

import contextvars
import random
from typing import Any

REQUEST_ID = "openstack.request_id"
"""Key of the environ for the request's id, as oslo.middleware has it."""

GLOBAL_REQUEST_ID = "openstack.global_request_id"
"""Key for the id of the request that led to this one in another service, checked to be well-formed."""

CONTEXT = "wsgisrv.context"
"""Key for wsgisrv.api's RequestContext, which knows user and project."""

ROUTE = "wsgisrv.route"
"""Key for the path of the route that answers, as it was declared: ``/books/{book_id}``. Set by wsgisrv.api;
an app with a router of its own may set it, too."""

TRACE_ID = "wsgisrv.trace_id"
"""Key for the id of the trace, 32 hex digits, while the service traces."""

CURRENT: contextvars.ContextVar[dict[str, Any] | None] = contextvars.ContextVar(
    "wsgisrv.current", default=None
)
"""The environ of the current request; in a greenlet that it has spawned, only its id."""

_VERSION_4 = 0x4000_8000_0000_0000_0000  # and the variant
_FREE_BITS = (1 << 128) - 1 & ~0xF000_C000_0000_0000_0000


def new_request_id() -> str:
    """Returns ``req-`` and a random UUID (RFC 9562, version 4); it is a name and no secret.

    uuid.uuid4 takes 1.6 us, this 0.7; random is seeded anew in a forked child.
    """
    text = f"{random.getrandbits(128) & _FREE_BITS | _VERSION_4:032x}"
    return f"req-{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def request_id() -> str:
    """Returns the current request's id, which gets one if nobody has given it one; "" outside of any."""
    environ = CURRENT.get()
    if environ is None:
        return ""
    found = environ.get(REQUEST_ID)
    if found is None:
        found = environ[REQUEST_ID] = new_request_id()
    return str(found)


def carried() -> contextvars.Context:
    """Returns a copy of the caller's context for what may outlive the request.

    A greenlet that runs for ever would keep the environ, and with it the connection, so that it gets the id
    only.
    """
    context = contextvars.copy_context()
    if context.get(CURRENT) is not None:
        context.run(CURRENT.set, {REQUEST_ID: request_id()})
    return context
