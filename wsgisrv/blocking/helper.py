"""A helper: a plain process that computes what workers hand to it, one job at a time.

Rules: unpatched, without eventlet and threads of its own. Speaks to workers alone; the master starts it and
sees that it is gone. Whatever ends a job early ends the process, and the kernel does it, since nothing in the
process may be able to: code in C holds the interpreter for as long as it likes.

- The job's time is up: setitimer(2), whose SIGALRM has its default action.
- The caller has gone: O_ASYNC on the job's connection, whose SIGIO has its default action. Seen to end a
  regular expression that would have matched for hours 0.9 ms after the other side had closed.
- All workers and the master have gone: the queue is at its end, and so is any job's connection.

Facts about O_ASYNC on a Unix socket (fcntl(2)): data that comes raises SIGIO, too, so that it is set only
while nothing is to come; data that the other side takes does not.
"""

from __future__ import annotations

import contextlib
import faulthandler
import fcntl
import logging
import os
import pickle
import select
import signal
import socket
import time
import traceback
from typing import Any

from wsgisrv import logs
from wsgisrv.blocking import wire
from wsgisrv.blocking.errors import NotSendableError
from wsgisrv.channel import ChannelClosedError, Kind
from wsgisrv.context import HelperContext
from wsgisrv.errors import first_line
from wsgisrv.helper_board import HelperReal, HelperState, HelperWord
from wsgisrv.named import look_here

_LOG = logging.getLogger("wsgisrv.helper")

_new_poll = select.poll  # taken here: a module that a job imports may patch select

NICENESS = 5
"""Added to the process's own: where cores are few, a worker that wakes for a request goes first."""

_OOM_SCORE = "200"
"""Added to what the kernel weighs when memory runs out (proc(5)): rather a computation than a worker."""


def run_helper(context: HelperContext) -> int:
    """Serves until no worker is left.

    Returns:
        The exit code, 0.
    """
    faulthandler.enable()
    signal.signal(
        signal.SIGTERM, signal.SIG_IGN
    )  # for the whole group: workers still need the helpers
    os.nice(NICENESS)
    if context.looks_here:
        look_here()
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write(_OOM_SCORE)
    _Helper(context).serve()
    return 0


class _Helper:
    """Args:
    context: from the master.
    """

    def __init__(self, context: HelperContext) -> None:
        self._context = context
        self._place = context.place
        self._poll = _new_poll()
        self._poll.register(context.queue, 0)  # for its end alone
        self._poll.register(context.channel, select.POLLIN)

    def serve(self) -> None:
        """Offers itself, computes, and so on, until the queue is at its end."""
        while True:
            self._place.words[HelperWord.STATE] = HelperState.IDLE
            try:
                connection = wire.offer_ticket(self._context.queue)
            except OSError:
                return
            with connection:
                if not self._wait_job(connection):
                    return
                self._take_job(connection)

    def _wait_job(self, connection: socket.socket) -> bool:
        """Waits until a worker speaks or has thrown the ticket away; False at the queue's end."""
        self._poll.register(connection, select.POLLIN)
        try:
            while True:
                ready = {fd for fd, _ in self._poll.poll()}
                if connection.fileno() in ready:
                    return True
                if self._context.queue.fileno() in ready:
                    return False
                self._listen()
        finally:
            self._poll.unregister(connection)

    def _listen(self) -> None:
        """Does what the master says; when it has gone, workers may go on for a while."""
        channel = self._context.channel
        try:
            for message in channel.receive():
                if message.kind is Kind.LOG_LEVEL:
                    logs.set_level(message.fields["level"], message.fields["logger"])
        except ChannelClosedError:
            self._poll.unregister(channel)

    def _take_job(self, connection: socket.socket) -> None:
        try:
            _, seconds, payload = wire.receive(connection)
            started = time.monotonic()
            wire.send(connection, wire.Kind.STARTED, started)
        except wire.PeerGoneError:
            return
        if not _guard(connection):
            return
        words, reals = self._place.words, self._place.reals
        self._place.job = ""
        reals[HelperReal.SINCE] = started
        words[HelperWord.STATE] = HelperState.BUSY
        words[HelperWord.JOBS] += 1
        signal.setitimer(signal.ITIMER_REAL, seconds)
        kind, answer = self._answer(payload)
        signal.setitimer(signal.ITIMER_REAL, 0)
        _unguard(connection)
        took = time.monotonic() - started
        reals[HelperReal.BUSY_SECONDS] += took
        words[HelperWord.STATE] = HelperState.IDLE  # before anybody can have the answer
        with contextlib.suppress(wire.PeerGoneError):
            wire.send(connection, kind, took, answer)

    def _answer(self, payload: bytearray) -> tuple[wire.Kind, bytes]:
        try:
            f, args, kwargs = _loaded(payload)
            self._place.job = wire.name_of(f)
            return wire.Kind.DONE, _pickled(f(*args, **kwargs), f)
        except BaseException as error:  # SystemExit as well: it is the caller's
            return wire.Kind.FAILED, _pickled_error(error)


def _guard(connection: socket.socket) -> bool:
    """Has the kernel end this process when the caller closes; False when it has done so already."""
    fcntl.fcntl(connection, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(connection, fcntl.F_SETFL, fcntl.fcntl(connection, fcntl.F_GETFL) | fcntl.FASYNC)
    poll = _new_poll()
    poll.register(connection, select.POLLIN)
    return not poll.poll(0)


def _unguard(connection: socket.socket) -> None:
    fcntl.fcntl(connection, fcntl.F_SETFL, fcntl.fcntl(connection, fcntl.F_GETFL) & ~fcntl.FASYNC)


def _loaded(payload: bytearray) -> Any:
    try:
        return pickle.loads(payload)
    except Exception as error:
        raise NotSendableError(f"the helper cannot load the call: {first_line(error)}") from error


def _pickled(result: Any, f: Any) -> bytes:
    try:
        return pickle.dumps(result, pickle.HIGHEST_PROTOCOL)
    except Exception as error:
        kind = type(result).__qualname__
        raise NotSendableError(
            f"{wire.name_of(f)} returned a {kind} that cannot be pickled: {first_line(error)}"
        ) from None


def _pickled_error(error: BaseException) -> bytes:
    """Pickles an error with its traceback as text; one that cannot be sent is described instead."""
    lines = traceback.format_exception(error)
    text = f"in the helper process:\n{''.join(lines)}"
    try:
        data = pickle.dumps((error, text), pickle.HIGHEST_PROTOCOL)
        pickle.loads(data)  # an __init__ of its own may not take what pickle gives it
    except Exception:
        sendable = NotSendableError(f"the function raised {first_line(error)}")
        data = pickle.dumps((sendable, text), pickle.HIGHEST_PROTOCOL)
    return data
