"""A bounded pool of native threads that greenlets of one hub hand calls to.

Rules: imported after the standard library is patched. ``call`` is a greenlet's, ``_run`` a native thread's;
they share two queues and no lock that a greenlet could wait for. Of a counter only one thread is the writer.

Why not eventlet.tpool: its threads belong to the whole process and their number to an environment variable
read at its import, its queue has no bound and no figures, a call that is still in it runs even though its
caller was killed, and contextvars stay behind. A call that does nothing took 34 us with it and 4.4 us here
with 50 greenlets at a time, 80 and 43 us with one (Python 3.11, 20 threads, median of four rounds): its
queues are Python, and here a wake-up is written once for all calls that end together.

Facts about threads beside eventlet: threading.current_thread(), which each log record asks for, exchanges
modules in sys.modules under the import lock when a native thread calls it, unless that thread stands in the
table of eventlet's own; so each enters itself there. ``_queue`` is C and never patched.
"""

from __future__ import annotations

import collections
import contextvars
import dataclasses
import logging
import os
import threading
import time
from _queue import SimpleQueue
from collections.abc import Callable, Mapping
from typing import Any

import greenlet
from eventlet import patcher
from eventlet.green import threading as green_threading

from wsgisrv.blocking.green import resume
from wsgisrv.busy import BusyError

_LOG = logging.getLogger("wsgisrv.blocking")

_native = patcher.original("threading")
_write = patcher.original("os").write
_read = patcher.original("os").read


@dataclasses.dataclass(frozen=True, slots=True)
class ThreadFigures:
    """How a pool stands.

    Args:
        threads: that there are.
        waiting: calls that no thread has taken yet.
        running: calls that run, those included whose caller has gone.
        calls: taken by a thread so far.
        dropped: calls whose caller had gone before a thread took them.
        wait_seconds: that all calls taken so far had waited, together.
    """

    threads: int
    waiting: int
    running: int
    calls: int
    dropped: int
    wait_seconds: float


class _Call:
    """One call, on its way to a thread and back."""

    __slots__ = ("_claim", "args", "caller", "context", "error", "f", "kwargs", "result", "since")

    def __init__(
        self,
        f: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        caller: greenlet.greenlet,
    ) -> None:
        self.f = f
        self.args = args
        self.kwargs = kwargs
        self.caller: greenlet.greenlet | None = caller  # None when it has gone
        self.context = contextvars.copy_context()
        self.since = time.monotonic()
        self.result: Any = None
        self.error: BaseException | None = None
        self._claim = [None]

    def claim(self) -> bool:
        """Whether the one who asks, and nobody else, may run or drop it: list.pop() is atomic."""
        try:
            self._claim.pop()
        except IndexError:
            return False
        return True


class _Thread:
    """What one thread counts."""

    __slots__ = ("calls", "ended", "wait_seconds")

    def __init__(self) -> None:
        self.calls = 0
        self.ended = 0
        self.wait_seconds = 0.0


class ThreadPool:
    """Args:
    hub: of the greenlets that call.
    most_threads: 1 or more; started when they are needed, never ended.
    most_waiting: calls that wait for a thread; 0 sets no bound.
    """

    def __init__(self, hub: Any, most_threads: int, most_waiting: int) -> None:
        self._hub = hub
        self._most_threads = most_threads
        self._most_waiting = most_waiting
        self._owner = threading.get_native_id()
        self._calls: Any = SimpleQueue()
        self._done: collections.deque[_Call] = collections.deque()
        self._threads: list[_Thread] = []
        self._submitted = 0
        self._dropped = 0
        self._finished = 0
        self._is_woken = False
        self._wake_reader, self._wake_writer = os.pipe()
        for fd in (self._wake_reader, self._wake_writer):
            os.set_blocking(fd, False)
        self._listener = hub.add(hub.READ, self._wake_reader, self._on_wake, _ignore, None)

    @property
    def is_ours(self) -> bool:
        """Whether the calling thread is the hub's."""
        return threading.get_native_id() == self._owner

    def call(
        self,
        f: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
        *,
        is_dropped: bool = True,
    ) -> Any:
        """Has a thread call ``f`` and waits for it. Runs in: a greenlet of the hub's.

        Args:
            is_dropped: whether a call that no thread has taken goes with its caller; else it is run.

        Raises:
            BusyError: when ``most_waiting`` calls wait already.
            RuntimeError: in the hub itself, which may not wait.
            BaseException: what ``f`` raises, or what is thrown into the greenlet while it waits: the call
                is dropped then, or its result.
        """
        caller = greenlet.getcurrent()
        if caller is self._hub.greenlet:
            raise RuntimeError("in_thread() was called by the hub itself, which may not wait")
        call = _Call(f, args, kwargs, caller)
        self._submit(call)
        try:
            self._hub.switch()
        except BaseException:
            call.caller = None
            if is_dropped and call.claim():
                self._dropped += 1
            raise
        if call.error is not None:
            try:
                raise call.error
            finally:
                del call  # the error's traceback has this frame
        return call.result

    def figures(self) -> ThreadFigures:
        """Returns how the pool stands. Runs in: hub."""
        calls = sum(thread.calls for thread in self._threads)
        return ThreadFigures(
            threads=len(self._threads),
            waiting=max(self._submitted - self._dropped - calls, 0),
            running=calls - sum(thread.ended for thread in self._threads),
            calls=calls,
            dropped=self._dropped,
            wait_seconds=sum(thread.wait_seconds for thread in self._threads),
        )

    def close(self) -> None:
        """Ends the threads when they have run what was handed to them. Runs in: hub."""
        self._hub.remove(self._listener)
        for _ in self._threads:
            self._calls.put(None)

    def _submit(self, call: _Call) -> None:
        outstanding = self._submitted - self._dropped - self._finished
        if 0 < self._most_waiting <= outstanding - self._most_threads:
            raise BusyError(
                f"{self._most_waiting} calls wait for a thread already (blocking_queue)"
            )
        if outstanding >= len(self._threads) < self._most_threads:
            self._start_thread()
        self._submitted += 1
        self._calls.put(call)

    def _start_thread(self) -> None:
        thread = _Thread()
        name = f"blocking-{len(self._threads) + 1}"
        native = _native.Thread(target=self._run, args=(thread,), name=name, daemon=True)
        try:
            native.start()
        except RuntimeError as error:  # the system gives no more of them
            if not self._threads:
                raise
            _LOG.warning(
                "%d threads serve, not %d: %s", len(self._threads), self._most_threads, error
            )
            self._most_threads = len(self._threads)
            return
        self._threads.append(thread)

    def _on_wake(self, fd: int) -> None:
        """Runs in: hub."""
        _read(fd, 4096)
        self._is_woken = False  # before the look: whoever is done from here on writes again
        while self._done:
            call = self._done.popleft()
            self._finished += 1
            if call.caller is not None:
                caller, call.caller = call.caller, None
                del call
                resume(self._hub, caller)

    # Runs in: native thread

    def _run(self, thread: _Thread) -> None:
        _enter_table()
        while True:
            call = self._calls.get()
            if call is None:
                return
            if not call.claim():
                continue
            thread.wait_seconds += time.monotonic() - call.since
            thread.calls += 1
            try:
                call.result = call.context.run(call.f, *call.args, **call.kwargs)
            except BaseException as error:  # whatever it is, it is the caller's
                call.error = error
            call.f = call.args = call.kwargs = call.context = None
            thread.ended += 1
            self._done.append(call)
            del call  # else the last result lives as long as the thread is idle
            if not self._is_woken:
                self._is_woken = True
                _write(self._wake_writer, b"\0")


def _enter_table() -> None:
    """Makes threading.current_thread() find this thread at once. Runs in: native thread."""
    local = vars(green_threading)["__threadlocal"]
    local.active = {id(greenlet.getcurrent()): _native.current_thread()}


def _ignore(_error: BaseException) -> None:
    """The pipe's throwback: nobody but the pool closes it."""
