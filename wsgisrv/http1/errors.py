"""The one error that a peer's bytes can cause."""

from __future__ import annotations


class RefusedError(Exception):
    """Raised by the reader for a request that must not be served: answer ``status`` and close.

    Args:
        status: the HTTP status to answer with, 400 to 599.
        reason: what is wrong, for the log and the body; holds no bytes of the peer's.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
