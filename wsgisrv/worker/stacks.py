"""Stacks of this worker as text, with the request that each one runs.

Rules: reads frames only, of whatever greenlet or thread, and changes nothing. Of a request it tells the
request line and id, never a header's value.
"""

from __future__ import annotations

import collections
import gc
import json
import os
import sys
import time
import traceback
import weakref
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any

import greenlet

from wsgisrv.blocking.remedies import hint
from wsgisrv.current import REQUEST_ID
from wsgisrv.worker.callee import modules_of
from wsgisrv.worker.gateway import Exchange
from wsgisrv.worker.pool import RequestPool
from wsgisrv.worker.waits import wait_of

_LONGEST_ID = 64
_NAMED = 20  # requests that share a stack
_WAITS_NAMED = 5
_OWN_THREADS = ("worker/watchdog.py", "worker/line_writer.py")
_WORKER = os.path.dirname(__file__) + os.sep
_MASTER = os.path.join(os.path.dirname(os.path.dirname(__file__)), "master", "")
_HUBS = "/eventlet/hubs/"


def describe(frame: FrameType) -> tuple[str, str]:
    """Returns the request that a stack runs, in words, and the stack with a hint below it."""
    stack = f"{stack_of(frame)}\n{hint(modules_of(frame))}"
    return request_of(frame) or "the server itself, not a request", stack


def all_stacks(most_bytes: int, hidden: Sequence[weakref.ref[Any]] = ()) -> list[dict[str, Any]]:
    """Returns the stack of every greenlet and thread but the caller's, identical ones together.

    Args:
        most_bytes: of all, as JSON; the stacks that fewest share are left out beyond it, and counted.
        hidden: greenlets that were frozen.

    Returns:
        Of each: ``kind`` (greenlet or thread), ``count``, ``requests`` in words, each with what it waits
        for, ``waits`` of those that run none, with how many of them do, and ``text``.
    """
    groups: dict[tuple[str, str], list[tuple[str, str]]] = collections.defaultdict(list)
    for kind, frame in _frames(hidden):
        wait = wait_of(frame) if kind == "greenlet" else ""
        groups[kind, stack_of(frame)].append((request_of(frame), wait))
    found: list[dict[str, Any]] = []
    left_out = 0
    for (kind, text), members in sorted(groups.items(), key=_by_interest):
        named = sorted(f"{request}{wait and f': {wait}'}" for request, wait in members if request)
        waits = collections.Counter(wait for request, wait in members if wait and not request)
        stack = {
            "kind": kind,
            "count": len(members),
            "requests": named[:_NAMED],
            "waits": waits.most_common(_WAITS_NAMED),
            "text": text,
        }
        most_bytes -= len(json.dumps(stack))
        if most_bytes < 0:
            left_out += len(members)
        else:
            found.append(stack)
    if left_out:
        text = "left out: the answer would be too long"
        rest = {"kind": "greenlet", "count": left_out, "requests": [], "waits": [], "text": text}
        found.append(rest)
    return found


def _by_interest(group: tuple[tuple[str, str], list[tuple[str, str]]]) -> tuple[bool, int]:
    """Orders stacks: those of requests first, then those that most share."""
    return not any(request for request, _ in group[1]), -len(group[1])


def greenlets(hidden: Sequence[weakref.ref[Any]] = ()) -> list[Any]:
    """Returns every greenlet that gc knows of, and those that gc.freeze() has hidden from it."""
    found = [known for ref in hidden if (known := ref()) is not None]
    seen = set(map(id, found))  # after gc.unfreeze() it finds them again
    return found + [
        known
        for known in gc.get_objects()
        if isinstance(known, greenlet.greenlet) and id(known) not in seen
    ]


def _frames(hidden: Sequence[weakref.ref[Any]]) -> Iterator[tuple[str, FrameType]]:
    own = greenlet.getcurrent()
    for found in greenlets(hidden):
        if found is not own:
            frame = found.gr_frame  # None when it has not begun, has ended, or runs in a thread
            if frame is not None:
                yield "greenlet", frame
    for frame in sys._current_frames().values():
        # The caller's thread is at this very line.
        if frame.f_code is not _frames.__code__ and not frame.f_code.co_filename.endswith(
            _OWN_THREADS
        ):
            yield "thread", frame


def stack_of(frame: FrameType) -> str:
    """Returns the stack, the innermost call last, without the server's own outermost frames.

    Those of the master below a worker's main greenlet are from before the fork, and say nothing.
    """
    frames = list(_callers(frame))[::-1]
    inherited = [at for at, found in enumerate(frames) if _file_of(found).startswith(_MASTER)]
    if inherited:
        frames = frames[inherited[-1] + 1 :]
    else:
        frames = frames[next((at for at, found in enumerate(frames) if not _is_own(found)), 0) :]
    summary = traceback.StackSummary.extract([(found, found.f_lineno) for found in frames])
    return "".join(summary.format()).rstrip("\n")


def _is_own(frame: FrameType) -> bool:
    return _file_of(frame).startswith(_WORKER) or _HUBS in _file_of(frame)


def _file_of(frame: FrameType) -> str:
    return frame.f_code.co_filename


def request_of(frame: FrameType) -> str:
    """Returns request line, age and id of the request that a stack runs; empty when it runs none."""
    request_id = ""
    for found in _callers(frame):
        if found.f_code is RequestPool._loop.__code__:
            exchange = found.f_locals.get("job")
            if not isinstance(exchange, Exchange):
                break
            age = time.monotonic() - exchange.started
            named = f", request id {request_id}" if request_id else ""
            line = exchange.connection.worker.label + exchange.head.line.decode("latin-1")
            return f"{line} ({age:.2f} s old{named})"
        environ = found.f_locals.get("environ")
        if isinstance(environ, dict):
            known = environ.get(REQUEST_ID)
            request_id = known[:_LONGEST_ID] if isinstance(known, str) else request_id
    return ""


def _callers(frame: FrameType) -> Iterator[FrameType]:
    found: FrameType | None = frame
    while found is not None:
        yield found
        found = found.f_back
