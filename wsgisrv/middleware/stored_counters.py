"""Counters outside of the process: Redis, or wherever else the library ``limits`` can store.

Rules: every failure, also of the network, is one CounterError.
"""

from __future__ import annotations

import time

from limits.errors import StorageError
from limits.storage import Storage

from wsgisrv.middleware.counters import CounterError


class StoredCounters:
    """Args:
    storage: of the library, made to wrap its exceptions.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def hit(self, key: str, seconds: int) -> tuple[int, float]:
        """As Counters says; two round trips."""
        try:
            count = self._storage.incr(key, seconds)
            left = self._storage.get_expiry(key) - time.time()
        except (StorageError, OSError) as error:
            raise CounterError(str(error)) from error
        return count, min(max(left, 0.0), seconds)
