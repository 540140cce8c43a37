"""A connection that an app has taken over, and the offer to do so (``wsgisrv.upgrade`` says how it looks).

Rules: the request that took it over runs on while the connection lives: it counts as running, keeps its row
on the scoreboard, and its line of the access log is written at the end. ``request_timeout`` does not
apply to it. Everything waits in the hub, over plain sockets and TLS alike.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import eventlet

from wsgisrv.http1.upgrade import switching_head, wanted_protocols
from wsgisrv.upgrade import RawConnection
from wsgisrv.worker.clock import NEVER
from wsgisrv.worker.errors import ClientGoneError
from wsgisrv.worker.outgoing import Outgoing
from wsgisrv.worker.stream import RECEIVE_BYTES, UNSENT_BYTES

if TYPE_CHECKING:
    from wsgisrv.worker.connection import Connection
    from wsgisrv.worker.gateway import Exchange

RECEIVES_AT_ONCE = 2
"""How often an app may receive without waiting before others have their turn: a client that sends faster
than the app reads must not keep the hub."""


def offer_upgrade(exchange: Exchange, environ: dict[str, Any]) -> None:
    """Puts ``wsgisrv.upgrade`` into the environ of a request that asks for it rightly."""
    protocols = wanted_protocols(exchange.head)
    if not protocols:
        return

    def upgrade(protocol: str, headers: Sequence[tuple[str, str]] = ()) -> RawConnection:
        connection = exchange.connection
        memo = connection.worker.response_memo
        exchange.switch_protocols(switching_head(protocol, headers, protocols, memo))
        connection.upgraded = UpgradedConnection(connection, exchange)
        connection.worker.begin_upgraded(exchange)
        return connection.upgraded

    environ["wsgisrv.upgrade"] = upgrade


class UpgradedConnection(RawConnection):
    """Args:
    connection: of the client.
    exchange: the request that has taken it over.
    """

    __slots__ = ("_at_end", "_came_at_once", "_connection", "_data", "_must_tell", "_outgoing")

    def __init__(self, connection: Connection, exchange: Exchange) -> None:
        self._connection = connection
        self._outgoing = Outgoing(connection, exchange)
        self._data = connection.take_rest()
        self._at_end = False
        self._came_at_once = 0
        self._must_tell = connection.worker.is_draining

    @property
    def peer(self) -> tuple[str, str]:  # noqa: D102 -- the docstrings are RawConnection's
        return self._connection.peer

    @property
    def is_draining(self) -> bool:  # noqa: D102
        return self._connection.worker.is_draining

    @property
    def unsent_bytes(self) -> int:  # noqa: D102
        return self._outgoing.unsent_bytes

    def recv(self, most: int = 65536, timeout: float | None = None) -> bytes | None:  # noqa: D102
        deadline = NEVER if timeout is None else time.monotonic() + timeout
        connection = self._connection
        while not self._at_end and self._outgoing.is_open:
            if self._must_tell:
                self._must_tell = False
                return None
            if self._data:
                data, self._data = self._data[:most], self._data[most:]
                return data
            if self._came_at_once >= RECEIVES_AT_ONCE:
                self._came_at_once = 0
                eventlet.sleep(0)
                continue
            try:
                self._data = connection.sock.recv(RECEIVE_BYTES)
            except (BlockingIOError, InterruptedError):
                if timeout is not None and timeout <= 0:
                    raise TimeoutError from None
                self._came_at_once = 0
                connection.wait_readable(deadline)
            except OSError:
                self._at_end = True
            else:
                connection.worker.counters.bytes_in += len(self._data)
                self._at_end = not self._data
                self._came_at_once += 1
        return b""

    def sendall(self, data: bytes) -> None:  # noqa: D102
        self._outgoing.add(data)
        self._outgoing.wait_sent(UNSENT_BYTES)

    def send_soon(self, data: bytes) -> bool:  # noqa: D102
        if self._outgoing.unsent_bytes > UNSENT_BYTES:
            return False
        self._outgoing.add(data)
        return True

    def close(self) -> None:  # noqa: D102
        if self._outgoing.is_open:
            try:
                self._outgoing.wait_sent(0)
            except ClientGoneError:
                return
            self._connection.linger()

    def abort(self) -> None:  # noqa: D102
        self._connection.abort()

    def tell_drain(self) -> None:
        """The worker begins to drain: wakes whoever waits to receive. Runs in: hub."""
        self._must_tell = True
        self._connection.worker.hub.schedule_call_global(0, self._connection.wake_reader)

    def end(self) -> None:
        """The connection is closed, or the server's again: the app can do nothing with it any more."""
        self._outgoing.end()
