"""The gateway: one request becomes an environ, what the app answers becomes a response.

Rules: PEP 3333 to the letter. Nothing is sent before the first non-empty piece of the body or its end,
so that whatever fails until then is a clean 500; head and first piece leave in one send. What fails
later closes the connection, since the client must not take half a response for a whole one.
What an app gives is Any here: a type would be a TypeError in a compiled build, before it is checked.
Runs in: pool greenlet.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import unquote_to_bytes

import greenlet
from eventlet import timeout

from wsgisrv.busy import BusyError
from wsgisrv.current import CURRENT
from wsgisrv.http1.believed import believe_proxies
from wsgisrv.http1.errors import RefusedError
from wsgisrv.http1.head import RequestHead
from wsgisrv.http1.writer import (
    LAST_CHUNK,
    ResponseError,
    ResponseHead,
    check_head,
    plain_response,
    with_retry_after,
)
from wsgisrv.worker.body_input import NO_BODY, BodyInput
from wsgisrv.worker.errors import BodyError, ClientGoneError
from wsgisrv.worker.file_wrapper import FileWrapper
from wsgisrv.worker.stream import JOIN_BYTES
from wsgisrv.worker.upgrade import offer_upgrade

if TYPE_CHECKING:
    from wsgisrv.worker.connection import Connection

_LOG = logging.getLogger("wsgisrv.app")

# How the end of the body is marked (RFC 9112 6.3); _ENDED once nothing more of it may be sent, _UPGRADED
# when none may be, since the connection is the app's own.
_NO_BODY, _LENGTH, _CHUNKED, _CLOSE, _ENDED, _UPGRADED = range(6)

NO_ENVIRON: dict[str, Any] = {}
"""Of a request that has none yet, or not any more."""


class Exchange:
    """One request and its response.

    Args:
        connection: of the client.
        head: of the request.
    """

    __slots__ = (
        "_deadline", "_framing", "_input", "_keep", "_left", "_response", "answered", "body_bytes", "client",
        "connection", "environ", "head", "row", "sent_head", "started", "status", "waited",
    )  # fmt: skip

    input_type: ClassVar[type[BodyInput]] = BodyInput

    def __init__(self, connection: Connection, head: RequestHead) -> None:
        self.connection = connection
        self.client = connection.peer
        self.head = head
        self.started = time.monotonic()
        self.answered = 0.0  # when the head of the response was sent
        self.sent_head = False
        self.status = 0  # the code, once the head was sent
        self.body_bytes = 0  # sent, without the chunks' framing
        self.row = -1  # on the scoreboard
        self.waited = 0.0  # seconds, for a place in the pool
        self.environ = NO_ENVIRON  # while it runs
        self._response: ResponseHead | None = None
        self._framing = _NO_BODY
        self._left = 0  # bytes that the declared length still asks for
        self._keep = head.keep_alive
        self._input: BodyInput | None = None

    def run(self) -> None:
        """Runs the app for this request and answers; raises nothing but GreenletExit."""
        worker = self.connection.worker
        worker.begin(self)
        seconds = worker.settings.request_timeout
        self._deadline = timeout.Timeout(seconds) if seconds else None
        try:
            environ = self.environ = self._environ()
            CURRENT.set(environ)
            self._answer(worker.app(environ, self.start_response))
        except ClientGoneError as gone:
            _LOG.debug("client %s went away: %s", self.connection.peer[0], gone)
            self.connection.abort()
        except BodyError as error:
            self._fail(error.status, str(error))
        except RefusedError as refused:
            worker.counters.note_refused(refused.status, refused.reason)
            self._fail(refused.status, refused.reason)
        except greenlet.GreenletExit:
            self._keep = False
            raise
        except BaseException as error:  # a Timeout, SystemExit: no app may end the worker with it
            self._app_failed(error, is_late=error is self._deadline)
        finally:
            if self._deadline is not None:
                self._deadline.cancel()
            self._framing = _ENDED
            if self._input is not None:
                self._input.detach()
            now = time.monotonic()
            worker.end(self, now)
            self.environ = NO_ENVIRON  # which refers to this exchange
            self.connection.finish(self._keep, now)

    # The request

    @property
    def bytes_in(self) -> int:
        """Bytes of the body that have come, without the chunks' framing."""
        decoder = self.connection.decoder
        return decoder.body_bytes if decoder is not None else 0

    def _environ(self) -> dict[str, Any]:
        connection = self.connection
        worker = connection.worker
        head = self.head
        environ = connection.environ_of(head)
        path = head.path
        if "%" in path:
            path = unquote_to_bytes(path).decode("latin-1")
        environ["REQUEST_METHOD"] = head.method
        environ["REQUEST_URI"] = head.target
        environ["PATH_INFO"] = path
        environ["QUERY_STRING"] = head.query
        if head.minor:
            environ["wsgi.early_hints"] = self.early_hints
        if head.length:
            self._input = environ["wsgi.input"] = self.input_type(connection, head.expect_continue)
        else:
            environ["wsgi.input"] = NO_BODY
        if worker.trusted_proxies:
            believed = worker.settings.trusted_proxy_headers
            self.client = believe_proxies(
                environ, head.fields, connection.peer, worker.trusted_proxies, believed
            )
        if "HTTP_UPGRADE" in head.fields:
            offer_upgrade(self, environ)
        return environ

    # What the app calls

    def start_response(
        self,
        status: Any,
        headers: Any,
        exc_info: Any = None,
    ) -> Callable[[bytes], None]:
        """PEP 3333, "The start_response() Callable": a str, a list of tuples, and exc_info or None.

        Raises:
            ResponseError: for a second call without exc_info, and for what may not be sent.
            BaseException: exc_info's own, when the head has been sent.
        """
        if exc_info is not None:
            try:
                if self.sent_head and exc_info[1] is not None:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # PEP 3333: avoid a circular reference
        elif self._response is not None:
            which = "after an upgrade" if self._framing == _UPGRADED else "twice without exc_info"
            raise ResponseError(f"start_response() was called {which}")
        self._response = check_head(status, headers, self.connection.worker.response_memo)
        return self.write

    def write(self, data: Any) -> None:
        """Sends a piece of the body, the head before the first one.

        Raises:
            ClientGoneError: when the client went away.
            ResponseError: for what is no bytes, or is longer than the declared length, or comes when
                the response has ended and the connection is another request's.
        """
        if self._framing >= _ENDED and data:
            if self._framing == _UPGRADED:
                raise ResponseError("a body was written or returned after an upgrade")
            raise ResponseError("write() was called after the response had ended")
        if not isinstance(data, bytes):
            raise ResponseError(f"the response body has {type(data).__name__}, not bytes")
        if not data:
            return
        if self.sent_head:
            self._send_piece(b"", data)
        else:
            self._send_piece(self._begin(len(data), is_whole=False), data)

    def early_hints(self, headers: Any) -> None:
        """Sends 103 Early Hints (RFC 8297), as often as the app likes before its response.

        Args:
            headers: what the response will likely have; Link, for the most part.

        Raises:
            ResponseError: for what may not be sent.
            ClientGoneError: when the client went away.
        """
        hints = check_head("103 Early Hints", headers, self.connection.worker.response_memo)
        if not self.sent_head:
            self.connection.send(hints.to_bytes())

    def switch_protocols(self, response: ResponseHead) -> None:
        """Sends 101; from now on the connection is the app's (see ``upgrade``).

        Raises:
            ResponseError: after start_response.
            ClientGoneError: when the client went away.
        """
        if self._response is not None or self.sent_head:
            is_second = self._framing == _UPGRADED
            raise ResponseError(
                "a second upgrade" if is_second else "an upgrade after start_response()"
            )
        self._response = response
        self._hand_over()
        self.connection.send(response.to_bytes())

    def _hand_over(self) -> None:
        """No more of a response is sent by this class: the connection is the app's."""
        self.sent_head = True
        self.answered = time.monotonic()
        self.status = 101
        self._framing = _UPGRADED
        self._keep = False
        if self._deadline is not None:
            self._deadline.cancel()

    # The response

    def _answer(self, result: Iterable[Any]) -> None:
        if type(result) is list:  # the usual case, which has no close()
            self._answer_whole(result)
            self._framing = _ENDED
            return
        try:
            if isinstance(result, (list, tuple)):
                self._answer_whole(result)
            elif isinstance(result, FileWrapper):
                self._answer_file(result)
            else:
                self._answer_pieces(result)
            self._framing = _ENDED
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()

    def _answer_pieces(self, pieces: Iterable[Any]) -> None:
        for piece in pieces:
            self.write(piece)
            if self._framing == _NO_BODY and self.sent_head:
                break  # HEAD, 204, 304: nothing of it would be sent
        self._finish()

    def _answer_whole(self, pieces: list[Any] | tuple[Any, ...]) -> None:
        """Answers with a body that is all there: its length is known, and it leaves in one send."""
        if self.sent_head:
            self._answer_pieces(pieces)
            return
        if len(pieces) == 1:
            body = pieces[0]
        elif (size := sum(map(len, pieces))) > JOIN_BYTES:
            self._answer_long(pieces, size)
            return
        else:
            body = b"".join(pieces)
        if not isinstance(body, bytes):
            raise ResponseError(f"the response body has {type(body).__name__}, not bytes")
        head = self._begin(len(body), is_whole=True)
        if self._framing == _NO_BODY:
            body = b""
        self.body_bytes = len(body)
        if self._keep and len(body) <= JOIN_BYTES:
            self.connection.send_soon(head + body)
        elif self._keep:
            self.connection.send_whole(head, body)
        else:
            self.connection.send_both(head, body)

    def _answer_long(self, pieces: list[Any] | tuple[Any, ...], size: int) -> None:
        """Answers with a body that is all there, ``size`` bytes, too many to copy into one."""
        for piece in pieces:
            if not isinstance(piece, bytes):
                raise ResponseError(f"the response body has {type(piece).__name__}, not bytes")
        self.connection.send(self._begin(size, is_whole=True))
        self._answer_pieces(pieces)

    def _answer_file(self, wrapper: FileWrapper) -> None:
        """Answers with a file up to its end, or to Content-Length bytes of it (PEP 3333).

        A regular one goes by sendfile(2): no byte of it passes through Python.
        """
        declared = self._response.length if self._response is not None else -1
        can_send = not self.sent_head and self.connection.can_send_files
        there = wrapper.regular_file_bytes() if can_send else None
        if there is None:
            most = self._left if self._framing == _LENGTH else declared
            self._answer_pieces(wrapper.pieces(most))
            return
        size = there if declared < 0 else min(there, declared)
        self.connection.send(self._begin(size, is_whole=True))
        if self._framing != _NO_BODY and size:
            self.connection.send_file(wrapper, size)
            self.body_bytes += size

    def _begin(self, size: int, *, is_whole: bool) -> bytes:
        """Decides the framing (RFC 9112 6.3) and returns the head as bytes.

        Args:
            size: bytes of the body that are there.
            is_whole: whether they are all of it.

        Raises:
            ResponseError: when the app never called start_response, or its Content-Length is wrong.
        """
        response = self._response
        if response is None:
            raise ResponseError("the app did not call start_response()")
        head = self.head
        fields = response.fields
        declared = response.length
        keep = self._keep = self._may_keep(response)
        if head.method == "HEAD" or not response.has_body:
            self._framing = _NO_BODY
            if declared < 0 and head.method == "HEAD" and is_whole and size:
                declared = size
            if declared >= 0 and (response.has_body or response.code == 304):
                fields += f"Content-Length: {declared}\r\n"
        elif declared >= 0 or is_whole:
            if declared >= 0 and (size > declared or (is_whole and size < declared)):
                raise ResponseError(f"Content-Length is {declared}, the body has {size} bytes")
            self._framing = _LENGTH
            self._left = length = declared if declared >= 0 else size
            fields += f"Content-Length: {length}\r\n"
        elif head.minor:
            self._framing = _CHUNKED
            fields += "Transfer-Encoding: chunked\r\n"
        else:
            self._framing = _CLOSE
            keep = self._keep = False
        if not response.has_date:
            fields += self.connection.worker.clock.date_line
        if not keep:
            fields += "Connection: close\r\n"
        elif not head.minor:
            fields += "Connection: keep-alive\r\n"
        self.sent_head = True
        self.answered = time.monotonic()
        self.status = response.code
        return f"{response.status_line}{fields}\r\n".encode("latin-1")

    def _may_keep(self, response: ResponseHead) -> bool:
        """RFC 9112 9.3: whether the connection can carry another request after this response."""
        body = self._input
        may_keep = self._keep and self.connection.worker.keeps_connections and response.code >= 200
        if body is None:
            return may_keep
        awaits_continue = body.awaits_continue
        body.cancel_continue()  # it would stand in the midst of the response
        if not may_keep or self.connection.body_is_complete:
            return may_keep
        # An unread body that is short is thrown away; one that may never come, or is long, is not
        # worth the connection.
        most = self.connection.worker.settings.max_drain_bytes
        keep = not body.has_failed and not awaits_continue
        return keep and 0 < self.connection.body_bytes_left <= most

    def _send_piece(self, head: bytes, data: bytes) -> None:
        if self._framing == _CHUNKED:
            self.body_bytes += len(data)
            size = f"{len(data):x}\r\n".encode("ascii")
            if len(data) <= JOIN_BYTES:
                self.connection.send(b"%b%b%b\r\n" % (head, size, data))
                return
            self.connection.send_both(head + size, data)
            self.connection.send(b"\r\n")
            return
        if self._framing == _NO_BODY:
            data = b""
        elif self._framing == _LENGTH and len(data) > self._left:
            raise ResponseError("the body is longer than its Content-Length")
        self._left -= len(data)
        self.body_bytes += len(data)
        if head:
            self.connection.send_both(head, data)
        elif data:
            self.connection.send(data)

    def _finish(self) -> None:
        if not self.sent_head:
            self.connection.send(self._begin(0, is_whole=True))
        elif self._framing == _CHUNKED:
            self.connection.send(LAST_CHUNK)
        elif self._framing == _LENGTH and self._left:
            raise ResponseError(f"the body is {self._left} bytes shorter than its Content-Length")
        elif self.connection.upgraded is not None:
            self.connection.upgraded.close()

    # What goes wrong

    def _app_failed(self, error: BaseException, *, is_late: bool) -> None:
        line = self.connection.worker.label + self.head.line.decode("ascii")
        if is_late:
            seconds = self.connection.worker.settings.request_timeout
            _LOG.warning("%s ran longer than request_timeout (%g s)", line, seconds)
            self.connection.worker.counters.note_timeout("request")
            self._fail(503, "the request took too long")
            return
        if isinstance(error, BusyError):
            _LOG.warning("%s: %s", line, error)
            self._fail(503, "the service is busy", retry_after=error.retry_after)
            return
        if isinstance(error, ResponseError):
            _LOG.error("%s: %s", line, error)
        else:
            _LOG.error("%s failed", line, exc_info=error)
        self._fail(500, "the server failed to answer this request")

    def _fail(self, status: int, reason: str, *, retry_after: int = 0) -> None:
        """Answers with an error of the server's own, or just closes when the head was sent.

        Args:
            retry_after: seconds, which the client is told; 0 for nothing.
        """
        self._keep = False
        if self._framing == _ENDED:
            return  # close() failed: the response is complete, and RST could destroy its tail
        if self.connection.upgraded is not None:
            self.connection.upgraded.close()  # likewise: the app's last words may be on their way
            return
        if self.sent_head:
            self._break_off()
            return
        self.sent_head = True
        self.answered = time.monotonic()
        self.status = status
        try:
            response = self._error_response(status, reason)
            if retry_after:
                response = with_retry_after(response, retry_after)
            self.connection.send(response)
        except ClientGoneError as gone:
            _LOG.debug("client %s went away: %s", self.connection.peer[0], gone)

    def _error_response(self, status: int, reason: str) -> bytes:
        date = self.connection.worker.clock.date
        return plain_response(status, reason, date=date, with_body=self.head.method != "HEAD")

    @property
    def lasts_to_the_end(self) -> bool:
        """Whether nothing but the end of the connection ends the body (RFC 9112 6.3, rule 8)."""
        return self._framing == _CLOSE

    def _break_off(self) -> None:
        """Ends a response whose head was sent so that nobody takes it for complete."""
        self.connection.abort()
