"""WebSockets with one behaviour each, chosen by ``app`` in the paste file."""

from __future__ import annotations

import sys
from collections.abc import Callable
from wsgiref.types import WSGIApplication

from wsgisrv.websocket import ANY_ORIGIN, WebSocket, WebSocketApp, WebSocketClosedError, broadcast


def factory(global_conf: dict[str, str], app: str) -> WSGIApplication:
    found: WSGIApplication = globals()[app]
    return found


def say(line: str) -> None:
    sys.stderr.write(line + "\n")


def _echo(socket: WebSocket) -> None:
    """Sends back what comes, and says at the end with which code it ended."""
    try:
        while True:
            socket.send(socket.receive())
    except WebSocketClosedError as closed:
        say(f"ended: {closed.code} {closed.reason}")
        raise


def _subprotocol(socket: WebSocket) -> None:
    socket.send(str(socket.subprotocol))


def _failing(socket: WebSocket) -> None:
    raise LookupError(str(socket.receive()))


def _closing(socket: WebSocket) -> None:
    """Closes with the code and reason that the first message names, and looks at what is left then."""
    code, _, reason = str(socket.receive()).partition(" ")
    socket.send("goodbye")
    socket.close(int(code), reason)
    socket.close(4999, "a second time")
    uses: dict[str, Callable[[], object]] = {
        "receive": socket.receive,
        "ping": socket.ping,
        "send": lambda: socket.send("late"),
    }
    for name, use in uses.items():
        try:
            use()
        except WebSocketClosedError as closed:
            say(f"{name}: {closed.code} {closed.reason}")


def _patient(socket: WebSocket) -> None:
    """Says when nothing has come for a while, and goes on."""
    try:
        socket.receive(timeout=0.5)
    except TimeoutError:
        socket.send("timeout")
    socket.send(socket.receive())


class Room:
    """A chat: what one says, all get."""

    def __init__(self) -> None:
        self.members = set[WebSocket]()

    def __call__(self, socket: WebSocket) -> None:
        self.members.add(socket)
        try:
            broadcast(self.members.copy(), f"{len(self.members)} are here")
            for message in socket:
                broadcast(self.members.copy(), message)
        finally:
            self.members.discard(socket)
            say(f"{len(self.members)} left")


def _pushing(socket: WebSocket) -> None:
    """Sends all the time and receives nothing."""
    while not socket.is_draining:
        socket.send(bytes(65536))


def _closer(socket: WebSocket) -> None:
    """Is closed by another greenlet while it receives."""
    import threading

    def close() -> None:
        socket.close(4001, "by another")

    threading.Timer(0.2, close).start()
    try:
        socket.receive()
    except WebSocketClosedError as closed:
        say(f"heard: {closed.code} {closed.reason}")


echo = WebSocketApp(_echo, max_message_bytes=100_000)
compressed = WebSocketApp(_echo, max_message_bytes=100_000, compresses=True)
public = WebSocketApp(_echo, origins=ANY_ORIGIN)
listed = WebSocketApp(_echo, origins=["https://example.org"])
subprotocol = WebSocketApp(_subprotocol, subprotocols=("v2.chat", "v1.chat"))
failing = WebSocketApp(_failing)
closing = WebSocketApp(_closing)
patient = WebSocketApp(_patient)
room = WebSocketApp(Room())
pushing = WebSocketApp(_pushing)
closer = WebSocketApp(_closer)
watchful = WebSocketApp(_echo, ping_interval=1.0)
