"""What comes in front of a connection: the PROXY protocol's header, from peers who must send it.

Rules: a stream of its own until the header is there; then the socket and what came behind it are handed
on, and the connection is one of the client that the header names. So connections from nobody's proxy
cost nothing for it. A header that is malformed or late ends the connection, with a line in the log, of
which there are few when it happens again and again.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from wsgisrv.http1.proxy_protocol import ProxyHeader, ProxyProtocolError, ProxyReader
from wsgisrv.worker.stream import RECEIVE_BYTES, Stream

if TYPE_CHECKING:
    from wsgisrv.worker.server import Server

_LOG = logging.getLogger("wsgisrv.http")

DRAINING_SECONDS = 1.0
"""How long a draining worker waits for a header that is on its way, and for the request behind it."""

LINES, EACH = 10, 100
"""A worker warns of the first LINES headers that it refuses, then of each hundredth: a proxy that is wrongly
set up makes as many as it has clients."""


class Preface(Stream):
    """Args:
    worker: whose connection it becomes.
    sock: non-blocking and unpatched, as it was accepted.
    peer: the proxy's address and port.
    base_environ: of the listener.
    """

    __slots__ = ("_base_environ", "_reader", "peer")

    def __init__(
        self, worker: Server, sock: Any, peer: tuple[str, str], base_environ: dict[str, Any]
    ) -> None:
        super().__init__(worker, sock)
        self.peer = peer
        self._base_environ = base_environ
        self._reader = ProxyReader()
        self.listen()
        worker.clock.watch(self, time.monotonic() + worker.settings.header_timeout)

    def _readable(self, _fd: int) -> None:
        try:
            data = self.sock.recv(RECEIVE_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        self.worker.counters.bytes_in += len(data)
        try:
            found = self._reader.receive(data)
        except ProxyProtocolError as error:
            self._refuse(str(error))
            return
        if found is not None:
            self._hand_on(*found)

    def _hand_on(self, header: ProxyHeader, rest: bytes) -> None:
        self.pause()
        self.worker.clock.forget(self)
        environ = self._base_environ | {
            "wsgisrv.proxy_protocol": header,
            "wsgisrv.peer": self.peer,
        }
        peer = self.peer
        if header.client is not None and header.server is not None:
            peer = header.client
            if header.server[1]:
                environ["SERVER_NAME"], environ["SERVER_PORT"] = header.server
        if header.tls is not None and header.tls.is_used:
            environ |= {"wsgi.url_scheme": "https", "HTTPS": "on"}
        self.worker.replace(self, peer, environ, rest)
        if self.sock.fileno() < 0:
            # Closed at once, for its client's limit: its place is free, and an acceptor may wait for it.
            self.worker.forget(self)

    def _refuse(self, reason: str) -> None:
        counters = self.worker.counters
        counters.note_refused(0, "invalid PROXY protocol header")
        counters.refused_headers += 1
        count = counters.refused_headers
        _LOG.log(
            logging.WARNING if count <= LINES or count % EACH == 0 else logging.DEBUG,
            "%s, listed in proxy_protocol_from: %s (the worker's %d. such connection)",
            self.peer[0] or "unix peer",
            reason,
            count,
        )
        self.close()

    def close(self) -> None:
        """Ends the connection at once."""
        super().close()
        self.worker.forget(self)

    def expire(self) -> None:
        """Ends what took too long. Runs in: hub, from the clock."""
        self.worker.counters.note_timeout("proxy_header")
        self._refuse("no PROXY protocol header came in time")

    def unstuck(self) -> None:
        """Never called: nothing is sent here."""

    def drain_worker(self) -> None:
        """Gives a header that is on its way a moment: nobody else can answer what is behind it."""
        self.worker.clock.watch(self, time.monotonic() + DRAINING_SECONDS)
