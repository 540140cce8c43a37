"""What a request may find wrong with its client."""

from __future__ import annotations

from wsgisrv.errors import ClientError


class ClientGoneError(ClientError, OSError):
    """Raised in a request that writes to a client that went away: no error of the app's or ours."""


class BodyError(ClientError, OSError):
    """Raised in the app by a read of a body that is malformed, cut short or too slow.

    Args:
        status: what to answer unless the app has answered.
        reason: what is wrong, without bytes of the client's.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class MalformedBodyError(BodyError):
    """Raised likewise, for a body whose chunks are none or that is over a bound."""
