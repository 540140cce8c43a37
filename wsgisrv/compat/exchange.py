"""One request and its response, with what eventlet.wsgi adds to the environ and to the response.

Rules: what is right and wrong in HTTP is the worker's to say; here is only what eventlet's documentation
promises to an app or its client. Runs in: pool greenlet.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from eventlet import Timeout
from eventlet import wsgi as eventlet_wsgi

from wsgisrv.compat.body import Input
from wsgisrv.compat.response import Gathered, Whole, as_headers, without_connection
from wsgisrv.http1.head import RequestHead
from wsgisrv.http1.writer import ResponseError, closing_response
from wsgisrv.worker.file_wrapper import FileWrapper
from wsgisrv.worker.gateway import Exchange
from wsgisrv.worker.upgrade import UpgradedConnection

if TYPE_CHECKING:
    from wsgisrv.compat.connection import EmbeddedConnection

_LOG = logging.getLogger("wsgisrv.app")


class EmbeddedExchange(Exchange):
    """Args:
    connection: of the client.
    head: of the request.
    """

    __slots__ = (
        "_environ_given",
        "_raw_headers_of",
        "_traceback",
        "embedded",
        "has_begun",
        "is_idle",
    )

    input_type = Input

    def __init__(self, connection: EmbeddedConnection, head: RequestHead) -> None:
        self.embedded = connection.embedded
        if self.embedded.options.is_http10:
            head = _as_http10(head)
        super().__init__(connection, head)
        self.has_begun = False
        self._raw_headers_of = connection.raw_headers
        self._environ_given: dict[str, Any] = {}
        self._traceback = ""
        self.is_idle = False

    def run(self) -> None:
        """Runs the app for this request and answers; raises nothing but GreenletExit."""
        self.has_begun = True
        super().run()

    def never_began(self) -> None:
        """Gives the connection up: whoever owns the pool has killed the greenlet."""
        self.connection.close()

    # The request

    def _environ(self) -> dict[str, Any]:
        environ = super()._environ()
        body = environ["wsgi.input"]
        if not isinstance(body, Input):
            body = environ["wsgi.input"] = Input(self.connection, False)
        body.belongs_to(self)
        environ["eventlet.input"] = body
        environ["eventlet.set_idle"] = self.set_idle
        environ["eventlet.posthooks"] = []
        environ["RAW_PATH_INFO"] = self.head.path
        environ["headers_raw"] = self._raw_headers_of(self.head)
        environ.setdefault("CONTENT_TYPE", "text/plain")
        self._environ_given = environ
        return environ

    # A connection that the app holds

    def hold(self) -> UpgradedConnection:
        """Gives the app its connection, once and for all.

        Raises:
            ResponseError: when a response was sent, or the request has ended.
        """
        connection = self.connection
        if connection.upgraded is None:
            if self.sent_head or connection.exchange is not self:
                raise ResponseError("the socket was used after the response")
            self._hand_over()
            connection.send(b"")  # what earlier responses have left
            connection.upgraded = UpgradedConnection(connection, self)
            connection.worker.begin_upgraded(self)
        return connection.upgraded

    def set_idle(self) -> None:
        """The app says that what it does on its connection may be interrupted when the server ends."""
        self.is_idle = True

    def run_hooks(self) -> None:
        """Calls what the app has put into ``eventlet.posthooks``."""
        environ, self._environ_given = self._environ_given, {}
        try:
            for hook, args, kwargs in environ.get("eventlet.posthooks", ()):
                hook(environ, *args, **kwargs)
        except (Exception, Timeout):
            _LOG.exception("a hook of %s failed", self.head.line.decode("ascii"))

    # The response

    def start_response(
        self,
        status: Any,
        headers: Any,
        exc_info: Any = None,
    ) -> Any:
        """PEP 3333, "The start_response() Callable", lenient as eventlet's.

        Raises:
            ResponseError: for a second call without exc_info, and for what may not be sent.
            BaseException: exc_info's own, when the head has been sent.
        """
        capitalize = self.embedded.options.capitalize_response_headers
        given, asks_to_close = without_connection(as_headers(headers, capitalize=capitalize))
        self._keep = self._keep and not asks_to_close
        return super().start_response(status, given, exc_info)

    def _answer(self, result: Iterable[Any]) -> None:
        if isinstance(result, FileWrapper) or (type(result) is list and _is_bytes(result)):
            super()._answer(result)
        elif hasattr(result, "__len__"):
            super()._answer(Whole(result))
        else:
            super()._answer(Gathered(result, self._least_piece()))

    def _least_piece(self) -> int:
        default = self.embedded.options.minimum_chunk_size
        return int(self._environ_given.get("eventlet.minimum_write_chunk_size", default))

    def _answer_whole(self, pieces: list[Any] | tuple[Any, ...]) -> None:
        if self._was_handled():
            self._keep = False
        else:
            super()._answer_whole(pieces)

    def _finish(self) -> None:
        if self._was_handled():
            self._keep = False
            return
        response = self._response
        if not self.sent_head and response is not None and response.length < 0:
            # An iterable's length was not known: its framing does not depend on what came of it.
            self.connection.send(self._begin(0, is_whole=False))
        super()._finish()

    def _was_handled(self) -> bool:
        """Whether the app has answered by itself, on the socket; closes that if so.

        Looked at where the app gave no response only: to ask a green local leaves a trace in the
        greenlet, which could not be used again.
        """
        if self.connection.upgraded is not None:
            self.connection.upgraded.close()
            return True
        if self._response is not None:
            return False
        return bool(getattr(eventlet_wsgi.WSGI_LOCAL, "already_handled", False))

    def _begin(self, size: int, *, is_whole: bool) -> bytes:
        head = super()._begin(size, is_whole=is_whole)
        if self.embedded.options.is_http10:
            head = head.replace(b"HTTP/1.1", b"HTTP/1.0", 1)
        asked = self.head.fields.get("HTTP_CONNECTION", "").lower() == "keep-alive"
        if self._keep and asked:
            head = head[:-2] + self._keep_alive_lines() + b"\r\n"
        return head

    def _keep_alive_lines(self) -> bytes:
        """Returns what a client is told that asked to keep the connection."""
        lines = b"Connection: keep-alive\r\n" if self.head.minor else b""
        seconds = int(self.embedded.options.keepalive_seconds or 0)
        return lines + (b"Keep-Alive: timeout=%d\r\n" % seconds if seconds else b"")

    # What goes wrong

    def _app_failed(self, error: BaseException, *, is_late: bool) -> None:
        self._traceback = "".join(traceback.format_exception(error))
        self.embedded.log.info("%s", self._traceback.rstrip("\n"))
        self._fail(500, "the server failed to answer this request")

    def _error_response(self, status: int, reason: str) -> bytes:
        if status != 500:
            return super()._error_response(status, reason)
        text = self._traceback if self.embedded.options.debug else ""
        return closing_response(
            status,
            text.encode("utf-8", "backslashreplace"),
            charset="utf-8",
            date=self.embedded.clock.date,
            with_body=self.head.method != "HEAD",
        )

    def _break_off(self) -> None:
        """Ends a response whose head was sent. Where its framing shows that it is not whole, what was
        sent reaches the client, as with eventlet: a reset could destroy it.
        """
        if self.lasts_to_the_end:
            super()._break_off()


def _is_bytes(pieces: list[object]) -> bool:
    return all(type(piece) is bytes for piece in pieces)


def _as_http10(head: RequestHead) -> RequestHead:
    """Returns the head as that of an HTTP/1.0 request that keeps no connection."""
    older = head.with_line(head.line, head.method, head.target)
    older.path, older.query = head.path, head.query
    older.minor = 0
    older.keep_alive = older.expect_continue = False
    return older
