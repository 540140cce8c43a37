"""Any DB-API module, with each call that may block in a native thread.

    create_engine("sqlite:///shelf.sqlite", module=dbapi.threaded(sqlite3))

For drivers that have no green way of their own: slower than those, since each call costs a thread's
wake-up, but it stops nobody. A script that has no hub calls the module directly.

Rules: a connection is one greenlet's at a time, as the DB-API wants it of modules with ``threadsafety`` 1,
and with 0 the module is one call's at a time. Calls of one connection come from different threads, one after
the other; sqlite3, which forbids that by default, is told not to (``check_same_thread``). A greenlet
that is interrupted leaves its call to end alone, and the connection is closed then: its state is unknown.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, Self

from wsgisrv.blocking.green import exclusive, is_green
from wsgisrv.blocking.threads import in_thread_to_end

READ_AHEAD_SECONDS = 0.001
MOST_ROWS_AHEAD = 1000


def threaded(module: ModuleType) -> Any:
    """Returns what can be used in the place of the module, as SQLAlchemy's ``module=``.

    Args:
        module: with the names of PEP 249.
    """
    return _Module(module)


class _Module:
    """The module's names, and a ``connect`` of our own."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self.__name__ = module.__name__
        # Only one call at a time, of whichever connection, where threads may not share the module.
        self._only_one = exclusive() if module.threadsafety == 0 else contextlib.nullcontext()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def connect(self, *args: Any, **kwargs: Any) -> Connection:
        """As the module's."""
        if hasattr(self._module, "sqlite_version"):
            kwargs.setdefault("check_same_thread", False)
        use = _Use(self._module, self._only_one)
        use.raw = use.call(self._connect, use, args, kwargs)
        return Connection(use, use.raw)

    def _connect(self, use: _Use, args: Any, kwargs: Any) -> Any:
        use.raw = self._module.connect(*args, **kwargs)  # at once: it is closed if nobody waits
        return use.raw


class _Use:
    """Who uses a connection, and whether it may be used at all.

    Args:
        only_one: held by each call.
    """

    def __init__(self, module: Any, only_one: Any) -> None:
        self._module = module
        self._only_one = only_one
        self._is_busy = False
        self.is_doomed = False
        self.raw: Any = None

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Returns what the function returns.

        Raises:
            the module's ProgrammingError: when another greenlet's call runs, or the connection was closed
                by an interruption.
        """
        if self.is_doomed:
            raise self._module.ProgrammingError("the connection was closed by an interruption")
        if not is_green():
            return function(*args, **kwargs)
        if self._is_busy:
            raise self._module.ProgrammingError(
                "another greenlet uses this connection: give each greenlet its own"
            )
        self._is_busy = True
        try:
            with self._only_one:
                value, error = in_thread_to_end(self._run, function, args, kwargs)
        except BaseException:
            self._give_up()
            raise
        if error is not None:
            raise error
        return value

    def _run(self, function: Any, args: Any, kwargs: Any) -> tuple[Any, Exception | None]:
        """Runs in: a native thread."""
        try:
            return function(*args, **kwargs), None
        except Exception as error:
            return None, error
        finally:
            self._is_busy = False
            if self.is_doomed:
                self._close()

    def _give_up(self) -> None:
        self.is_doomed = True
        interrupt = getattr(self.raw, "interrupt", None)  # sqlite3's: any thread may call it
        with contextlib.suppress(Exception):
            if interrupt is not None:
                interrupt()
        if not self._is_busy:
            self._close()

    def _close(self) -> None:
        raw, self.raw = self.raw, None
        with contextlib.suppress(Exception):
            if raw is not None:
                raw.close()


class _Wrapped:
    """An object of the module's: methods run in a thread, other attributes are read where they are."""

    __slots__ = ("_raw", "_use")

    def __init__(self, use: _Use, raw: Any) -> None:
        object.__setattr__(self, "_use", use)
        object.__setattr__(self, "_raw", raw)

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._raw, name)
        return functools.partial(self._method, value) if callable(value) else value

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _OWN:
            object.__setattr__(self, name, value)
        else:
            self._use.call(setattr, self._raw, name, value)  # sqlite3 may commit here

    def _method(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        result = self._use.call(method, *args, **kwargs)
        if result is self._raw:
            return self
        return Cursor(self._use, result) if hasattr(result, "fetchone") else result


class Connection(_Wrapped):
    """A connection of the module's."""

    __slots__ = ()

    def close(self) -> None:
        """Closes it; after an interruption it is closed, or will be."""
        if not self._use.is_doomed:
            self._use.call(self._raw.close)

    def rollback(self) -> None:
        """Rolls back; after an interruption the end of the connection does."""
        if not self._use.is_doomed:
            self._use.call(self._raw.rollback)

    def __enter__(self) -> Self:
        self._use.call(self._raw.__enter__)
        return self

    def __exit__(self, *exc_info: object) -> Any:
        return None if self._use.is_doomed else self._use.call(self._raw.__exit__, *exc_info)


class Cursor(_Wrapped):
    """A cursor of the module's; ``fetchone`` reads ahead what comes without a wait."""

    __slots__ = ("_ahead",)

    def __init__(self, use: _Use, raw: Any) -> None:
        super().__init__(use, raw)
        self._ahead: list[Any] = []  # in reverse order

    def fetchone(self) -> Any:
        """Returns the next row, None behind the last."""
        if not self._ahead:
            self._ahead = self._use.call(self._read_ahead)[::-1]
        return self._ahead.pop() if self._ahead else None

    def fetchmany(self, size: int | None = None) -> Any:
        """Returns up to ``size`` rows, or ``arraysize``."""
        size = self._raw.arraysize if size is None else size
        rows = self._take(size)
        if len(rows) < size:
            rows += self._use.call(self._raw.fetchmany, size - len(rows))
        return rows

    def fetchall(self) -> Any:
        """Returns the rows that are left."""
        return [*self._take(len(self._ahead)), *self._use.call(self._raw.fetchall)]

    def __iter__(self) -> Iterator[Any]:
        return iter(self.fetchone, None)

    def close(self) -> None:
        """Closes it; with a connection that an interruption has closed, it is closed."""
        if not self._use.is_doomed:
            self._use.call(self._raw.close)

    def _method(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self._ahead = []
        return super()._method(method, *args, **kwargs)

    def _take(self, count: int) -> list[Any]:
        rows = self._ahead[-count:][::-1] if count else []
        del self._ahead[len(self._ahead) - len(rows) :]
        return rows

    def _read_ahead(self) -> list[Any]:
        """Runs in: a native thread."""
        until = time.perf_counter() + READ_AHEAD_SECONDS
        rows: list[Any] = []
        while len(rows) < MOST_ROWS_AHEAD and (row := self._raw.fetchone()) is not None:
            rows.append(row)
            if time.perf_counter() >= until:
                break
        return rows


_OWN = frozenset({"_ahead"})
