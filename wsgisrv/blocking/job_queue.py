"""A worker's way to the helpers: its jobs wait here, and go to a helper that is idle.

Rules: imported after the standard library is patched. Idle helpers put tickets into one queue for all
workers of a generation; a worker takes one only when it has a job for it. So each worker's jobs run in their
order, whoever is killed takes nobody's place with him, and a helper that is idle is never left so.
The bound is that of the service: each worker tells on the scoreboard how many of its jobs wait. Two workers
that look in the same instant may both pass it.
"""

from __future__ import annotations

import collections
import dataclasses
import math
import pickle
import socket
import threading
import time
from typing import Any

import greenlet
from eventlet import greenio, patcher, timeout

from wsgisrv.blocking import wire
from wsgisrv.blocking.errors import HelperDiedError, JobTimeoutError, NoHelpersError
from wsgisrv.blocking.green import resume
from wsgisrv.busy import BusyError
from wsgisrv.scoreboard import Real, Scoreboard, State, Word

_plain_socket: Any = patcher.original("socket").socket

GRACE_SECONDS = 1.0
"""Beyond its time after which a job is called off from here: the kernel should have ended it before."""

_MOST_RETRY_AFTER = 60
_LIVE = (State.BOOTING, State.READY, State.DRAINING)


@dataclasses.dataclass(frozen=True, slots=True)
class JobPlace:
    """Where a worker stands among those that share the helpers.

    Args:
        queue: of tickets, this end non-blocking; None for a service without helpers.
        scoreboard: where all workers of the generation tell how many jobs wait.
        slot: the worker's own.
        generation: of workers and helpers.
        helpers: that there should be.
        most_waiting: of all workers together; 0 lets none wait.
        seconds: that a job may run unless its caller says otherwise; 0 sets no limit.
    """

    queue: socket.socket | None
    scoreboard: Scoreboard
    slot: int
    generation: int
    helpers: int
    most_waiting: int
    seconds: float


class JobQueue:
    """Args:
    hub: eventlet's, of the calling thread.
    place: of this worker.
    """

    def __init__(self, hub: Any, place: JobPlace) -> None:
        self._hub = hub
        self._place = place
        self._owner = threading.get_native_id()
        self._waiting: collections.deque[greenlet.greenlet] = collections.deque()
        self._listener: Any = None
        slot = place.scoreboard[place.slot]
        self._words, self._reals = slot.words, slot.reals

    @property
    def is_ours(self) -> bool:
        """Whether the calling thread is the hub's."""
        return threading.get_native_id() == self._owner

    def call(self, payload: bytes, seconds: float | None) -> Any:
        """Has a helper compute a job and waits for it. Runs in: a greenlet of the hub's.

        Raises:
            What ``in_process`` does.
        """
        if self._place.queue is None:
            raise NoHelpersError("the service has no processes for this: set cpu_workers above 0")
        limit = self._place.seconds if seconds is None else seconds
        while True:
            with self._connection() as helper:
                try:
                    wire.send(helper, wire.Kind.JOB, limit, payload)
                    _, started, _ = wire.receive(helper)
                except wire.PeerGoneError:
                    continue  # it died while it was idle, or before it began
                return self._result(helper, limit, started)

    # The wait for a helper

    def _connection(self) -> Any:
        """Returns a connection to a helper that was idle, as soon as there is one."""
        queue: Any = self._place.queue
        fd = -1 if self._waiting else wire.take_ticket(queue)
        if fd < 0:
            fd = self._wait_turn()
        return greenio.GreenSocket(_plain_socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, fd))

    def _wait_turn(self) -> int:
        self._refuse_if_full()
        me = greenlet.getcurrent()
        if me is self._hub.greenlet:
            raise RuntimeError("in_process() was called by the hub itself, which may not wait")
        since = time.monotonic()
        self._waiting.append(me)
        self._waiting_changed()
        try:
            fd: int = self._hub.switch()
        except BaseException:
            if me in self._waiting:
                self._waiting.remove(me)
                self._waiting_changed()
            raise
        self._reals[Real.JOB_WAIT] += time.monotonic() - since
        return fd

    def _refuse_if_full(self) -> None:
        board, generation = self._place.scoreboard, self._place.generation
        waiting = sum(
            words[Word.JOBS_WAITING]
            for words in (board[index].words for index in range(board.used))
            if words[Word.GENERATION] == generation and words[Word.STATE] in _LIVE
        )
        if waiting >= self._place.most_waiting:
            self._words[Word.JOBS_REFUSED] += 1
            raise BusyError(
                f"{waiting} jobs wait for a helper already (cpu_queue)", self._patience(waiting)
            )

    def _patience(self, waiting: int) -> int:
        """Returns in how many seconds those that wait now will have run, by the mean of those before."""
        jobs = self._words[Word.JOBS]
        mean = self._reals[Real.JOB_SECONDS] / jobs if jobs else 1.0
        return min(max(math.ceil(mean * (waiting + 1) / self._place.helpers), 1), _MOST_RETRY_AFTER)

    def _waiting_changed(self) -> None:
        """Tells the others, and listens for tickets just as long as somebody waits for one."""
        self._words[Word.JOBS_WAITING] = len(self._waiting)
        hub, queue = self._hub, self._place.queue
        if self._waiting and self._listener is None and queue is not None:
            self._listener = hub.add(hub.READ, queue.fileno(), self._on_ticket, _ignore, None)
        elif not self._waiting and self._listener is not None:
            hub.remove(self._listener)
            self._listener = None

    def _on_ticket(self, _fd: int) -> None:
        """Runs in: hub. One at a time, so that the siblings come to theirs."""
        queue: Any = self._place.queue
        fd = wire.take_ticket(queue)
        if fd < 0 or not self._waiting:
            return
        first = self._waiting.popleft()
        self._waiting_changed()
        resume(self._hub, first, fd)

    # The job

    def _result(self, helper: Any, limit: float, started: float) -> Any:
        self._words[Word.JOBS_RUNNING] += 1
        try:
            with timeout.Timeout(limit + GRACE_SECONDS if limit else None, False):
                kind, took, payload = wire.receive(helper)
                self._words[Word.JOBS] += 1
                self._reals[Real.JOB_SECONDS] += took
                return _unpickled(kind, payload)
            raise wire.PeerGoneError
        except wire.PeerGoneError:
            self._words[Word.JOBS_LOST] += 1
            if limit and time.monotonic() - started >= limit:
                raise JobTimeoutError(
                    f"the job ran longer than {limit:g} s; it was killed"
                ) from None
            raise HelperDiedError("the process died in the job; the log says of what") from None
        finally:
            self._words[Word.JOBS_RUNNING] -= 1


def _unpickled(kind: wire.Kind, payload: bytearray) -> Any:
    found = pickle.loads(payload)
    if kind is wire.Kind.DONE:
        return found
    error, text = found
    error.add_note(text)
    raise error


def _ignore(_error: BaseException) -> None:
    """The queue's throwback: nobody but the worker closes it."""
