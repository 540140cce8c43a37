"""Stacks of this worker as text, with the request that each one runs.

Rules: reads frames only, of whatever greenlet or thread, and changes nothing. Of a request it tells the
request line and id, never a header's value.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator
from types import FrameType

from wsgisrv.worker.gateway import Exchange

_REQUEST_ID = "openstack.request_id"
"""The environ's key for it, as oslo.middleware and wsgisrv.api have it."""

_LONGEST_ID = 64
_OWN_FILES = ("/eventlet/hubs/", "/wsgisrv/worker/")


def describe(frame: FrameType) -> tuple[str, str]:
    """Returns the request that a stack runs, in words, and the stack."""
    return request_of(frame) or "the server itself, not a request", stack_of(frame)


def stack_of(frame: FrameType) -> str:
    """Returns the stack, the innermost call last, without the server's own outermost frames."""
    summary = traceback.StackSummary.extract(
        [(found, found.f_lineno) for found in reversed(list(_callers(frame)))]
    )
    first = next(
        (
            index
            for index, found in enumerate(summary)
            if not any(own in found.filename for own in _OWN_FILES)
        ),
        0,
    )
    return "".join(traceback.StackSummary.from_list(summary[first:]).format()).rstrip("\n")


def request_of(frame: FrameType) -> str:
    """Returns request line, age and id of the request that a stack runs; empty when it runs none."""
    request_id = ""
    for found in _callers(frame):
        if found.f_code is Exchange.run.__code__:
            exchange: Exchange = found.f_locals["self"]
            age = time.monotonic() - exchange.started
            named = f", request id {request_id}" if request_id else ""
            return f"{exchange.head.line.decode('latin-1')} ({age:.2f} s old{named})"
        environ = found.f_locals.get("environ")
        if isinstance(environ, dict):
            known = environ.get(_REQUEST_ID)
            request_id = known[:_LONGEST_ID] if isinstance(known, str) else request_id
    return ""


def _callers(frame: FrameType) -> Iterator[FrameType]:
    found: FrameType | None = frame
    while found is not None:
        yield found
        found = found.f_back
