"""The connection of wsgisrv.blocking.mysql, which says in whole how it works.

Facts about mysqlclient: it lets the interpreter go while it reads and writes, and guards each
connection by a lock: a second thread gets a ProgrammingError rather than a crash (2.3).
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from MySQLdb import OperationalError, ProgrammingError
from MySQLdb.connections import Connection as _Blocking
from MySQLdb.constants import CLIENT, CR

from wsgisrv.blocking.green import bounded, current_hub, is_green
from wsgisrv.blocking.line import Line
from wsgisrv.blocking.mysql_kill import Killer
from wsgisrv.blocking.mysql_packets import MOST_ROWS, Arrived, arrived
from wsgisrv.blocking.mysql_results import StoredResult, StreamedResult
from wsgisrv.blocking.threads import in_thread_to_end

T = TypeVar("T")

CONNECT_TIMEOUT = 10.0
"""Seconds; the library's own is to wait for as long as the kernel does, two minutes and more."""

LONGEST_IN_HUB_BYTES = 16 * 1024
"""Of a response that is read in the hub, and of a statement that is sent from it. An idle socket takes as
much at once: Linux gives one at least 10 segments of room, and a unix socket 200 KiB."""

_ENOUGH_ROWS = 16  # to know how long rows are
_killer = Killer()


class _ExpiredError(Exception):
    """Thrown into a greenlet at its query_timeout; never leaves this module."""


class Connection(_Blocking):  # type: ignore[misc]
    """A connection whose calls let other greenlets run.

    Args:
        query_timeout: seconds, fractions too, that a statement's response may take, all its rows included, or
            the next rows of a server-side cursor. Then OperationalError 2013. 0 for no bound.
        connect_timeout: seconds, fractions too, until the connection stands, name resolution and TLS
            included. Then OperationalError 2003. 0 for no bound.
        kill_abandoned: whether the server is asked to stop a statement that was interrupted, over another
            connection.
        kwargs: MySQLdb's own.
    """

    def __init__(
        self,
        *args: Any,
        query_timeout: float = 0,
        connect_timeout: float = CONNECT_TIMEOUT,
        kill_abandoned: bool = True,
        **kwargs: Any,
    ) -> None:
        self._query_timeout = _checked("query_timeout", query_timeout)
        self._connect_timeout = _checked("connect_timeout", connect_timeout)
        if self._connect_timeout:
            kwargs["connect_timeout"] = math.ceil(self._connect_timeout)
        if self._query_timeout:
            kwargs.setdefault("read_timeout", math.ceil(self._query_timeout))
            kwargs.setdefault("write_timeout", math.ceil(self._query_timeout))
        self._line: Line | None = None
        self._is_busy = False
        self._is_doomed = False
        self._arrived = Arrived.WHOLE
        self._rows_seen = 0
        self._deadline = math.inf
        self._statement: bytes | str = b""
        self._kill_with = (args, dict(kwargs)) if kill_abandoned else None
        self._connect(args, kwargs)
        # Of what is inside of TLS or compression nothing can be seen from outside.
        self._is_opaque = bool(self.client_flag & (CLIENT.SSL | CLIENT.COMPRESS))
        self._number = int(self.thread_id())
        self._line = Line(self.fileno())

    def _connect(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if self._connect_timeout:
            self._deadline = time.monotonic() + self._connect_timeout
        try:
            self._exclusively(super().__init__, *args, **kwargs)
        except _ExpiredError:
            place = kwargs.get("unix_socket") or kwargs.get("host") or "localhost"
            raise OperationalError(
                CR.CONN_HOST_ERROR,
                f"Can't connect to server on '{place}' (connect_timeout of {self._connect_timeout:g} s)",
            ) from None
        finally:
            self._deadline = math.inf

    # --- statements -----------------------------------------------------------------------------------

    def query(self, query: bytes | bytearray | str) -> None:
        """Sends a statement and waits for the beginning of its response."""
        statement = bytes(query) if isinstance(query, bytearray) else query
        hub = current_hub()
        if hub is None:
            self._arrived = Arrived.WHOLE
            super().query(statement)
            return
        self._check_idle()
        self._is_busy = True
        self._statement = statement
        self._start_clock()
        try:
            if len(statement) <= LONGEST_IN_HUB_BYTES:
                self.send_query(statement)
            else:
                self._in_thread(self.send_query, statement)
            self._wait(hub)
            self._arrived = self._look()
            if self._arrived is Arrived.NOTHING:
                self._in_thread(self.read_query_result)
            else:
                self.read_query_result()
        finally:
            self._leave()

    def _wait(self, hub: Any) -> None:
        """Waits in the hub until the response begins."""
        left = None
        if self._deadline != math.inf:
            left = max(self._deadline - time.monotonic(), 0)
        try:
            self._line.wait_readable(hub, left, _ExpiredError)  # type: ignore[union-attr]
        except BaseException as error:
            self._give_up(error)

    def _look(self) -> Arrived:
        self._rows_seen = 0
        if self._is_opaque or self._line is None:
            return Arrived.NOTHING
        data = self._line.peek(LONGEST_IN_HUB_BYTES)
        if data is None:
            return Arrived.NOTHING
        if not data:
            return Arrived.WHOLE  # nothing will come any more
        # A buffer that is full holds the beginning of something longer, where the head is all that matters.
        most_rows = MOST_ROWS if len(data) < LONGEST_IN_HUB_BYTES else _ENOUGH_ROWS
        found, self._rows_seen = arrived(data, most_rows)
        return found

    def store_result(self) -> Any:
        """Returns the result with all its rows, or None where the statement has none."""
        if self._arrived is Arrived.WHOLE or not is_green():
            return super().store_result()
        raw = self._exclusively(super().store_result)  # within the time of its query
        return None if raw is None else StoredResult(raw, self._rows_seen)

    def use_result(self) -> Any:
        """Returns the result, whose rows are still to be read, or None where the statement has none."""
        raw = super().use_result()
        return raw if raw is None or not is_green() else StreamedResult(self, raw)

    def next_result(self) -> int:
        """Goes on to the next result; returns 0, or -1 where there is none.

        A closed connection has none, either: the cursor that is closed after an interruption has nothing more
        to say than the interruption itself.
        """
        if self.is_closed() or not self.more_results():
            return -1
        if self._arrived is Arrived.WHOLE:
            return int(super().next_result())
        return int(self.off_hub(super().next_result))

    def discard_result(self) -> None:
        """Reads a result and forgets it."""
        if self._arrived is Arrived.WHOLE:
            super().discard_result()
        else:
            self.off_hub(super().discard_result)

    # --- what the library does by a statement of its own -----------------------------------------------

    def commit(self) -> None:
        """Commits the transaction."""
        self.query(b"COMMIT")

    def rollback(self) -> None:
        """Rolls the transaction back."""
        self.query(b"ROLLBACK")

    def autocommit(self, on: bool) -> None:
        """Sets the mode, if it is not the one already."""
        if self.get_autocommit() != bool(on):
            self.query(b"SET autocommit = %d" % bool(on))

    def select_db(self, db: str) -> None:
        """Makes it the database of the statements to come."""
        self.query(b"USE `%s`" % db.replace("`", "``").encode(self.encoding))

    def ping(self, *args: Any) -> None:
        """Asks the server for an answer.

        Raises:
            OperationalError: when it gives none.
        """
        if args or not is_green():
            self.off_hub(super().ping, *args)
        else:
            self.query(b"DO 0")

    def set_character_set(self, charset: str, collation: str | None = None) -> None:
        """As MySQLdb's."""
        self.off_hub(super().set_character_set, charset, collation)

    def change_user(self, *args: Any, **kwargs: Any) -> None:
        """As MySQLdb's."""
        self.off_hub(super().change_user, *args, **kwargs)

    def set_server_option(self, option: int) -> int:
        """As MySQLdb's."""
        return int(self.off_hub(super().set_server_option, option))

    def kill(self, pid: int) -> None:
        """As MySQLdb's."""
        self.off_hub(super().kill, pid)

    def shutdown(self) -> None:
        """As MySQLdb's."""
        self.off_hub(super().shutdown)

    def stat(self) -> str:
        """As MySQLdb's."""
        return str(self.off_hub(super().stat))

    def dump_debug_info(self) -> None:
        """As MySQLdb's."""
        self.off_hub(super().dump_debug_info)

    # --- the end ----------------------------------------------------------------------------------------

    def is_closed(self) -> bool:
        """Returns whether it was closed, or is being closed."""
        return self._is_doomed

    def close(self) -> None:
        """Closes it; a greenlet that waits for a response gets OperationalError 2013.

        Once more, or after an interruption has closed it, does nothing: a pool then says nothing of it.
        """
        if self._is_busy:
            self._is_doomed = True
            if self._line is not None:
                self._line.cut()
        elif not self._is_doomed:
            self._close()

    def abandon(self) -> None:
        """Closes it in the middle of whatever it does, and has the server stop that."""
        if self._is_doomed:
            return
        self._is_doomed = True
        if self._line is None:
            return  # it is being connected
        if self._kill_with is not None:
            _killer.kill(*self._kill_with, self._number, self._statement)
        self._line.cut()
        self._close_quietly()

    def _close(self) -> None:
        self._is_doomed = True
        try:
            super().close()
        finally:
            if self._line is not None:
                self._line.close()

    def _close_quietly(self) -> None:
        # ProgrammingError: a native thread is inside; it closes at its end. OperationalError: it is closed.
        with contextlib.suppress(ProgrammingError, OperationalError):
            self._close()

    def __del__(self) -> None:
        line = getattr(self, "_line", None)
        if line is not None:
            line.close()

    # --- one at a time ----------------------------------------------------------------------------------

    def off_hub(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        """Returns what the function returns, which reads or writes the connection and may block.

        Runs in: a native thread when the caller is green, else here.
        """
        self._start_clock()
        return self._exclusively(function, *args, **kwargs)

    def _start_clock(self) -> None:
        if self._query_timeout:
            self._deadline = time.monotonic() + self._query_timeout

    def _exclusively(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        if not is_green():
            return function(*args, **kwargs)
        self._check_idle()
        self._is_busy = True
        try:
            return self._in_thread(function, *args, **kwargs)
        finally:
            self._leave()

    def _in_thread(self, function: Callable[..., T], *args: Any, **kwargs: Any) -> T:
        if self._line is not None:
            self._line.leave()
        try:
            with self._bounded():
                value, error = in_thread_to_end(self._run, function, args, kwargs)
        except BaseException as thrown:
            self._give_up(thrown)
        if error is not None:
            raise error
        return value  # type: ignore[no-any-return]

    def _run(self, function: Any, args: Any, kwargs: Any) -> tuple[Any, Exception | None]:
        """Runs in: a native thread. An exception of the function's own is a value here, so that what
        is raised was thrown into the greenlet. What was given up while it waited for a thread is not
        begun: it would hold one for as long as a server that is away lets it wait. Nor is it closed from
        here: mysqlclient crashes at the close of a connection that was never begun.
        """
        if self.is_closed():
            return None, None
        try:
            return function(*args, **kwargs), None
        except Exception as error:
            return None, error
        finally:
            if self._is_doomed:
                self._close_quietly()

    @contextlib.contextmanager
    def _bounded(self) -> Any:
        if self._deadline == math.inf:
            yield
            return
        with bounded(max(self._deadline - time.monotonic(), 0), _ExpiredError):
            yield

    def _check_idle(self) -> None:
        if self._is_doomed:
            raise OperationalError(CR.SERVER_GONE_ERROR, "the connection is closed")
        if self._is_busy:
            raise ProgrammingError(
                "another greenlet waits for a response on this connection: give each greenlet its own"
            )

    def _leave(self) -> None:
        self._is_busy = False
        # While it is being connected mysqlclient does not lock it: closed from here, that thread's next look
        # at it would crash the process. It closes it itself, at its end.
        if self._is_doomed and self._line is not None:
            self._close_quietly()

    def _give_up(self, thrown: BaseException) -> NoReturn:
        """Abandons the connection and raises what interrupted it, as MySQLdb's error where it is ours."""
        self.abandon()
        if isinstance(thrown, _ExpiredError) and self._line is not None:
            raise OperationalError(
                CR.SERVER_LOST,
                f"Lost connection to server during query (query_timeout of {self._query_timeout:g} s)",
            ) from None
        raise thrown


def _checked(name: str, seconds: float | None) -> float:
    value = float(seconds or 0)
    if not 0 <= value < math.inf:
        raise ProgrammingError(f"{name} = {seconds}: has to be seconds, 0 or more")
    return value
