"""A WSGI app that answers with WebSockets.

Rules: a request that asks for none, or wrongly, or from a page that may not, gets an ordinary answer. The
handler runs as long as its WebSocket; whatever way it ends, the client is told by a close frame.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from wsgiref.types import StartResponse, WSGIEnvironment

from wsgisrv.upgrade import Upgrade
from wsgisrv.websocket.handshake import SAME_HOST, RefusedHandshakeError, agree
from wsgisrv.websocket.socket import (
    FAILED,
    GOING_AWAY,
    NORMAL,
    WebSocket,
    WebSocketClosedError,
)

Handler = Callable[[WebSocket], None]

MIB = 1024 * 1024


class WebSocketApp:
    """Answers each request with a WebSocket, for paste files and as a route of a larger app.

    Args:
        handler: called with each WebSocket; when it returns, the WebSocket is closed with 1000 (1001 while
            the worker drains), and when it raises, with 1011.
        subprotocols: that the handler speaks, the preferred one first; the WebSocket's ``subprotocol`` is the
            first that the client offers.
        origins: pages that may connect, as ``https://example.org``. By default those of the same host only:
            a browser would send the user's cookies for any page.
        max_message_bytes: of one message, 1 or more.
        ping_interval: seconds of silence after which a client is pinged, and after as many again given up;
            0 for never. The default keeps proxies from closing it for being idle, which most do
            after a minute.
        compresses: whether permessage-deflate (RFC 7692) is agreed to. Off by default: it costs far
            more time than it saves on small messages, and what is secret should not be
            compressed together with what an attacker chooses.
    """

    def __init__(
        self,
        handler: Handler,
        *,
        subprotocols: Sequence[str] = (),
        origins: Collection[str] = SAME_HOST,
        max_message_bytes: int = MIB,
        ping_interval: float = 30.0,
        compresses: bool = False,
    ) -> None:
        self._handler = handler
        self._subprotocols = subprotocols
        self._origins = origins
        self._max_message_bytes = max_message_bytes
        self._ping_interval = ping_interval
        self._compresses = compresses

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serves one request. Runs in: pool greenlet."""
        try:
            agreed = agree(
                environ,
                subprotocols=self._subprotocols,
                origins=self._origins,
                compresses=self._compresses,
            )
        except RefusedHandshakeError as refused:
            text = ("Content-Type", "text/plain; charset=us-ascii")
            start_response(refused.status, [text, *refused.headers])
            return [f"{refused}\n".encode("ascii")]
        upgrade: Upgrade = environ["wsgisrv.upgrade"]
        socket = WebSocket(
            upgrade("websocket", agreed.headers),
            environ,
            subprotocol=agreed.subprotocol,
            extensions=[agreed.deflate] if agreed.deflate is not None else [],
            max_message_bytes=self._max_message_bytes,
            ping_interval=self._ping_interval,
        )
        self._serve(socket)
        return []

    def _serve(self, socket: WebSocket) -> None:
        code = FAILED
        try:
            self._handler(socket)
            code = GOING_AWAY if socket.is_draining else NORMAL
        except WebSocketClosedError:
            code = NORMAL  # which changes nothing, unless it was another one that has ended
        finally:
            socket.close(code)
