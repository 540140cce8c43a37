"""What a greenlet waits for, in words, as its stack tells it.

Rules: reads local variables of eventlet's and our own waiting functions, whose code is known, and of
nothing of the app's; what it does not know it does not name. Runs in: hub, or the watchdog's thread while
the hub stands.
"""

from __future__ import annotations

import _socket
import os
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

_MOST_FRAMES = 12
"""From the innermost on: a wait is never further out."""

_LONGEST = 100


def wait_of(frame: FrameType) -> str:
    """Returns what the stack waits for, "" when that is not known."""
    found: FrameType | None = frame
    for _ in range(_MOST_FRAMES):
        if found is None:
            return ""
        code = found.f_code
        directory, _, file = code.co_filename.rpartition("/")
        key = f"{directory.rpartition('/')[2]}/{file}", code.co_name
        if key in _WAITS:
            return _WAITS[key](found.f_locals)[:_LONGEST]
        found = found.f_back
    return ""


def _descriptor(found: Mapping[str, Any]) -> str:
    how = "read" if found.get("read") else "write"
    return f"waits to {how} {name_of(int(found.get('fileno', -1)))}"


def name_of(fd: int) -> str:
    """Returns a descriptor with what it leads to: a file's path, or a socket's peer."""
    try:
        link = os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return f"fd {fd}"
    if not link.startswith("socket:"):
        return f"fd {fd} ({link})"
    try:
        # A duplicate, since its object closes it; of the type below socket.socket, which is never green.
        with _Closing(_socket.socket(fileno=os.dup(fd))) as sock:
            peer = sock.getpeername()
    except OSError:
        return f"fd {fd} (socket)"
    text = ":".join(map(str, peer[:2])) if isinstance(peer, tuple) else str(peer or "unix")
    return f"fd {fd} (socket to {text})"


class _Closing:
    def __init__(self, sock: Any) -> None:
        self._sock = sock

    def __enter__(self) -> Any:
        return self._sock

    def __exit__(self, *_error: object) -> None:
        self._sock.close()


def _sleep(found: Mapping[str, Any]) -> str:
    seconds = found.get("seconds")
    return f"sleeps {seconds:g} s" if isinstance(seconds, (int, float)) else "sleeps"


def _semaphore(found: Mapping[str, Any]) -> str:
    return f"waits for a lock ({type(found.get('self')).__name__} {id(found.get('self')):#x})"


def _call(found: Mapping[str, Any]) -> str:
    called = found.get("f")
    name = getattr(called, "__qualname__", None)
    module = getattr(called, "__module__", None)
    return f"waits for a thread that calls {module}.{name}" if name else "waits for a thread"


def _client(found: Mapping[str, Any]) -> str:
    reads = getattr(found.get("self"), "_waits_to_read", False)
    return f"waits for its client to {'send' if reads else 'take a response'}"


def _just(text: str) -> Callable[[Mapping[str, Any]], str]:
    return lambda _found: text


_WAITS: Mapping[tuple[str, str], Callable[[Mapping[str, Any]], str]] = {
    ("hubs/__init__.py", "trampoline"): _descriptor,
    ("eventlet/greenthread.py", "sleep"): _sleep,
    ("eventlet/semaphore.py", "acquire"): _semaphore,
    ("eventlet/event.py", "wait"): _just("waits for an event"),
    ("eventlet/queue.py", "get"): _just("waits for something in a queue"),
    ("eventlet/queue.py", "put"): _just("waits for room in a queue"),
    ("blocking/thread_pool.py", "call"): _call,
    ("blocking/job_queue.py", "call"): _just("waits for a helper process"),
    ("worker/stream.py", "_wait"): _client,
    ("worker/pool.py", "_loop"): _just("waits for a request"),
    ("hubs/hub.py", "run"): _just("is the hub"),
}
"""By the end of the file's path and the function's name; the innermost wins."""
