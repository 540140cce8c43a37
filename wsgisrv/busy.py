"""The error of a service that has too much to do right now: whoever answers the client makes 503 of it.

Imports nothing.
"""

from __future__ import annotations


class BusyError(Exception):
    """Raised by ``wsgisrv.blocking`` when a queue is full: try again later.

    Unhandled in a request it becomes 503 with Retry-After, by ``wsgisrv.api`` as by the server itself.

    Args:
        text: which queue, and the option that bounds it.
        retry_after: seconds after which another attempt may succeed, 1 or more.
    """

    def __init__(self, text: str, retry_after: int = 1) -> None:
        super().__init__(text)
        self.retry_after = retry_after
