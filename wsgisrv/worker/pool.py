"""The GreenPool that requests run in: finished greenlets are parked, not thrown away.

Rules: GreenPool's own methods keep their meaning (``spawn``, ``running``, ``free``, ``resize``,
``waitall``); ``submit`` is the way for requests and never blocks. A request starts with an empty
contextvars context and sees no ``threading.local`` value of an earlier one.

Facts about greenlets:
- A new greenlet for each request halves throughput: it allocates a fresh Python stack. Switching a
  request into a parked one costs 0.3 us.
- A green ``threading.local`` is a WeakKeyDictionary keyed by greenlet, so a greenlet that used one is
  weakly referenced; a pending eventlet.Timeout or a saved ``getcurrent()`` refers to it strongly. A parked
  greenlet that anybody but the pool still refers to is therefore not used again. The look is taken when
  it is about to be reused, since the hub's own frames refer to it while it finishes.
- ``threading.current_thread()`` links a clean-up to a GreenThread's end; ``link`` here runs it at the
  end of the request.
"""

from __future__ import annotations

import collections
import logging
import time
from collections.abc import Callable
from sys import getrefcount
from typing import Any, Protocol
from weakref import getweakrefcount

import greenlet
from eventlet import event, greenpool

_LOG = logging.getLogger("wsgisrv.worker")

MOST_PARKED = 256
"""Greenlets kept after a burst; each holds some 4 KiB of Python stack."""


class Job(Protocol):
    """One request, ready to run.

    ``waited`` is how many seconds it waited for a place, and not known while it does.
    """

    waited: float

    def run(self) -> None:
        """Runs it; raises nothing but GreenletExit."""


class RequestGreenlet(greenlet.greenlet):  # type: ignore[misc]
    """A greenlet that outlives the request; whatever a request hangs on it goes with the request."""

    def link(self, func: Callable[..., object], *args: Any, **kwargs: Any) -> None:
        """Calls ``func(greenlet, ...)`` when the request ends, as GreenThread.link does."""
        self.__dict__.setdefault("links", []).append((func, args, kwargs))

    def forget_request(self) -> None:
        """Runs the links and drops every attribute that was set."""
        for func, args, kwargs in self.__dict__.pop("links", ()):
            func(self, *args, **kwargs)
        self.__dict__.clear()


class RequestPool(greenpool.GreenPool):  # type: ignore[misc]
    """Runs at most ``size`` requests and spawned functions at a time; more requests wait in order.

    Args:
        hub: eventlet's hub.
        size: 1 or more.
    """

    def __init__(self, hub: Any, size: int) -> None:
        super().__init__(size)
        self._hub = hub
        self._parked: collections.deque[RequestGreenlet] = collections.deque()
        self._waiting: collections.deque[Job] = collections.deque()
        self._drained: event.Event | None = None
        self._on_free: Callable[[], None] | None = None
        self._refill_due = False
        self._clean_count = self._count_of_clean()

    # Requests

    def submit(self, job: Job) -> None:
        """Runs a request at once if a slot is free, else when one is. Runs in: hub."""
        if self.sem.counter <= 0 or self._waiting:
            job.waited = -time.monotonic()
            self._waiting.append(job)
            return
        self._start(job)

    @property
    def is_full(self) -> bool:
        """Whether the next request would wait."""
        return bool(self.sem.counter <= 0)

    def requests_waiting(self) -> int:
        """Returns how many requests wait for a slot."""
        return len(self._waiting)

    def call_when_free(self, callback: Callable[[], None]) -> None:
        """Calls back once in the hub when a slot is free and no request waits for it."""
        self._on_free = callback
        self._schedule_refill()

    def step_out(self) -> bool:
        """Gives the place of the request that calls to another one while it waits for its client.

        Else as many slow clients as there are places could stop all others. False, and no place
        given, when the caller is no request of this pool. Runs in: pool greenlet.
        """
        if greenlet.getcurrent() not in self.coroutines_running:
            return False
        self.sem.counter += 1
        if self._waiting or self._on_free:
            self._schedule_refill()
        return True

    def step_in(self) -> None:
        """Takes the place back, at once: for a moment one request too many may run."""
        self.sem.counter -= 1

    def _start(self, job: Job) -> None:
        self.sem.counter -= 1  # as Semaphore.acquire(), which would take a lock-step of its own
        parked = self._parked
        while parked:
            taken = parked.popleft()
            if getrefcount(taken) == self._clean_count and not getweakrefcount(taken):
                break
        else:
            taken = RequestGreenlet(self._loop, self._hub.greenlet)
        self.coroutines_running.add(taken)
        taken.switch(job)

    def _loop(self, job: Job) -> None:
        """Runs in: pool greenlet, one request after another."""
        me = greenlet.getcurrent()
        while True:
            try:
                job.run()
            finally:
                del job
                if me.__dict__:
                    me.forget_request()
                me.gr_context = None
                self._spawn_done(me)
            if len(self._parked) >= MOST_PARKED:
                return
            self._parked.append(me)
            try:
                job = self._hub.greenlet.switch()
            except BaseException as stray:  # a late Timeout of a finished request, or GreenletExit
                if not isinstance(stray, greenlet.GreenletExit):
                    _LOG.debug("%r reached a request that has ended", stray)
                return

    def _count_of_clean(self) -> int:
        """Returns sys.getrefcount() of a parked greenlet that nobody else refers to."""
        parked: collections.deque[RequestGreenlet] = collections.deque()

        def park() -> None:
            me = greenlet.getcurrent()
            while True:
                parked.append(me)
                me.parent.switch()

        parked_in = RequestGreenlet(park)
        parked_in.switch()
        del parked_in
        taken = parked.popleft()
        return getrefcount(taken)

    # GreenPool's

    def _spawn_done(self, coro: Any) -> None:
        """GreenPool's hook for every greenlet that has finished."""
        sem = self.sem
        if sem._waiters:
            sem.release()  # a spawn() waits for a place
        else:
            sem.counter += 1  # as release() does, at a third of its cost
        self.coroutines_running.discard(coro)
        if self._waiting or self._on_free:
            self._schedule_refill()
        if self._drained and not self.coroutines_running:
            drained, self._drained = self._drained, None
            drained.send(None)

    def waitall(self) -> None:
        """Waits until nothing runs in the pool."""
        if greenlet.getcurrent() in self.coroutines_running:
            raise RuntimeError("waitall() inside the pool would never end")
        while self.coroutines_running:
            if self._drained is None:
                self._drained = event.Event()
            self._drained.wait()

    def resize(self, new_size: int) -> None:
        """Changes how many run at a time; what runs already is let finish."""
        super().resize(new_size)
        self._schedule_refill()

    def _schedule_refill(self) -> None:
        if not self._refill_due:
            self._refill_due = True
            self._hub.schedule_call_global(0, self._refill)

    def _refill(self) -> None:
        self._refill_due = False
        while self._waiting and self.sem.counter > 0:
            job = self._waiting.popleft()
            job.waited += time.monotonic()
            self._start(job)
        if self._on_free and self.sem.counter > 0 and not self._waiting:
            callback, self._on_free = self._on_free, None
            callback()
