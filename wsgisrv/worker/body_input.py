"""``wsgi.input``: the request body as PEP 3333 wants it, read from the socket as the app asks.

Rules: nothing is read ahead, so memory stays flat whatever the app does with the body. The first read of
a client that expects it sends 100 Continue. ``read`` returns fewer bytes than asked only at the end.
Runs in: pool greenlet.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from wsgisrv.http1.errors import RefusedError
from wsgisrv.http1.writer import CONTINUE
from wsgisrv.worker.errors import BodyError, MalformedBodyError

if TYPE_CHECKING:
    from wsgisrv.worker.connection import Connection


class NoBody:
    """The input of a request without a body; one for all of them."""

    __slots__ = ()

    def read(self, size: int | None = -1) -> bytes:
        """Returns b""."""
        return b""

    def readline(self, size: int | None = -1) -> bytes:
        """Returns b""."""
        return b""

    def readlines(self, hint: int | None = -1) -> list[bytes]:
        """Returns no lines."""
        return []

    def __iter__(self) -> Iterator[bytes]:
        return iter(())


NO_BODY = NoBody()


class BodyInput:
    """The input of one request.

    Args:
        connection: of the request.
        expect_continue: whether the client waits for 100 Continue.
    """

    __slots__ = ("_connection", "_data", "_error", "_expects", "_received", "_waited")

    def __init__(self, connection: Connection, expect_continue: bool) -> None:
        self._connection: Connection | None = connection
        self._data, connection.body_data = connection.body_data, b""
        self._expects = expect_continue and not self._data
        self._error: BodyError | None = None
        self._waited = 0.0  # seconds
        self._received = len(self._data)

    @property
    def awaits_continue(self) -> bool:
        """Whether the client still waits to be told to send the body."""
        return self._expects

    def cancel_continue(self) -> None:
        """The response has begun: 100 Continue may not be sent any more."""
        self._expects = False

    @property
    def has_failed(self) -> bool:
        """Whether a read has raised: the connection is of no use after the response."""
        return self._error is not None

    def detach(self) -> None:
        """The request has ended: later reads find the body gone."""
        self._connection = None

    def read(self, size: int | None = -1) -> bytes:
        """Returns ``size`` bytes, or what is left if that is less; all of it if size is negative.

        Raises:
            BodyError: when the body is malformed, ends early or comes too slowly.
        """
        if size is None or size < 0:
            return b"".join(iter(self._take_some, b""))
        data = self._take(size)
        if len(data) == size or not data:
            return data
        pieces = [data]
        missing = size - len(data)
        while missing and (data := self._take(missing)):
            pieces.append(data)
            missing -= len(data)
        return b"".join(pieces)

    def readline(self, size: int | None = -1) -> bytes:
        """Returns one line with its LF, at most ``size`` bytes of it unless size is negative.

        Raises:
            BodyError: as for ``read``.
        """
        pieces: list[bytes] = []
        left = -1 if size is None else size
        while left and (data := self._take_some()):
            line_end = data.find(b"\n") + 1
            cut = line_end or len(data)
            if 0 <= left < cut:
                cut = left
            pieces.append(data[:cut])
            self._data = data[cut:]
            if cut == line_end:
                break
            left -= cut if left > 0 else 0
        return b"".join(pieces)

    def readlines(self, hint: int | None = -1) -> list[bytes]:
        """Returns the lines that are left, or those up to about ``hint`` bytes if hint is positive.

        Raises:
            BodyError: as for ``read``.
        """
        lines: list[bytes] = []
        total = 0
        for line in self:
            lines.append(line)
            total += len(line)
            if hint is not None and 0 < hint <= total:
                break
        return lines

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.readline, b"")

    def _take(self, most: int) -> bytes:
        """Returns at least one byte and at most ``most``, b"" at the end or if most is 0."""
        if not most:
            return b""
        data = self._take_some()
        if len(data) > most:
            self._data = data[most:]
            return data[:most]
        return data

    def _take_some(self) -> bytes:
        """Returns what is here or, when nothing is, what comes next; b"" at the end."""
        if self._data:
            data, self._data = self._data, b""
            return data
        if self._error:
            raise self._error
        connection = self._connection
        if connection is None or connection.body_is_complete:
            return b""
        try:
            return self._receive(connection)
        except BodyError as error:
            self._error = error
            raise

    def _receive(self, connection: Connection) -> bytes:
        if self._expects:
            self._expects = False
            connection.send(CONTINUE)
        settings = connection.worker.settings
        while True:
            began = time.monotonic()
            try:
                raw = connection.wait_data(settings.body_timeout)
            except TimeoutError:
                raise BodyError(408, "the request body took too long to arrive") from None
            if not raw:
                raise BodyError(400, "the client closed before the end of the request body")
            self._waited += time.monotonic() - began
            self._received += len(raw)
            if self._waited > settings.body_timeout and self._is_too_slow(settings.min_body_rate):
                raise BodyError(408, "the request body came too slowly")
            try:
                data = connection.decode(raw)
            except RefusedError as refused:
                connection.worker.counters.note_refused(refused.status, refused.reason)
                raise MalformedBodyError(refused.status, refused.reason) from None
            if data or connection.body_is_complete:
                return data

    def _is_too_slow(self, min_rate: int) -> bool:
        return self._received < min_rate * self._waited
