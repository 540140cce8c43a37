"""Results that are too long, or too slow, for the hub: what a cursor gets in the place of the C result.

Rules: C code that lets go of the interpreter, as all reading from the network, runs in a native thread;
C code that holds it, as the making of Python values, would stop the hub from there, too, so it runs
in slices of about a millisecond in the hub, between which others run.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Callable
from typing import Any, Protocol

from MySQLdb import MySQLError

from wsgisrv.blocking.green import is_green, turn

SLICE_SECONDS = 0.001
"""How long the making of values may hold the hub before others run."""

MOST_ROWS_AHEAD = 1000
"""Rows that are read ahead of a server-side cursor, if they come within SLICE_SECONDS."""

_FASTEST_GROWTH = 8  # of the next slice: rows may be much longer than those before

Rows = tuple[Any, ...]


class Owner(Protocol):
    """The connection, as a result needs it."""

    def off_hub(self, function: Callable[..., Any], *args: Any) -> Any:
        """Returns the function's result, from a native thread when the caller is green."""

    def abandon(self) -> None:
        """Closes the connection, whose state nobody knows any more."""

    def is_closed(self) -> bool:
        """Returns whether nothing can be read from it."""


class _Wrapped:
    """Everything of the C result that needs no care."""

    def __init__(self, raw: Any) -> None:
        self._raw = raw

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)


class StoredResult(_Wrapped):
    """A long result that has been read: only the making of its values is left.

    Args:
        short_rows: how many rows at the beginning are known to be short.
    """

    def __init__(self, raw: Any, short_rows: int) -> None:
        super().__init__(raw)
        self._count = max(short_rows, 1)

    def fetch_row(self, maxrows: int = 1, how: int = 0) -> Rows:
        """Returns up to ``maxrows`` rows, or all for 0.

        Args:
            how: 0 for tuples, 1 and 2 for dictionaries, as MySQLdb has it.
        """
        if not is_green():
            whole: Rows = self._raw.fetch_row(maxrows, how)
            return whole
        left = min(maxrows, self._raw.num_rows()) if maxrows else self._raw.num_rows()
        parts = []
        while left > 0:
            count = min(self._count, left)
            with turn():
                begin = time.perf_counter()
                parts.append(self._raw.fetch_row(count, how))
                took = time.perf_counter() - begin
            left -= count
            self._count = _next_count(count, took)
        return parts[0] if len(parts) == 1 else tuple(itertools.chain.from_iterable(parts))


def _next_count(count: int, took: float) -> int:
    """Returns how many rows to make next, after ``count`` of them took so many seconds."""
    fitting = int(count * SLICE_SECONDS / max(took, 1e-7))
    return max(1, min(fitting, count * _FASTEST_GROWTH))


class StreamedResult(_Wrapped):
    """A result that is read row by row while the server sends it (SSCursor).

    A row that is there takes a microsecond and a thread fifty, so rows are read ahead, as long as they come
    without a wait: a slow row is never waited for on behalf of the one before.

    Args:
        owner: the connection.
    """

    def __init__(self, owner: Owner, raw: Any) -> None:
        super().__init__(raw)
        self._owner = owner
        self._ahead: list[Any] = []  # in reverse order: the next row is the last
        self._failure: Exception | None = None  # that came behind rows which are not yet asked for
        self._is_done = False

    def fetch_row(self, maxrows: int = 1, how: int = 0) -> Rows:
        """As StoredResult's."""
        rows: list[Any] = []
        while not maxrows or len(rows) < maxrows:
            if self._ahead:
                count = min(maxrows - len(rows) if maxrows else MOST_ROWS_AHEAD, len(self._ahead))
                part = self._ahead[-count:]
                del self._ahead[-count:]
                part.reverse()
                rows += part
            elif self._is_done:
                break
            else:
                self._read_ahead(how)
        return tuple(rows)

    def discard(self) -> None:
        """Reads what is left and forgets it."""
        self._ahead.clear()
        if self._is_done:
            return
        self._is_done = True
        if not self._owner.is_closed():
            self._owner.off_hub(self._raw.discard)

    def _read_ahead(self, how: int) -> None:
        self._raise_failure()
        self._ahead = self._owner.off_hub(self._read, how)
        self._ahead.reverse()
        if not self._ahead:
            self._raise_failure()

    def _raise_failure(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            # What is not MySQL's is a value that no converter could read: more rows follow.
            self._is_done = isinstance(failure, MySQLError)
            raise failure

    def _read(self, how: int) -> list[Any]:
        """Runs in a native thread: waits for one row, and takes those that follow at once."""
        until = time.perf_counter() + SLICE_SECONDS
        rows: list[Any] = []
        while len(rows) < MOST_ROWS_AHEAD:
            try:
                part = self._raw.fetch_row(1, how)
            except Exception as error:
                self._failure = error
                break
            if not part:
                self._is_done = True
                break
            rows += part
            if time.perf_counter() >= until:
                break
        return rows

    def __del__(self) -> None:
        # Freeing the C result would read all that is left, in the hub: then rather no connection.
        with contextlib.suppress(AttributeError):
            if not self._is_done and is_green():
                self._owner.abandon()
