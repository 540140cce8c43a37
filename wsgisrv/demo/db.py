"""The demo's database: an engine for each worker, and short transactions.

Rules: all of a request's work with the database is one function that gets a session, so that it can be run
again; it has no other effects. Nothing is kept open between two of them.

Facts about SQLite, in WAL mode: readers and the one writer do not wait for each other, a second writer
does, over all workers. Its own waiting (busy_timeout) happens in C and would stop every client of the
worker, so it is 0 and a busy database is tried again from Python, where ``time.sleep`` lets other requests
run. A transaction that will write says so at its beginning (BEGIN IMMEDIATE), since one that has read
cannot always become a writer (SQLITE_BUSY_SNAPSHOT). ``synchronous = NORMAL`` syncs at checkpoints, not at
each commit: a crash of the process loses nothing, one of the machine may lose the last commits.

MySQL and MariaDB, as mysql+wsgisrv://, and PostgreSQL let others run by themselves. What passes (a deadlock,
a lock that was waited for too long) is tried again likewise; a server that is away is not waited for.
"""

from __future__ import annotations

import contextlib
import random
import sqlite3
import time
import weakref
from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy
from sqlalchemy import event, exc
from sqlalchemy.orm import Session

from wsgisrv.demo.failures import is_away, is_busy
from wsgisrv.demo.models import Base, RaceLostError
from wsgisrv.errors import ConfigError

T = TypeVar("T")

BUSY_SECONDS = 5.0
"""How long a busy database is tried again before the client is asked to come back."""

_FIRST_PAUSE = 0.002  # seconds; a write takes less
_LONGEST_PAUSE = 0.05
_POOL_SIZE = 10  # connections of a worker; more requests than that wait for one, and are cheap


class DatabaseBusyError(Exception):
    """Raised when others kept the database, or all of its connections, for too long, or it is away: come
    back later.
    """


class Database:
    """Made in the worker: a connection does not survive a fork.

    Args:
        url: of SQLAlchemy.
        busy_seconds: how long a busy database is tried again; 0 for never.

    Raises:
        ConfigError: for SQLite in memory, of which each connection would have its own.
        sqlalchemy.exc.ArgumentError: when the URL is none.
        ImportError: when its driver is not installed.
    """

    def __init__(self, url: str, *, busy_seconds: float = BUSY_SECONDS) -> None:
        self._busy_seconds = busy_seconds
        parsed = sqlalchemy.make_url(url)
        more: dict[str, Any] = {}
        if parsed.get_backend_name() == "sqlite":
            if parsed.database in (None, "", ":memory:"):
                raise ConfigError(f"database = {url}: workers share a file, not their memory")
            more["connect_args"] = {"timeout": 0}
        # SQLite is called in the hub, not in threads (wsgisrv.blocking.dbapi). Measured with 20 clients
        # of one worker: a request's work holds the hub for 0.36 ms (a book is written), 0.2 (one is
        # read) or 1.2 (a page of 100, most of it Python); in threads 2,774 writes a second became 433,
        # 4,915 reads 1,432.
        self._engine = sqlalchemy.create_engine(
            parsed, pool_size=_POOL_SIZE, max_overflow=0, pool_timeout=busy_seconds, **more
        )
        if more:
            event.listen(self._engine, "connect", _prepare_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)
        self._writing = self._engine.execution_options(writes=True)
        # An app that is dropped leaves no connection to the garbage collector, nor does a process that ends.
        weakref.finalize(self, self._engine.dispose)

    def create_schema(self) -> None:
        """Makes the tables and indexes that are missing; several workers may do so at the same moment.

        Raises:
            DatabaseBusyError: as ``write``.
            sqlalchemy.exc.SQLAlchemyError, sqlite3.Error: when the database cannot be used.
        """
        if self._engine.dialect.name == "sqlite":
            self._try_again(self._switch_to_wal)
        # Where tables are not made in a transaction, another worker may be first with any of them. So
        # each failure is of one more that is there by now, and the last look finds them all.
        tables = Base.metadata.tables.values()
        for _ in range(sum(1 + len(table.indexes) for table in tables)):
            with contextlib.suppress(
                exc.OperationalError, exc.ProgrammingError, exc.IntegrityError
            ):
                self.write(_create_missing)
                return
        self.write(_create_missing)

    def read(self, work: Callable[[Session], T]) -> T:
        """Returns what ``work`` makes of a session that only reads.

        Raises:
            DatabaseBusyError: as ``write``.
        """

        def once() -> T:
            with Session(self._engine) as session:
                return work(session)

        return self._try_again(once)

    def write(self, work: Callable[[Session], T]) -> T:
        """Returns what ``work`` makes of a session, committed; runs it again when the database is busy.

        Raises:
            DatabaseBusyError: when it stays busy for ``busy_seconds``.
        """

        def once() -> T:
            with Session(self._writing) as session, session.begin():
                return work(session)

        return self._try_again(once)

    def _try_again(self, once: Callable[[], T]) -> T:
        until = time.monotonic() + self._busy_seconds
        pause = _FIRST_PAUSE
        while True:
            try:
                return once()
            except RaceLostError:
                pass
            except exc.TimeoutError:
                raise DatabaseBusyError("all connections to the database are in use") from None
            except (exc.OperationalError, sqlite3.OperationalError) as error:
                if is_away(error):
                    raise DatabaseBusyError("the database cannot be reached") from error
                if not is_busy(error):
                    raise
            if time.monotonic() >= until:
                raise DatabaseBusyError("the database is busy")
            # The jitter is no secret: it only keeps the workers from meeting again.
            time.sleep(pause * (0.5 + random.random()))  # noqa: S311
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _switch_to_wal(self) -> None:
        """Needs the file for itself for a moment; the file keeps it."""
        connection = self._engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA journal_mode = WAL")
        finally:
            connection.close()


def _create_missing(session: Session) -> None:
    connection = session.connection()
    Base.metadata.create_all(connection)
    for table in Base.metadata.tables.values():  # a table that was there may lack one that is new
        for index in table.indexes:
            index.create(connection, checkfirst=True)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the module's own BEGIN would come too late
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.close()


def _begin_sqlite(connection: sqlalchemy.Connection) -> None:
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
