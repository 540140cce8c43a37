"""What the drivers need of eventlet: may this call switch, wait for a socket, run in a native thread.

Facts about eventlet: a thread has a hub from the first time that something asks for one, and a thread
without a hub has no other greenlets. So whether to wait in the hub or to block is a question of the
moment, not of a setting: a script, a migration or a native thread has no hub and simply blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import greenlet
from eventlet import hubs, tpool

P = ParamSpec("P")
T = TypeVar("T")

_threads = hubs._threadlocal


def is_green() -> bool:
    """Returns whether others run while the caller waits in the hub.

    The hub's own greenlet, which may run a finalizer of the garbage collector's, cannot wait for itself.
    """
    hub = getattr(_threads, "hub", None)
    return hub is not None and hub.greenlet is not greenlet.getcurrent()


def in_native_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Returns what the function returns in a thread of eventlet's pool, while other greenlets run.

    Whatever is thrown into the waiting greenlet leaves the thread to finish alone.
    """
    result: T = tpool.execute(function, *args, **kwargs)
    return result
