"""One WebSocket: messages in and out, and its end.

Rules: one greenlet receives, any may send; nobody needs a thread or a lock, since frames are made and
queued without a switch between. Pings are answered, and a silent client is pinged, while somebody
receives. A client that breaks the protocol is closed with the code that RFC 6455 7.4.1 names.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterable, Iterator
from typing import Any

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Event, Message, Ping, TextMessage
from wsproto.extensions import Extension

from wsgisrv.upgrade import RawConnection

NORMAL = 1000
GOING_AWAY = 1001
ABNORMAL = 1006  # never sent: there was no close frame
TOO_BIG = 1009
FAILED = 1011

CLOSE_SECONDS = 2.0
"""How long the client's answer to a close frame is waited for."""

RECEIVE_BYTES = 65536

INFLATE_BYTES = 4096
"""Compressed bytes that are looked at in one go: they grow a thousandfold at most, to 4 MiB."""


class WebSocketClosedError(Exception):
    """Raised by whoever uses a WebSocket that has ended, whichever side ended it; no error of the app's.

    Args:
        code: of the close frame (RFC 6455 7.4), 1005 for a frame without one, 1006 for none: the client is
            gone.
        reason: of the close frame; may be empty.
    """

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"the WebSocket is closed: {code} {reason}".rstrip())
        self.code = code
        self.reason = reason


class WebSocket:
    """Args:
    raw: the connection, after the handshake.
    environ: of the request.
    subprotocol: that was agreed on.
    extensions: that were agreed on.
    max_message_bytes: a longer message ends the connection with 1009.
    ping_interval: seconds of silence after which a client is pinged, and after as many again given up; 0
        for never.
    """

    def __init__(
        self,
        raw: RawConnection,
        environ: dict[str, Any],
        *,
        subprotocol: str | None,
        extensions: list[Extension],
        max_message_bytes: int,
        ping_interval: float,
    ) -> None:
        self.environ = environ
        self.subprotocol = subprotocol
        self._raw = raw
        self._protocol = Connection(ConnectionType.SERVER, extensions)
        self._piece_bytes = INFLATE_BYTES if extensions else RECEIVE_BYTES
        self._max_message_bytes = max_message_bytes
        self._ping_interval = ping_interval or math.inf
        self._silent_since = time.monotonic()
        self._is_pinged = False  # since then
        self._is_receiving = False
        self._data = b""  # received, but not looked at yet
        self._message = bytearray()  # what has come of one that is not complete; text as UTF-8
        self._end: tuple[int, str] | None = None  # code and reason

    @property
    def is_draining(self) -> bool:
        """Whether the worker is ending: what does not receive has to look, and to return."""
        return self._raw.is_draining

    # Receiving

    def __iter__(self) -> Iterator[str | bytes]:
        """Yields messages until the WebSocket ends, in whatever way."""
        with contextlib.suppress(WebSocketClosedError):
            while True:
                yield self.receive()

    def receive(self, timeout: float | None = None) -> str | bytes:
        """Waits for the next message.

        Args:
            timeout: seconds to wait, and up to half a second more; None for as long as it takes.

        Raises:
            WebSocketClosedError: when the client has closed, is gone, broke the protocol, sent a message that
                is too big, or when the worker drains: then the client is told 1001.
            TimeoutError: when no message was complete in time; what has come of one is kept.
            RuntimeError: when another greenlet receives.
        """
        if self._is_receiving:
            raise RuntimeError("two greenlets receive from one WebSocket")
        until = math.inf if timeout is None else time.monotonic() + timeout
        self._is_receiving = True
        try:
            while self._end is None:
                event = self._next_event(until)
                message = self._handle(event) if event is not None else None
                if message is not None:
                    return message
        finally:
            self._is_receiving = False
        raise self._closed()

    def _handle(self, event: Event) -> str | bytes | None:
        """Does what an event asks for; returns a message that it completes."""
        if isinstance(event, Message):
            return self._add(event)
        if isinstance(event, Ping):
            with contextlib.suppress(WebSocketClosedError):
                self._send_event(event.response())
        elif isinstance(event, CloseConnection):
            if self._protocol.state is ConnectionState.REMOTE_CLOSING:
                self._finish(event.code, event.reason or "", event.response())
            else:  # wsproto's way to say that the client broke the protocol
                self._finish(event.code, event.reason or "", event)
        return None

    def _add(self, event: Message[Any]) -> str | bytes | None:
        # As bytes in one buffer: a list of parts would have no bound, since fragments may be empty.
        is_text = isinstance(event.data, str)
        self._message += event.data.encode() if is_text else event.data
        if len(self._message) > self._max_message_bytes:
            self._message.clear()
            self.close(TOO_BIG, f"a message may have {self._max_message_bytes} bytes")
            return None
        if not event.message_finished:
            return None
        whole = bytes(self._message)
        self._message.clear()
        return whole.decode() if is_text else whole

    def _next_event(self, until: float) -> Event | None:
        """Returns what the client has sent; None when something else has happened.

        Raises:
            TimeoutError: at ``until``.
        """
        event = next(self._protocol.events(), None)
        if event is not None:
            return event
        if not self._data:
            data = self._receive_data(until)
            if data is None:
                self._close(GOING_AWAY, "the server is ending", waits=True)
                return None
            if not data:
                self._note_end(ABNORMAL, "the client is gone")
                self._raw.close()
                return None
            self._data = data
        self._look_at_some()
        return next(self._protocol.events(), None)

    def _look_at_some(self) -> None:
        piece, self._data = self._data[: self._piece_bytes], self._data[self._piece_bytes :]
        self._protocol.receive_data(piece)

    def _receive_data(self, until: float) -> bytes | None:
        """As RawConnection.recv; pings a client that is silent, and gives up one that stays so."""
        while True:
            due = self._silent_since + self._ping_interval
            wait = min(due, until) - time.monotonic()
            try:
                data = self._raw.recv(RECEIVE_BYTES, None if wait == math.inf else max(wait, 0.0))
            except TimeoutError:
                if time.monotonic() >= until:
                    raise
                if self._is_pinged:
                    self._raw.abort()
                    return b""
                self._is_pinged = True
                self._silent_since = time.monotonic()
                with contextlib.suppress(WebSocketClosedError):
                    self._send_event(Ping())
            else:
                self._is_pinged = False
                self._silent_since = time.monotonic()
                return data

    # Sending

    def send(self, message: str | bytes) -> None:
        """Sends a message, text for str; waits while the client is slow. Runs in: any greenlet.

        Raises:
            WebSocketClosedError: when the WebSocket has ended, or does now.
            TypeError: for what is neither str nor bytes.
        """
        self._send_event(_message_event(message))

    def send_soon(self, message: str | bytes) -> None:
        """Sends a message without ever waiting: a client that has left 256 KiB unsent is cut off.

        Raises:
            WebSocketClosedError: when the WebSocket has ended, or does now.
            TypeError: for what is neither str nor bytes.
        """
        if self._end is not None:
            raise self._closed()
        data = self._protocol.send(_message_event(message))
        try:
            is_taken = self._raw.send_soon(data)
        except OSError:
            is_taken = False
        if not is_taken:
            self._lose()
            raise self._closed()

    def ping(self) -> None:
        """Sends a ping; the answer is taken by whoever receives.

        Raises:
            WebSocketClosedError: when the WebSocket has ended, or does now.
        """
        self._send_event(Ping())

    def _send_event(self, event: Event) -> None:
        if self._end is not None:
            raise self._closed()
        try:
            self._raw.sendall(self._protocol.send(event))
        except OSError:
            self._lose()
            raise self._closed() from None

    # The end

    def close(self, code: int = NORMAL, reason: str = "") -> None:
        """Ends the WebSocket; does nothing the second time.

        Waits a moment for the client's answer, unless another greenlet receives; that one is woken.

        Args:
            code: 1000, 1001, 1003, 1007 to 1011 or 3000 to 4999 (RFC 6455 7.4).
            reason: at most 123 bytes of UTF-8; more is cut off.

        Raises:
            ValueError: for a code below 1000 or above 4999.
        """
        if not NORMAL <= code < 5000:
            raise ValueError(f"{code} is no code of a close frame")
        self._close(code, reason, waits=not self._is_receiving)

    def _close(self, code: int, reason: str, *, waits: bool) -> None:
        if self._end is not None:
            return
        self._note_end(code, reason)
        with contextlib.suppress(OSError):
            self._raw.sendall(self._protocol.send(CloseConnection(code, reason)))
            if waits:
                self._await_answer()
        self._raw.close()

    def _await_answer(self) -> None:
        """Reads to the client's close frame; what comes before it has nobody to take it."""
        until = time.monotonic() + CLOSE_SECONDS
        with contextlib.suppress(TimeoutError):
            while self._protocol.state is ConnectionState.LOCAL_CLOSING:
                event = next(self._protocol.events(), None)
                if event is None:
                    if not self._data:
                        left = max(until - time.monotonic(), 0.0)
                        data = self._raw.recv(RECEIVE_BYTES, left)
                        if data == b"":
                            return
                        self._data = data or b""
                    self._look_at_some()
                elif isinstance(event, CloseConnection):
                    return

    def _finish(self, code: int, reason: str, last: CloseConnection) -> None:
        """Ends it with the close frame ``last``: nothing that comes behind matters."""
        self._note_end(code, reason)
        with contextlib.suppress(OSError):
            self._raw.sendall(self._protocol.send(last))
        self._raw.close()

    def _lose(self) -> None:
        """The client takes nothing any more."""
        self._note_end(ABNORMAL, "the client is gone")
        self._raw.abort()

    def _note_end(self, code: int, reason: str) -> None:
        if self._end is None:
            self._end = (int(code), reason)

    def _closed(self) -> WebSocketClosedError:
        code, reason = self._end or (ABNORMAL, "")
        return WebSocketClosedError(code, reason)


def broadcast(sockets: Iterable[WebSocket], message: str | bytes) -> None:
    """Sends one message to many and waits for none: who is too slow is cut off, who has ended left out.

    Args:
        sockets: may change while this runs only if it is a copy.

    Raises:
        TypeError: for a message that is neither str nor bytes.
    """
    for socket in sockets:
        with contextlib.suppress(WebSocketClosedError):
            socket.send_soon(message)


def _message_event(message: str | bytes) -> Event:
    if isinstance(message, str):
        return TextMessage(data=message)
    if isinstance(message, bytes):
        return BytesMessage(data=message)
    raise TypeError(f"a message is str or bytes, not {type(message).__name__}")
