"""What is to be sent on a connection that an app has taken over: in order, by many, beside a reader.

Rules: bytes are handed to the socket at once where it takes them; the rest waits here, and the hub sends it.
So nobody has to wait in order to send, and who does not want to wait looks at ``unsent_bytes``. A
client that takes nothing for ``write_timeout`` is cut off.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from eventlet import event

from wsgisrv.worker.clock import NEVER
from wsgisrv.worker.errors import ClientGoneError

if TYPE_CHECKING:
    from wsgisrv.worker.connection import Connection
    from wsgisrv.worker.gateway import Exchange


class Outgoing:
    """Args:
    connection: whose HTTP responses have all been sent.
    exchange: counts what is sent.
    """

    __slots__ = (
        "_connection", "_exchange", "_listener", "_progress", "_unsent", "deadline", "is_open",
        "wake",
    )  # fmt: skip

    def __init__(self, connection: Connection, exchange: Exchange) -> None:
        self._connection = connection
        self._exchange = exchange
        self._unsent = bytearray()
        self._listener: Any = None  # while the client does not take it
        self._progress: event.Event | None = None  # while somebody waits for some
        self.is_open = True
        self.deadline = self.wake = NEVER

    @property
    def unsent_bytes(self) -> int:
        """Bytes that wait here."""
        return len(self._unsent)

    def add(self, data: bytes) -> None:
        """Sends ``data`` now or later; never waits.

        Raises:
            ClientGoneError: when nothing can be sent any more.
        """
        if self.is_open:
            if self._unsent:
                self._unsent += data
            else:
                self._unsent += memoryview(data)[self._send(data) :]
                if self._unsent and self.is_open:
                    self._watch()
        if not self.is_open:
            raise ClientGoneError("the connection is closed")

    def wait_sent(self, most: int) -> None:
        """Waits until at most ``most`` bytes are unsent. Runs in: any greenlet but the hub's.

        Raises:
            ClientGoneError: when the client goes away meanwhile.
        """
        pool = self._connection.worker.pool
        while self.is_open and len(self._unsent) > most:
            if self._progress is None:
                self._progress = event.Event()
            has_stepped_out = pool.step_out()
            try:
                self._progress.wait()
            finally:
                if has_stepped_out:
                    pool.step_in()
        if not self.is_open:
            raise ClientGoneError("the client is gone")

    def _send(self, data: bytes | bytearray) -> int:
        """Returns how many bytes the client takes now; 0 and the connection cut if it is gone."""
        connection = self._connection
        try:
            sent: int = connection.sock.send(data)
        except (BlockingIOError, InterruptedError):
            return 0
        except OSError:
            connection.abort()
            return 0
        connection.worker.counters.bytes_out += sent
        self._exchange.body_bytes += sent
        return sent

    def _watch(self) -> None:
        worker = self._connection.worker
        hub = worker.hub
        self._listener = hub.add(hub.WRITE, self._connection.fd, self._writable, _ignore, None)
        self._listener.greenlet = hub.greenlet  # else the hub would hold on to a request's
        worker.clock.watch(self, time.monotonic() + worker.settings.write_timeout)

    def _writable(self, _fd: int) -> None:
        """Runs in: hub; may come late."""
        if self._listener is None or not self.is_open:
            return
        sent = self._send(self._unsent)
        if not sent or not self.is_open:
            return
        del self._unsent[:sent]
        if self._unsent:
            worker = self._connection.worker
            worker.clock.watch(self, time.monotonic() + worker.settings.write_timeout)
        else:
            self._stop_watching()
        self._tell_waiters()

    def _stop_watching(self) -> None:
        if self._listener is not None:
            self._connection.worker.hub.remove(self._listener)
            self._listener = None
        self._connection.worker.clock.forget(self)

    def _tell_waiters(self) -> None:
        if self._progress is not None:
            progress, self._progress = self._progress, None
            progress.send(None)

    def expire(self) -> None:
        """Gives a client up that takes nothing. Runs in: hub, from the clock."""
        self._connection.worker.counters.note_timeout("write")
        self._connection.abort()

    def end(self) -> None:
        """Drops what is unsent: nothing is sent any more. Does nothing the second time."""
        if self.is_open:
            self.is_open = False
            self._stop_watching()
            self._unsent.clear()
            self._tell_waiters()


def _ignore(_error: BaseException) -> None:
    """The listener's throwback: nobody but the connection closes the descriptor."""
