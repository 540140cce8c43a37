"""One client's connection to an embedded server: the worker's, with eventlet's manner of ending.

Runs in: hub.

Facts about tcp(7): SIOCOUTQ is how many bytes the peer's kernel has not acknowledged, a FIN counting as one.
"""

from __future__ import annotations

import fcntl
import sys
import termios
import time
from typing import TYPE_CHECKING, Any

from wsgisrv.compat.exchange import EmbeddedExchange
from wsgisrv.http1.head import RequestHead
from wsgisrv.worker.connection import FIRST_CHUNK, HEAD, IDLE, Connection

if TYPE_CHECKING:
    from wsgisrv.compat.server import EmbeddedServer


_FIN = 1


class EmbeddedConnection(Connection):
    """Args:
    embedded: the server.
    sock: non-blocking and unpatched.
    peer: the client's address and port.
    base_environ: what every request on this listener has.
    """

    __slots__ = ("_raw_fields", "_raw_headers", "embedded")

    exchange_type = EmbeddedExchange

    def __init__(
        self,
        embedded: EmbeddedServer,
        sock: Any,
        peer: tuple[str, str],
        base_environ: dict[str, Any],
    ) -> None:
        self.embedded = embedded
        self._raw_fields = b""  # of the request before, which often come again
        self._raw_headers: tuple[tuple[str, str], ...] = ()
        super().__init__(embedded, sock, peer, base_environ)

    def _readable(self, fd: int) -> None:
        if self.state is IDLE and self.deadline <= time.monotonic():
            self.expire()  # a keepalive shorter than the clock's tick is meant so
        else:
            super()._readable(fd)

    def expire(self) -> None:
        """Ends what took too long, without an answer: eventlet's clients are used to that."""
        if self.state in (IDLE, HEAD, FIRST_CHUNK) and not self.is_stuck:
            self.worker.counters.note_timeout("keepalive")
            self.embedded.log_client("timed out", self.peer)
            self.linger()
        else:
            super().expire()

    def raw_headers(self, head: RequestHead) -> tuple[tuple[str, str], ...]:
        """Returns names and values as they came, those with an underscore too."""
        if head.raw_fields is not self._raw_fields:
            self._raw_fields = head.raw_fields
            lines = head.raw_fields.decode("latin-1").split("\r\n")
            self._raw_headers = tuple(
                (name, value.strip(" \t"))
                for name, colon, value in (line.partition(":") for line in lines)
                if colon
            )
        return self._raw_headers

    def linger(self) -> None:
        """Closes as soon as the client's kernel has the response (RFC 9112 9.6), half-closed until then.

        A worker reads on until the client closes, which is kinder to one that is still sending; eventlet
        does not, and its caller waits for this connection's end.
        """
        if _unacknowledged(self.fd) == 0:
            self.close()
        else:
            super().linger()

    def _linger(self) -> None:
        if self._receive() is not None and _unacknowledged(self.fd) <= _FIN:
            self.close()


def _unacknowledged(fd: int) -> int:
    """Returns bytes; more than there can be where the system does not tell."""
    try:
        return int.from_bytes(fcntl.ioctl(fd, termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except OSError:
        return sys.maxsize
