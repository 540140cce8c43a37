"""What the drivers need of eventlet: may this call switch, wait for a socket, run in a native thread.

Rules: imports eventlet only once somebody else has: a script or a migration does without it.

Facts about eventlet: a thread has a hub from the first time that something asks for one, and a thread
without a hub has no other greenlets. So whether to wait in the hub or to block is a question of the
moment, not of a setting: a script, a test, a native thread has no hub and simply blocks.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

import greenlet

P = ParamSpec("P")
T = TypeVar("T")


def is_green() -> bool:
    """Returns whether others run while the caller waits in the hub.

    The hub's own greenlet, which may run a finalizer of the garbage collector's, cannot wait for itself.
    """
    hubs = sys.modules.get("eventlet.hubs")
    hub = None if hubs is None else getattr(hubs._threadlocal, "hub", None)
    return hub is not None and hub.greenlet is not greenlet.getcurrent()


def wait_readable(fd: int, seconds: float | None, error: type[BaseException]) -> None:
    """Waits in the hub; ``error`` is raised after so many seconds, None for no bound."""
    _trampoline()(fd, read=True, timeout=seconds, timeout_exc=error)


def wait_ready(fd: int, *, for_writing: bool) -> None:
    """Waits in the hub, for as long as it takes."""
    _trampoline()(fd, read=not for_writing, write=for_writing)


def in_native_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Returns what the function returns in a thread of eventlet's pool, while other greenlets run.

    Whatever is thrown into the waiting greenlet leaves the thread to finish alone.
    """
    from eventlet import tpool

    result: T = tpool.execute(function, *args, **kwargs)
    return result


def bounded(seconds: float, error: type[BaseException]) -> contextlib.AbstractContextManager[Any]:
    """Throws ``error`` into the greenlet when the block takes longer."""
    from eventlet import Timeout

    timeout: contextlib.AbstractContextManager[Any] = Timeout(seconds, error)
    return timeout


@functools.cache
def turn() -> contextlib.AbstractContextManager[Any]:
    """Returns what one greenlet at a time holds, the next one from the hub's next turn on.

    So of all who have to compute, each a little, one does between two looks at the hub's sockets.
    """
    return exclusive()


def exclusive() -> contextlib.AbstractContextManager[Any]:
    """Returns what one greenlet at a time holds."""
    from eventlet.semaphore import Semaphore

    semaphore: contextlib.AbstractContextManager[Any] = Semaphore(1)
    return semaphore


@functools.cache
def _trampoline() -> Callable[..., None]:
    from eventlet.hubs import trampoline

    function: Callable[..., None] = trampoline
    return function
