"""``environ["wsgisrv.upgrade"]``: how an app takes a connection over, as types that anybody may import.

Rules: the key is there only for a request that asks rightly: HTTP/1.1, ``Connection: upgrade``, an Upgrade
field, no body. Called, it answers 101 and returns the connection, which is the app's until it returns; then
the server closes it. An app that does not call it answers as always. Imports nothing.
Source: RFC 9110 section 7.8.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol


class RawConnection(Protocol):
    """A connection that an app has taken over, encrypted or not.

    One greenlet may receive while any others send. What one call sends stays together, and the order of the
    calls is kept. A greenlet that waits for the client here holds no place in the pool.
    """

    @property
    def peer(self) -> tuple[str, str]:
        """The client's address and port, both empty for a unix socket."""

    @property
    def is_draining(self) -> bool:
        """Whether the worker is ending: whatever is open at ``graceful_timeout`` is cut."""

    @property
    def unsent_bytes(self) -> int:
        """Bytes that the client has not taken yet."""

    def recv(self, most: int = 65536, timeout: float | None = None) -> bytes | None:
        """Waits for what the client sends; what came behind the request comes first.

        Args:
            most: bytes to return; 1 or more.
            timeout: seconds to wait, and up to half a second more; 0 does not wait; None waits for as
                long as it takes.

        Returns:
            Bytes; b"" when the client has ended its side or is gone; None, once, when the worker begins
            to drain, whatever has come.

        Raises:
            TimeoutError: when nothing came in time; the connection can be used on.
            RuntimeError: when another greenlet waits to receive.
        """

    def sendall(self, data: bytes) -> None:
        """Sends ``data``; waits only while more than 256 KiB are unsent.

        Raises:
            OSError: when the client is gone, or took nothing for ``write_timeout``, or after ``close``.
        """

    def send_soon(self, data: bytes) -> bool:
        """Sends ``data`` without ever waiting, or returns False if more than 256 KiB are unsent already.

        Raises:
            OSError: as for ``sendall``.
        """

    def close(self) -> None:
        """Waits until all is sent and ends the server's side; nothing is received any more."""

    def abort(self) -> None:
        """Cuts the connection at once, unsent bytes and all."""


class Upgrade(Protocol):
    """What stands in the environ."""

    def __call__(self, protocol: str, headers: Sequence[tuple[str, str]] = ()) -> RawConnection:
        """Answers 101 Switching Protocols and returns the connection.

        Args:
            protocol: one of those that the request's Upgrade field names.
            headers: of the answer, beside Upgrade and Connection, which the server sends.

        Raises:
            Exception: for a protocol that was not asked for, a header that may not be sent, or after
                ``start_response``; nothing was sent then.
            OSError: when the client is gone.
        """
