"""``in_process``: a call that computes runs in a process of its own, and its greenlet waits for it.

Rules: the one mutable global here is the worker's way to the helpers, which boot makes. Imports no eventlet:
a helper imports this, too.

What runs where, by caller:

- a greenlet of a worker: in one of the service's ``cpu_workers``
- a native thread of a worker, and a helper: right there
- any other process, such as a script or a test: right there, or in a thread where ``in_thread`` would use
  one; on pickled copies, so that what could not be sent in a service fails here as well
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from wsgisrv.blocking.errors import NotSendableError
from wsgisrv.blocking.threads import in_thread
from wsgisrv.blocking.wire import name_of
from wsgisrv.errors import first_line

if TYPE_CHECKING:
    from wsgisrv.blocking.job_queue import JobQueue

_R = TypeVar("_R")


def in_process(
    f: Callable[..., _R], /, *args: Any, timeout: float | None = None, **kwargs: Any
) -> _R:
    """Calls ``f`` in a helper process while this one serves on, and returns what it returns.

    Function, arguments and result are pickled: ``f`` must be importable by its module and name, as a
    function or class at the top of a module is, or ``functools.partial`` of one (which also takes an
    argument of its own that is named ``timeout``). The helper has the service's code, but nothing of this
    process's state.

    When the greenlet is interrupted while it waits, by ``eventlet.Timeout``, ``request_timeout`` or a kill,
    the job is called off: in the queue it is dropped, and a helper that computes it is killed and replaced.

    Args:
        timeout: seconds that ``f`` may run, imports included, but not the wait for a free helper; then its
            process is killed. 0 sets no limit; by default ``cpu_timeout`` does.

    Raises:
        BusyError: when ``cpu_queue`` jobs of the service wait already.
        NoHelpersError: when the service has no ``cpu_workers``.
        NotSendableError: for what cannot be pickled or imported.
        JobTimeoutError: when it ran longer than ``timeout``.
        HelperDiedError: when its process died of anything else.
        BaseException: what ``f`` raises, with a note that has the helper's traceback.
    """
    if timeout is not None and not 0 <= timeout < float("inf"):
        raise ValueError(f"timeout={timeout!r}: seconds from 0 on")
    queue = _HERE.queue
    if queue is None:
        return in_thread(_call_copy, f, args, kwargs)  # type: ignore[no-any-return]
    if not queue.is_ours:
        return f(*args, **kwargs)
    return queue.call(pickled_call(f, args, kwargs), timeout)  # type: ignore[no-any-return]


def pickled_call(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> bytes:
    """Returns the call as a helper takes it.

    Raises:
        NotSendableError: for what cannot be pickled, and for a function of ``__main__``.
    """
    name = name_of(f)
    if getattr(f, "__module__", "") == "__main__":
        raise NotSendableError(f"{name}: a helper has another __main__; move it to a module")
    try:
        return pickle.dumps((f, args, kwargs), pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        raise NotSendableError(
            f"{name} or an argument cannot be pickled: {first_line(error)}"
        ) from None


def install_processes(queue: JobQueue) -> None:
    """Makes ``in_process`` use a queue. Runs in: worker, at boot."""
    _HERE.queue = queue


def job_queue() -> JobQueue | None:
    """Returns the worker's, None in any other process."""
    return _HERE.queue


def _call_copy(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Calls ``f`` with copies of its arguments and returns a copy of its result."""
    if getattr(f, "__module__", "") == "__main__":  # a script of one file, which has no helpers
        return f(*args, **kwargs)
    f, args, kwargs = pickle.loads(pickled_call(f, args, kwargs))
    result = f(*args, **kwargs)
    try:
        return pickle.loads(pickle.dumps(result, pickle.HIGHEST_PROTOCOL))
    except Exception as error:
        raise NotSendableError(f"the result cannot be pickled: {first_line(error)}") from None


class _Here:
    """Holds the process's queue."""

    def __init__(self) -> None:
        self.queue: JobQueue | None = None


_HERE = _Here()
