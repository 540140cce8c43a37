"""One client's connection, driven by the hub: no greenlet and no timer while it is idle.

Rules: every method runs in the hub unless it says otherwise; nothing in the hub waits. The read listener
stays registered from one request to the next: it is taken off only when bytes come that nobody wants
yet (backpressure), and put back by whoever wants them. A request runs in a pool greenlet, which alone
may read the body and write the response; ``finish`` gives the connection back to the hub.

    IDLE -> HEAD -> (FIRST_CHUNK) -> RUNNING -> IDLE | DRAINING -> IDLE | LINGERING -> CLOSED

Facts about sockets: close() with bytes unread makes the kernel send RST, which can destroy a response on
its way (RFC 9112 9.6), so a connection that the client may still write to is half-closed and read to EOF;
one whose client has said that this was its last request is just closed.
"""

from __future__ import annotations

import enum
import logging
import socket
import time
from typing import TYPE_CHECKING, Any, ClassVar

from wsgisrv.blocking.green import resume
from wsgisrv.http1.body import BodyDecoder, ChunkedDecoder, LengthDecoder
from wsgisrv.http1.errors import RefusedError
from wsgisrv.http1.head import CHUNKED, RequestHead
from wsgisrv.http1.reader import RequestReader
from wsgisrv.http1.writer import plain_response
from wsgisrv.worker.clock import NEVER
from wsgisrv.worker.gateway import Exchange
from wsgisrv.worker.stream import RECEIVE_BYTES, Stream
from wsgisrv.worker.tls_socket import OutputWaitsError

if TYPE_CHECKING:
    from wsgisrv.worker.server import Server
    from wsgisrv.worker.upgrade import UpgradedConnection

_LOG = logging.getLogger("wsgisrv.http")

LINGER_SECONDS = 2.0
DRAINING_LINGER_SECONDS = 0.5
"""How long a half-closed connection is read to its end; then it is closed whatever comes. A client that
keeps its side open must not hold up a worker that wants to end."""

QUIET_SECONDS = 1.0
"""How long nothing must have come on a connection before a draining worker closes it, counted from its last
response or, of one that is new, from now. The first bytes of a request may be on their way to a connection
that is in use, and nobody else can answer them (RFC 9112 9.5); the longer it was quiet, the less likely that
is. A client that sends one meanwhile is answered and told to close."""

PIPELINED_AT_ONCE = 16
"""Requests of one connection that are served before the hub looks at the others."""


class State(enum.IntEnum):
    """Where a connection stands."""

    IDLE = 0  # no byte of a next request has come
    HEAD = 1  # some have
    FIRST_CHUNK = 2  # the head is complete, the first chunk-size line is not
    RUNNING = 3  # a request waits for a pool slot or runs
    DRAINING = 4  # the response is sent, an unread body is thrown away
    LINGERING = 5  # half-closed; what comes is thrown away
    CLOSED = 6


# By name: looking a member up in its class takes as long as a call.
IDLE, HEAD, FIRST_CHUNK, RUNNING, DRAINING, LINGERING, CLOSED = State


class Connection(Stream):
    """Args:
    worker: shared by all connections of the process.
    sock: non-blocking and unpatched.
    peer: the client's address and port, empty for a unix socket.
    base_environ: what every request on this listener has.
    """

    __slots__ = (
        "_advancing", "_environ", "_fields", "_reader", "_served_at_once", "base_environ", "body_data",
        "decoder", "exchange", "peer", "state", "upgraded",
    )  # fmt: skip

    exchange_type: ClassVar[type[Exchange]] = Exchange

    def __init__(
        self, worker: Server, sock: Any, peer: tuple[str, str], base_environ: dict[str, Any]
    ) -> None:
        super().__init__(worker, sock)
        self.peer = peer
        self.base_environ = base_environ
        self.state = IDLE
        self.decoder: BodyDecoder | None = None
        self.body_data = b""  # decoded but not yet read by the app
        self.exchange: Exchange | None = None
        self.upgraded: UpgradedConnection | None = None
        self._reader = RequestReader(worker.limits, worker.memo)
        self._served_at_once = 0
        self._advancing = False
        self._fields: dict[str, str] | None = None  # of the last request
        self._environ: dict[str, Any] | None = None  # what ``environ_of`` makes of them

    def begin(self, rest: bytes) -> None:
        """Looks at what has come already, with ``rest`` in front, before it waits for more.

        Most clients send their request right behind the handshake. The hub need not know of a connection
        that is answered and closed at once, and the clock neither: a fifth of such a connection's cost.
        """
        if rest:
            self._advance(rest)
        else:
            self._readable(self.fd)
        if self.state < RUNNING and not self.is_stuck:
            self.listen()
            if self.state is IDLE and not self._served_at_once:
                settings = self.worker.settings
                self.worker.clock.watch(self, time.monotonic() + settings.header_timeout)

    def _readable(self, _fd: int) -> None:
        try:
            state = self.state
            if state is IDLE or state is HEAD:
                data = self._receive()
                if data is not None:
                    self._served_at_once = 0
                    self._advance(data)
            elif state is RUNNING:
                if self._waits_to_read:
                    self._wake_waiter()
                else:
                    self.pause()
            elif state is FIRST_CHUNK:
                self._read_first_chunk()
            elif state is DRAINING:
                self._drain()
            elif state is LINGERING:
                self._linger()
        except Exception:
            # A bug of ours must cost one connection, not the worker: the hub would print it and
            # leave the socket open for good.
            _LOG.exception("%sconnection from %s failed", self.worker.label, self.peer[0])
            self.close()

    def _receive(self) -> bytes | None:
        """Returns what has come, None when nothing has; closes at EOF and returns None, too."""
        try:
            data: bytes = self.sock.recv(RECEIVE_BYTES)
        except OutputWaitsError:
            self._get_stuck()
            return None
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            data = b""
        if not data:
            self.flush()  # a client that has ended its side still gets what it asked for
            if not self.is_stuck:
                self.close()
            return None
        self.worker.counters.bytes_in += len(data)
        return data

    # A request's head

    def _advance(self, data: bytes) -> None:
        """Serves what is complete: the request in ``data``, and those pipelined behind it."""
        self._advancing = True
        while self.state is IDLE or self.state is HEAD:
            try:
                head = self._reader.receive(data)
            except RefusedError as refused:
                self.refuse(refused)
                break
            if head is None:
                self._await_head()
                break
            self._begin(head)
            if self._reader.is_idle or self.state is not IDLE or self._write_listener is not None:
                break
            if self._served_at_once >= PIPELINED_AT_ONCE:
                self._advance_later()
                break
            data = b""
        self._advancing = False

    def unstuck(self) -> None:
        """Goes on with a client that has taken its responses. Runs in: hub."""
        if self.state > HEAD:
            return
        if self.worker.is_draining and self.state is IDLE:
            self.linger()
        else:
            self._become_idle(time.monotonic())

    def _await_head(self) -> None:
        if self.state is IDLE and not self._reader.is_idle:
            self.state = HEAD
            self.worker.clock.watch(self, time.monotonic() + self.worker.settings.header_timeout)

    def _advance_later(self) -> None:
        self.pause()
        self.worker.hub.schedule_call_global(0, self._advance_now)

    def _advance_now(self) -> None:
        if self.state is IDLE and not self.is_stuck:
            self.listen()
            self._served_at_once = 0
            self._advance(b"")

    def _begin(self, head: RequestHead) -> None:
        self.deadline = NEVER
        self.state = RUNNING
        self._served_at_once += 1
        exchange = self.exchange_type(self, head)
        if head.length:
            self.exchange = exchange
            if not self._begin_body(head):
                return
        self.exchange = exchange
        self.worker.pool.submit(exchange)

    def environ_of(self, head: RequestHead) -> dict[str, Any]:
        """Returns what the listener, the connection and the request's fields put into the environ.

        What fields that come again have put into it is kept from their second time on: 0.85 KiB, which
        save half of the work.
        """
        fields = head.fields
        if fields is self._fields and self._environ is not None:
            return self._environ.copy()
        environ = self.base_environ.copy()
        environ.update(fields)
        environ["SERVER_PROTOCOL"] = "HTTP/1.1" if head.minor else "HTTP/1.0"
        environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = self.peer
        self._environ = environ.copy() if fields is self._fields else None
        self._fields = fields
        return environ

    # A request's body

    def _begin_body(self, head: RequestHead) -> bool:
        """Decodes what came with the head; False while the request may not run yet.

        A chunked request runs once its first chunk-size line is known to be one, so that a malformed
        body is refused before the app sees the request.
        """
        if head.length == CHUNKED:
            self.decoder = ChunkedDecoder(self.worker.limits)
            data = self._reader.take_rest()
        else:
            self.decoder = LengthDecoder(head.length)
            data = self._reader.take_rest(head.length)
        try:
            if data:
                self.body_data = self.decode(data)
        except RefusedError as refused:
            self.refuse(refused)
            return False
        if isinstance(self.decoder, ChunkedDecoder) and not self.decoder.has_begun:
            if head.expect_continue:
                return True
            self.state = FIRST_CHUNK
            self.worker.clock.watch(self, time.monotonic() + self.worker.settings.body_timeout)
            return False
        return True

    def decode(self, data: bytes) -> bytes:
        """Returns the body's part of ``data`` and keeps what lies behind it for the next request.

        Raises:
            RefusedError: for a malformed chunk.
        """
        assert self.decoder is not None  # noqa: S101 -- what a caller must see to, for mypy
        body, behind = self.decoder.decode(data)
        if behind:
            self._reader.give_back(behind)
        return body

    def _read_first_chunk(self) -> None:
        data = self._receive()
        if data is None:
            return
        try:
            self.body_data += self.decode(data)
        except RefusedError as refused:
            self.refuse(refused)
            return
        if isinstance(self.decoder, ChunkedDecoder) and self.decoder.has_begun:
            self.deadline = NEVER
            self.state = RUNNING
            assert self.exchange is not None  # noqa: S101 -- set by _begin, for mypy
            self.client_seconds = time.monotonic() - self.exchange.started
            self.worker.pool.submit(self.exchange)

    def take_rest(self) -> bytes:
        """Returns what came behind a request that takes the connection over."""
        return self._reader.take_rest()

    @property
    def body_bytes_left(self) -> int:
        """Bytes of the body that have not come; -1 for a chunked one."""
        return self.decoder.remaining if self.decoder is not None else 0

    @property
    def body_is_complete(self) -> bool:
        """Whether the whole body has come from the client."""
        return self.decoder is None or self.decoder.is_complete

    # The end of a request. Runs in: pool greenlet, or the hub for a refused one

    def finish(self, keep: bool, now: float) -> None:
        """Takes the connection back after a response. ``keep``: the client was not told to close."""
        if self.state is CLOSED:
            return
        exchange, self.exchange = self.exchange, None
        if not keep:
            if exchange is not None and self._is_client_done(exchange.head):
                self.close()
            else:
                self.linger()
            return
        if self.decoder is not None:
            self.body_data = b""
            if not self.decoder.is_complete:
                self.state = DRAINING
                self.listen()
                self.worker.clock.watch(self, time.monotonic() + self.worker.settings.body_timeout)
                return
            self.decoder = None
        self._become_idle(now)

    def _is_client_done(self, head: RequestHead) -> bool:
        """Whether the client has said that it sends no more (RFC 9112 9.6), and has sent no more."""
        return (
            not head.keep_alive
            and head.method != "CONNECT"
            and self.body_is_complete
            and self._reader.is_idle
            and self.upgraded is None
        )

    def _become_idle(self, now: float) -> None:
        self.state = IDLE
        if self._write_listener is not None:
            return  # ``unstuck`` comes here again
        deadline = self.deadline = now + self.worker.settings.keepalive_timeout
        if deadline < self.wake:
            self.worker.clock.watch(self, deadline)
        if self._listener is None:
            self.listen()
        if not self._advancing and not self._reader.is_idle:
            self._advance_later()

    def _drain(self) -> None:
        data = self._receive()
        if data is None:
            return
        try:
            self.decode(data)
        except RefusedError:
            self.close()
            return
        if self.body_is_complete:
            self.decoder = None
            self._become_idle(time.monotonic())

    def refuse(self, refused: RefusedError) -> None:
        """Answers a malformed request and closes."""
        worker = self.worker
        response = plain_response(refused.status, refused.reason, date=worker.clock.date)
        response = self.take_unsent() + response
        worker.note_refused(self, refused.status, refused.reason)
        try:
            worker.counters.bytes_out += self.sock.send(response)
        except OSError:
            self.close()  # a buffer that has no room for this belongs to a client that reads nothing
            return
        self.linger()

    def linger(self) -> None:
        """Half-closes, and reads to EOF so that no RST destroys what was sent."""
        self.exchange = self.decoder = None
        self.body_data = b""
        self._reader.take_rest()
        if self.upgraded is not None:
            self.upgraded.end()
            self.worker.hub.schedule_call_global(0, self.wake_reader)
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()
            return
        self.state = LINGERING
        self.listen()
        seconds = DRAINING_LINGER_SECONDS if self.worker.is_draining else LINGER_SECONDS
        self.worker.clock.watch(self, time.monotonic() + seconds)

    def _linger(self) -> None:
        self._receive()

    def close(self) -> None:
        """Ends the connection at once; does nothing the second time."""
        if self.state is CLOSED:
            return
        self.state = CLOSED
        if self.upgraded is not None:
            self.upgraded.end()
        super().close()
        self.worker.forget(self)

    def expire(self) -> None:
        """Ends what took too long. Runs in: hub, from the clock."""
        if self.upgraded is not None and self.state is RUNNING and self._waiter is not None:
            # The app's own timeout, which is no fault of the client's.
            resume(self.worker.hub, self._waiter, False)
        elif self.state is RUNNING or self.is_stuck:
            super().expire()
        elif self.state in (HEAD, FIRST_CHUNK):
            self.worker.counters.note_timeout("header" if self.state is HEAD else "body")
            self.refuse(RefusedError(408, "the request took too long to arrive"))
        elif self._is_unused():
            self._close_if_quiet()
        else:
            self.close()

    def _is_unused(self) -> bool:
        """Whether nothing is on its way in either direction, as far as can be known here."""
        return self.state is IDLE and not self.is_stuck

    def drain_worker(self) -> None:
        """Closes the connection if it is idle: the worker serves no more. Runs in: hub."""
        if self.upgraded is not None:
            self.upgraded.tell_drain()
            return
        self.flush()
        if not self._is_unused():
            return
        now = quiet_since = time.monotonic()
        if self._served_at_once:
            quiet_since = self.deadline - self.worker.settings.keepalive_timeout
        if quiet_since + QUIET_SECONDS <= now:
            self._close_if_quiet()
        else:
            self.worker.clock.watch(self, quiet_since + QUIET_SECONDS)

    def _close_if_quiet(self) -> None:
        """Closes an unused connection, unless a request has come that the hub did not look at yet."""
        deadline = self.deadline
        if self._reader.is_idle:
            self._readable(self.fd)
        else:
            self._advance_now()  # one that was pipelined
        if (
            self._is_unused() and self.deadline == deadline
        ):  # a request that was served has moved it
            if not self.worker.is_draining:
                kind = "keepalive" if self._fields is not None else "no_request"
                self.worker.counters.note_timeout(kind)
            self.close()
