"""WebSocket (RFC 6455) for WSGI apps, on wsproto and ``environ["wsgisrv.upgrade"]``.

    def echo(socket: WebSocket) -> None:
        for message in socket:
            socket.send(message)

    app = WebSocketApp(echo)

Rules: whatever server offers ``wsgisrv.upgrade`` will do; imports no eventlet and waits only by way of the
connection that it is given.
"""

from __future__ import annotations

from wsgisrv.websocket.app import WebSocketApp
from wsgisrv.websocket.handshake import ANY_ORIGIN, SAME_HOST
from wsgisrv.websocket.socket import WebSocket, WebSocketClosedError, broadcast

__all__ = [
    "WebSocketApp",
    "WebSocket",
    "WebSocketClosedError",
    "broadcast",
    "SAME_HOST",
    "ANY_ORIGIN",
]
