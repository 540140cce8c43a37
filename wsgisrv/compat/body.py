"""``wsgi.input`` with what eventlet's has beyond PEP 3333: 100 Continue with headers, and its errors.

Rules: reading is the worker's. A request has one body: eventlet lets an app ask for a second one in chunks
behind the end of the first, which is where the next request begins (RFC 9112 7.1).
Runs in: pool greenlet.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from wsgisrv.compat.errors import ChunkReadError, InputTimeoutError
from wsgisrv.compat.held_socket import HeldSocket
from wsgisrv.compat.response import capitalized
from wsgisrv.http1.writer import check_head
from wsgisrv.worker.body_input import BodyInput
from wsgisrv.worker.errors import BodyError, MalformedBodyError

if TYPE_CHECKING:
    from wsgisrv.compat.exchange import EmbeddedExchange
    from wsgisrv.worker.connection import Connection


class Input(BodyInput):
    """The input of one request."""

    __slots__ = ("_continue_headers", "_exchange", "_has_answered")

    def __init__(self, connection: Connection, expect_continue: bool) -> None:
        super().__init__(connection, expect_continue)
        # Eventlet tells every client that asked, also one that did not wait for it.
        self._expects = expect_continue
        self._has_answered = False
        self._continue_headers: list[tuple[str, str]] = []
        self._exchange: EmbeddedExchange | None = None

    def belongs_to(self, exchange: EmbeddedExchange) -> None:
        """Says whose input it is."""
        self._exchange = exchange

    def detach(self) -> None:
        """The request has ended: later reads find the body gone."""
        super().detach()
        self._exchange = None

    def get_socket(self) -> HeldSocket:
        """Returns the connection as a socket, on which the app may speak another protocol.

        Raises:
            RuntimeError: when the request has ended.
        """
        if self._exchange is None:
            raise RuntimeError("the request has ended, and its connection is the server's")
        return HeldSocket(self._exchange, self._exchange.embedded.options.socket_timeout)

    def cancel_continue(self) -> None:
        """The response has begun: 100 Continue may not be sent any more."""
        super().cancel_continue()
        self._has_answered = True

    def set_hundred_continue_response_headers(
        self, headers: Iterable[tuple[str, str]], capitalize_response_headers: bool = True
    ) -> None:
        """Sets what the next 100 Continue has beside its status.

        Args:
            headers: as for start_response.
            capitalize_response_headers: makes ``x-some-name`` ``X-Some-Name``.
        """
        self._continue_headers = [
            (capitalized(name) if capitalize_response_headers else name, value)
            for name, value in headers
        ]

    def send_hundred_continue_response(self) -> None:
        """Sends 100 Continue, as often as the app likes until its response begins.

        Raises:
            ResponseError: for a header that may not be sent.
            ClientGoneError: when the client went away.
        """
        if self._has_answered or self._connection is None:
            return
        memo = self._connection.worker.response_memo
        head = check_head("100 Continue", self._continue_headers, memo)
        self._expects = False
        self._connection.send(head.to_bytes())

    def _take_some(self) -> bytes:
        if self._expects:
            self.send_hundred_continue_response()
        return super()._take_some()

    def _receive(self, connection: Connection) -> bytes:
        try:
            return super()._receive(connection)
        except MalformedBodyError as error:
            raise ChunkReadError(error.status, str(error)) from None
        except BodyError as error:
            if error.status == 408:
                raise InputTimeoutError(error.status, str(error)) from None
            raise
