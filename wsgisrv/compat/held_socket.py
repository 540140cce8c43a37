"""``environ["eventlet.input"].get_socket()``: the client's connection as a socket of the app's.

Rules: to ask for it changes nothing; with the first byte that is sent or received the connection is the
app's, and the server sends no response on it. It has the methods of a socket that protocols over HTTP need
(eventlet.websocket is one); encrypted or not is no difference.
Runs in: any greenlet but the hub's.
"""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING, Any

from wsgisrv.worker.errors import ClientGoneError
from wsgisrv.worker.upgrade import UpgradedConnection

if TYPE_CHECKING:
    from wsgisrv.compat.exchange import EmbeddedExchange


class HeldSocket:
    """Args:
    exchange: whose connection it is.
    timeout: seconds to wait for the client's bytes, None for as long as it takes.
    """

    def __init__(self, exchange: EmbeddedExchange, timeout: float | None) -> None:
        self._exchange = exchange
        self._timeout = timeout

    @property
    def _connection(self) -> UpgradedConnection:
        return self._exchange.hold()

    def recv(self, size: int, flags: int = 0) -> bytes:
        """Returns at most ``size`` bytes, b"" at the end.

        Raises:
            TimeoutError: when none came in time.
            ValueError: for flags.
        """
        if flags:
            raise ValueError("no flags can be used on a connection of the server's")
        while (data := self._connection.recv(size, self._timeout)) is None:
            if self._exchange.is_idle:
                return b""  # the server ends, and the app has said that it may be interrupted
        return data

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """Receives into ``buffer`` and returns how many bytes; 0 at the end.

        Raises:
            TimeoutError: as for ``recv``.
        """
        view = memoryview(buffer).cast("B")
        data = self.recv(nbytes or len(view), flags)
        view[: len(data)] = data
        return len(data)

    def sendall(self, data: bytes) -> None:
        """Sends ``data``.

        Raises:
            OSError: EPIPE, when the client is gone.
        """
        try:
            self._connection.sendall(bytes(data))
        except ClientGoneError as gone:
            # By its number eventlet.websocket knows that this is nobody's fault.
            raise ClientGoneError(errno.EPIPE, str(gone)) from None

    def send(self, data: bytes) -> int:
        """Sends all of ``data`` and returns its length.

        Raises:
            OSError: as for ``sendall``.
        """
        self.sendall(data)
        return len(data)

    def shutdown(self, how: int) -> None:
        """Ends the server's side, whatever ``how`` is."""
        self._connection.close()

    def close(self) -> None:
        """Ends the server's side once all is sent."""
        self._connection.close()

    def settimeout(self, timeout: float | None) -> None:
        """Sets the seconds to wait for the client's bytes."""
        self._timeout = timeout

    def gettimeout(self) -> float | None:
        """Returns them."""
        return self._timeout

    def getpeername(self) -> tuple[str, int]:
        """Returns the client's address and port."""
        host, port = self._exchange.connection.peer
        return host, int(port or 0)

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        """Sets an option of the socket below.

        Raises:
            OSError: as setsockopt(2).
        """
        self._exchange.connection.sock.setsockopt(level, option, value)

    def fileno(self) -> int:
        """Returns the descriptor, which the server watches: good to look at, not to wait for."""
        return self._exchange.connection.fd
