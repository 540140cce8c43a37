"""Clients that send requests all the while, some on new connections and some on kept ones, and note what
fails.

A request on a kept connection that ends without a byte of an answer is sent once more on a new one, as
RFC 9112 9.5 lets a client do; these are counted, and the second one must not fail.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import http.client
import itertools
import random
import threading
import time
from collections.abc import Sequence

PATIENCE = 60.0
"""Seconds that a request may take: a crash loop's longest delay and some more."""

LONGEST_REQUEST = 0.3

Address = tuple[str, int]


@dataclasses.dataclass(frozen=True, slots=True)
class Failure:
    """A request that was not answered.

    Args:
        port: of the client's end; 0 when there was no connection.
        at: time.monotonic() at its end.
    """

    target: str
    port: int
    at: float
    error: str

    def __str__(self) -> str:
        return f"GET {self.target} from port {self.port}: {self.error}"


class Clients:
    """Args:
    addresses: of the service; each client has one of them.
    seed: of the requests' lengths and pauses.
    """

    def __init__(self, addresses: Sequence[Address], seed: int) -> None:
        self._numbers = itertools.count(1)
        self._over = threading.Event()
        self.failures: list[Failure] = []
        self.retried: list[Failure] = []  # what failed on a kept connection, and was sent again
        self.answered: collections.Counter[int] = collections.Counter()  # by worker
        self._threads = [
            threading.Thread(
                target=self._run,
                args=(addresses[n // 2 % len(addresses)], random.Random(seed + n), n % 2 == 0),  # noqa: S311 -- as in plan
            )
            for n in range(6)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> bool:
        """Lets each finish its request; False when one does not."""
        self._over.set()
        until = time.monotonic() + PATIENCE + 5
        for thread in self._threads:
            thread.join(max(until - time.monotonic(), 0))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self, address: Address, dice: random.Random, keeps: bool) -> None:
        connection: http.client.HTTPConnection | None = None
        while not self._over.is_set():
            target = f"/{next(self._numbers)}?{dice.uniform(0, LONGEST_REQUEST):.3f}"
            is_kept = connection is not None and connection.sock is not None
            if connection is None:
                connection = http.client.HTTPConnection(*address, timeout=PATIENCE)
            failure, has_begun = self._ask(connection, target)
            if failure is not None and is_kept and not has_begun:
                self.retried.append(failure)
                connection = http.client.HTTPConnection(*address, timeout=PATIENCE)
                failure, _ = self._ask(connection, target)
            if failure is not None:
                self.failures.append(failure)
            if failure is not None or not keeps:
                connection.close()
                connection = None
            if dice.random() < 0.2:
                time.sleep(dice.uniform(0, 0.1))
        if connection is not None:
            connection.close()

    def _ask(
        self, connection: http.client.HTTPConnection, target: str
    ) -> tuple[Failure | None, bool]:
        """Returns how a request failed, if it did, and whether an answer had begun by then."""
        port, has_begun = 0, False
        try:
            if connection.sock is None:
                connection.connect()
            port = connection.sock.getsockname()[1]
            connection.request("GET", target)
            response = connection.getresponse()
            has_begun = True
            body = response.read()
            if response.status != 200:
                raise http.client.HTTPException(f"status {response.status}")
            self.answered[int(body)] += 1
        except (OSError, http.client.HTTPException, ValueError) as error:
            with contextlib.suppress(OSError):
                connection.close()
            said = f"{type(error).__name__} {error}"
            return Failure(target, port, time.monotonic(), said), has_begun
        return None, True
