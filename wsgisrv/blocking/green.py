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


def current_hub(*, inside: bool = False) -> Any:
    """Returns the hub in which the caller may wait, None where there is none.

    Args:
        inside: also in the hub's own greenlet, which may run a finalizer of the garbage collector's and
            cannot wait for itself.
    """
    hubs = sys.modules.get("eventlet.hubs")
    hub = None if hubs is None else getattr(hubs._threadlocal, "hub", None)
    if hub is None or inside or hub.greenlet is not greenlet.getcurrent():
        return hub
    return None


def is_green() -> bool:
    """Returns whether others run while the caller waits in the hub."""
    return current_hub() is not None


def wait_ready(fd: int, *, for_writing: bool) -> None:
    """Waits in the hub, for as long as it takes."""
    _trampoline()(fd, read=not for_writing, write=for_writing)


def resume(hub: Any, waiter: Any, *value: Any) -> None:
    """Switches to a greenlet that waits, from a listener of the hub's that serves others, too.

    A greenlet that dies of an error raises it here, and the hub would take the listener away for it. So it is
    said as the hub says it of a timer's.

    Runs in: hub.
    """
    try:
        waiter.switch(*value)
    except hub.SYSTEM_EXCEPTIONS:
        raise
    except BaseException:  # noqa: BLE001 -- whatever the greenlet died of, as the hub has it
        hub.squelch_generic_exception(sys.exc_info())


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
