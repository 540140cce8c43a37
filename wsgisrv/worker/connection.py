"""One client's connection, driven by the hub: no greenlet and no timer while it is idle.

Rules: every method runs in the hub unless it says otherwise; nothing in the hub waits. The read listener
stays registered from one request to the next: it is taken off only when bytes come that nobody wants
yet (backpressure), and put back by whoever wants them. A request runs in a pool greenlet, which alone
may read the body and write the response; ``finish`` gives the connection back to the hub.

    IDLE -> HEAD -> (FIRST_CHUNK) -> RUNNING -> IDLE | DRAINING -> IDLE | LINGERING -> CLOSED

Facts about sockets: close() with bytes unread makes the kernel send RST, which can destroy a response on
its way (RFC 9112 9.6), so a connection that the client may still write to is half-closed and read to EOF.
"""

from __future__ import annotations

import enum
import logging
import os
import socket
import struct
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import greenlet

from wsgisrv.http1.body import BodyDecoder, ChunkedDecoder, LengthDecoder
from wsgisrv.http1.errors import RefusedError
from wsgisrv.http1.head import CHUNKED, RequestHead
from wsgisrv.http1.reader import RequestReader
from wsgisrv.http1.writer import plain_response
from wsgisrv.worker.clock import NEVER
from wsgisrv.worker.errors import ClientGoneError
from wsgisrv.worker.file_wrapper import FileWrapper
from wsgisrv.worker.gateway import Exchange

if TYPE_CHECKING:
    from wsgisrv.worker.worker import Worker

_LOG = logging.getLogger("wsgisrv.http")

RECEIVE_BYTES = 65536
LINGER_SECONDS = 2.0
DRAINING_LINGER_SECONDS = 0.5
"""How long a half-closed connection is read to its end; then it is closed whatever comes. A client that
keeps its side open must not hold up a worker that wants to end."""

SENDFILE_BYTES = 1024 * 1024
"""Most of a file in one system call: what comes from a disk must not hold the hub for long."""

PIPELINED_AT_ONCE = 16
"""Requests of one connection that are served before the hub looks at the others."""


_RESET = struct.pack("ii", 1, 0)  # socket(7), SO_LINGER: on, for no time


class State(enum.IntEnum):
    """Where a connection stands."""

    IDLE = 0  # no byte of a next request has come
    HEAD = 1  # some have
    FIRST_CHUNK = 2  # the head is complete, the first chunk-size line is not
    RUNNING = 3  # a request waits for a pool slot or runs
    DRAINING = 4  # the response is sent, an unread body is thrown away
    LINGERING = 5  # half-closed; what comes is thrown away
    CLOSED = 6


class Connection:
    """Args:
    worker: shared by all connections of the process.
    sock: non-blocking and unpatched.
    peer: the client's address and port, empty for a unix socket.
    base_environ: what every request on this listener has.
    """

    __slots__ = (
        "_advancing", "_listener", "_on_readable", "_reader", "_served_at_once", "_waiter", "_waits_to_read",
        "base_environ",
        "body_data", "deadline", "decoder", "exchange", "fd", "peer", "sock", "state", "wake",
        "worker",
    )  # fmt: skip

    def __init__(
        self, worker: Worker, sock: Any, peer: tuple[str, str], base_environ: dict[str, Any]
    ) -> None:
        self.worker = worker
        self.sock = sock
        self.fd: int = sock.fileno()
        self.peer = peer
        self.base_environ = base_environ
        self.state = State.IDLE
        self.deadline = self.wake = NEVER
        self.decoder: BodyDecoder | None = None
        self.body_data = b""  # decoded but not yet read by the app
        self.exchange: Exchange | None = None
        self._reader = RequestReader(worker.limits, worker.field_names)
        self._waiter: Any = None  # the greenlet that waits for this socket
        self._waits_to_read = False  # and for what
        self._on_readable: Callable[[int], None] = self._readable
        self._listener: Any = None
        self._served_at_once = 0
        self._advancing = False
        self._listen()
        worker.clock.watch(self, time.monotonic() + worker.settings.header_timeout)

    # Listening

    def _listen(self) -> None:
        if self._listener is None:
            hub = self.worker.hub
            self._listener = hub.add(hub.READ, self.fd, self._on_readable, _ignore, None)
            # The hub notes who listens; a request that did would never be let go of.
            self._listener.greenlet = hub.greenlet

    def _pause(self) -> None:
        if self._listener is not None:
            self.worker.hub.remove(self._listener)
            self._listener = None

    def _readable(self, _fd: int) -> None:
        try:
            state = self.state
            if state <= State.HEAD:
                self._read_head()
            elif state == State.RUNNING:
                if self._waits_to_read:
                    self._wake_waiter()
                else:
                    self._pause()
            elif state == State.FIRST_CHUNK:
                self._read_first_chunk()
            elif state == State.DRAINING:
                self._drain()
            elif state == State.LINGERING:
                self._linger()
        except Exception:
            # A bug of ours must cost one connection, not the worker: the hub would print it and
            # leave the socket open for good.
            _LOG.exception("connection from %s failed", self.peer[0])
            self.close()

    def _receive(self) -> bytes | None:
        """Returns what has come, None when nothing has; closes at EOF and returns None, too."""
        try:
            data: bytes = self.sock.recv(RECEIVE_BYTES)
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            data = b""
        if not data:
            self.close()
            return None
        self.worker.counters.bytes_in += len(data)
        return data

    # A request's head

    def _read_head(self) -> None:
        data = self._receive()
        if data is not None:
            self._served_at_once = 0
            self._advance(data)

    def _advance(self, data: bytes) -> None:
        """Serves what is complete: the request in ``data``, and those pipelined behind it."""
        self._advancing = True
        while self.state <= State.HEAD:
            try:
                head = self._reader.receive(data)
            except RefusedError as refused:
                self.refuse(refused)
                break
            if head is None:
                self._await_head()
                break
            self._begin(head)
            if self._reader.is_idle or self.state != State.IDLE:
                break
            if self._served_at_once >= PIPELINED_AT_ONCE:
                self._advance_later()
                break
            data = b""
        self._advancing = False

    def _await_head(self) -> None:
        if self.state == State.IDLE and not self._reader.is_idle:
            self.state = State.HEAD
            self.worker.clock.watch(self, time.monotonic() + self.worker.settings.header_timeout)

    def _advance_later(self) -> None:
        self._pause()
        self.worker.hub.schedule_call_global(0, self._advance_now)

    def _advance_now(self) -> None:
        if self.state == State.IDLE:
            self._listen()
            self._served_at_once = 0
            self._advance(b"")

    def _begin(self, head: RequestHead) -> None:
        self.deadline = NEVER
        self.state = State.RUNNING
        self._served_at_once += 1
        exchange = Exchange(self, head)
        if head.length:
            self.exchange = exchange
            if not self._begin_body(head):
                return
        self.exchange = exchange
        self.worker.pool.submit(exchange)

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
            self.state = State.FIRST_CHUNK
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
            self.state = State.RUNNING
            assert self.exchange is not None  # noqa: S101 -- set by _begin, for mypy
            self.worker.pool.submit(self.exchange)

    @property
    def body_bytes_left(self) -> int:
        """Bytes of the body that have not come; -1 for a chunked one."""
        return self.decoder.remaining if self.decoder is not None else 0

    @property
    def body_is_complete(self) -> bool:
        """Whether the whole body has come from the client."""
        return self.decoder is None or self.decoder.is_complete

    # Waiting. Runs in: pool greenlet

    def receive_body(self, seconds: float) -> bytes:
        """Waits at most ``seconds`` for raw bytes of the body; b"" at EOF. Runs in: pool greenlet.

        Raises:
            TimeoutError: when none came.
        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                data: bytes = self.sock.recv(RECEIVE_BYTES)
            except (BlockingIOError, InterruptedError):
                self._listen()
                self._waits_to_read = True
                self._wait(deadline)
            except OSError:
                return b""
            else:
                self.worker.counters.bytes_in += len(data)
                return data

    def send(self, data: bytes) -> None:
        """Sends all of ``data``, waiting for a client that is slow. Runs in: pool greenlet.

        Raises:
            ClientGoneError: when it went away or took nothing for ``write_timeout``.
        """
        try:
            sent = self.sock.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError as error:
            raise ClientGoneError(*error.args) from None
        self.worker.counters.bytes_out += sent
        if sent < len(data):
            self._send_rest(memoryview(data)[sent:])

    def _send_rest(self, rest: memoryview) -> None:
        while rest:
            self._wait_writable()
            try:
                sent = self.sock.send(rest)
            except (BlockingIOError, InterruptedError):
                continue
            except OSError as error:
                raise ClientGoneError(*error.args) from None
            self.worker.counters.bytes_out += sent
            rest = rest[sent:]

    def send_file(self, wrapper: FileWrapper, count: int) -> None:
        """Sends ``count`` bytes from the file's position by sendfile(2). Runs in: pool greenlet.

        Raises:
            ClientGoneError: as for ``send``, or when the file has become shorter.
        """
        source = wrapper.fileno()
        at = wrapper.tell()
        end = at + count
        while at < end:
            try:
                sent = os.sendfile(self.fd, source, at, min(end - at, SENDFILE_BYTES))
            except (BlockingIOError, InterruptedError):
                self._wait_writable()
                continue
            except OSError as error:
                raise ClientGoneError(*error.args) from None
            if not sent:
                raise ClientGoneError("the file became shorter while it was sent")
            self.worker.counters.bytes_out += sent
            at += sent

    def _wait_writable(self) -> None:
        hub = self.worker.hub
        listener = hub.add(hub.WRITE, self.fd, self._writable, _ignore, None)
        try:
            self._wait(time.monotonic() + self.worker.settings.write_timeout)
        except TimeoutError:
            raise ClientGoneError("the client takes nothing of the response") from None
        finally:
            hub.remove(listener)

    def _writable(self, _fd: int) -> None:
        self._wake_waiter()

    def _wait(self, deadline: float) -> None:
        """Waits for a listener of this socket. Runs in: pool greenlet.

        Raises:
            TimeoutError: at the deadline.
        """
        if self._waiter is not None:
            raise RuntimeError(
                "two greenlets wait for one connection; an app may use it from one only"
            )
        self._waiter = greenlet.getcurrent()
        self.worker.clock.watch(self, deadline)
        try:
            in_time = self.worker.hub.switch()
        finally:
            self._waiter = None
            self._waits_to_read = False
            self.deadline = NEVER
        if not in_time:
            raise TimeoutError

    def _wake_waiter(self) -> None:
        self._waiter.switch(True)

    # The end of a request. Runs in: pool greenlet, or the hub for a refused one

    def finish(self, keep: bool) -> None:
        """Takes the connection back after a response. ``keep``: the client was not told to close."""
        if self.state == State.CLOSED:
            return
        self.exchange = None
        self.body_data = b""
        if not keep:
            self.linger()
            return
        if self.decoder is not None:
            if not self.decoder.is_complete:
                self.state = State.DRAINING
                self._listen()
                self.worker.clock.watch(self, time.monotonic() + self.worker.settings.body_timeout)
                return
            self.decoder = None
        self._become_idle()

    def _become_idle(self) -> None:
        self.state = State.IDLE
        self.worker.clock.watch(self, time.monotonic() + self.worker.settings.keepalive_timeout)
        if self._listener is None:
            self._listen()
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
            self._become_idle()

    def refuse(self, refused: RefusedError) -> None:
        """Answers a malformed request and closes."""
        worker = self.worker
        response = plain_response(refused.status, refused.reason, date=worker.clock.date)
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
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.close()
            return
        self.state = State.LINGERING
        self._listen()
        seconds = DRAINING_LINGER_SECONDS if self.worker.is_draining else LINGER_SECONDS
        self.worker.clock.watch(self, time.monotonic() + seconds)

    def _linger(self) -> None:
        self._receive()

    def abort(self) -> None:
        """Ends the connection so that the client cannot take the response for a complete one.

        RST rather than FIN: a body that lasts to the end of the connection has no other sign.
        """
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        except OSError as error:
            _LOG.debug("the connection was gone already: %s", error)
        self.close()

    def close(self) -> None:
        """Ends the connection at once; does nothing the second time."""
        if self.state == State.CLOSED:
            return
        self.state = State.CLOSED
        self._pause()
        self.worker.clock.forget(self)
        self.sock.close()
        self.worker.forget(self)

    def expire(self) -> None:
        """Ends what took too long. Runs in: hub, from the clock."""
        counters = self.worker.counters
        if self._waiter is not None:
            counters.timed_out += 1
            self._waiter.switch(False)
        elif self.state in (State.HEAD, State.FIRST_CHUNK):
            counters.timed_out += 1
            self.refuse(RefusedError(408, "the request took too long to arrive"))
        elif self.state != State.RUNNING:
            self.close()

    def drain_worker(self) -> None:
        """Closes the connection if it is idle: the worker serves no more. Runs in: hub."""
        if self.state == State.IDLE:
            self._readable(self.fd)  # first bytes that have come already are a request
            if self.state == State.IDLE:
                self.close()


def _ignore(_error: BaseException) -> None:
    """The listener's throwback: the connection closes its own descriptor, nobody else does."""
