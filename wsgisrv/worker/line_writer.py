"""The native thread that takes an access log's records out of memory and writes them.

Rules: only it speaks to the target, so that neither a full pipe nor a slow disk nor a daemon that is away
stops the hub; what has no room meanwhile is counted by the ring. It does not log: the hub does, on its
tick. It sleeps until it is woken. Imported before the standard library is patched; must not import
eventlet. Runs in: hub, but for ``_run``.
"""

from __future__ import annotations

import _thread
import collections
import logging
import time

from wsgisrv.line_ring import LineRing
from wsgisrv.log_target import Target

_LOG = logging.getLogger("wsgisrv.worker")

WAKE_BYTES = 64 * 1024
"""So much is gathered at most before the thread is woken; an eighth of the ring."""

_COMPLAIN_SECONDS = 10.0
_LOOK_SECONDS = 0.005

# Taken here, before any patching.
_start_thread = _thread.start_new_thread
_new_lock = _thread.allocate_lock
_sleep = time.sleep


class LineWriter:
    """Args:
    ring: where records are put.
    target: where they go; taken over.
    name: of the target, for the log.
    """

    def __init__(self, ring: LineRing, target: Target, name: str) -> None:
        self._ring = ring
        self._target = target
        self._next: collections.deque[Target] = collections.deque()  # to take the target's place
        self._name = name
        self.wake_at = WAKE_BYTES  # of ``put_bytes``, the ring's
        self._lost = 0  # records, as told
        self._too_long = 0
        self._complained = -_COMPLAIN_SECONDS
        self._trouble = ""
        self._told = ""
        self._bell = _new_lock()
        self._bell.acquire()
        _start_thread(self._run, ())

    def wake(self) -> None:
        """Has what was put in written."""
        self.wake_at = self._ring.put_bytes + WAKE_BYTES
        if self._bell.locked():
            self._bell.release()

    def tick(self, now: float) -> None:
        """Has everything written, and says in the log what went wrong."""
        if not self._ring.is_empty:
            self.wake()
        trouble = self._trouble
        if trouble != self._told and (not trouble or now - self._complained >= _COMPLAIN_SECONDS):
            self._told = trouble
            if trouble:
                self._complained = now
                _LOG.warning("access log %s: %s; its lines wait", self._name, trouble)
        lost = self._ring.lost + self._too_long
        if lost > self._lost and now - self._complained >= _COMPLAIN_SECONDS:
            self._complained = now
            _LOG.warning("access log %s: %d lines lost", self._name, lost - self._lost)
            self._lost = lost

    def replace(self, target: Target) -> None:
        """Writes to another target from now on; what is there already still goes to the old one, if it
        takes it.
        """
        self._next.append(target)
        self.wake()

    def finish(self, seconds: float) -> None:
        """Waits until all is written, so long at most. What is left is the master's to write.

        Stops the hub meanwhile: for a worker that serves nobody any more.
        """
        self.wake()
        for _ in range(int(seconds / _LOOK_SECONDS)):
            if self._ring.is_empty and not self._next:
                return
            _sleep(_LOOK_SECONDS)
            self.wake()

    # Runs in: the native thread

    def _run(self) -> None:
        while True:
            self._bell.acquire()
            self._write_all()
            while self._next:
                self._target.close()
                self._target = self._next.popleft()
                self._write_all()

    def _write_all(self) -> None:
        ring = self._ring
        while data := ring.take(self._target.most):
            try:
                sent = self._target.send(data)
            except OSError as error:
                self._trouble = error.strerror or str(error)
                return
            if not sent:
                self._trouble = "it takes nothing"
                return
            ring.taken(sent)
            self._too_long += self._target.take_too_long()
        self._trouble = ""
