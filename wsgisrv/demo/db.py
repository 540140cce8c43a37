"""The demo's database: an engine for each worker, and short transactions.

Facts about SQLite: there is one writer at a time over all workers. Its own waiting (``timeout``) happens
in C and would stop every client of the worker, so it is switched off and a busy database is tried again
from Python, where ``time.sleep`` lets other requests run. A transaction that will write says so at its
beginning (BEGIN IMMEDIATE), since one that has read cannot always become a writer (SQLITE_BUSY_SNAPSHOT).
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy
from sqlalchemy import event, exc
from sqlalchemy.orm import Session
from webob.exc import HTTPServiceUnavailable

from wsgisrv.demo.models import Base

T = TypeVar("T")

BUSY_SECONDS = 5.0
"""How long a busy database is tried again before the client is asked to come back."""

_PAUSE_SECONDS = 0.005


class Database:
    """Args:
    url: of SQLAlchemy.
    """

    def __init__(self, url: str) -> None:
        self._is_sqlite = url.startswith("sqlite")
        more: dict[str, Any] = {"connect_args": {"timeout": 0}} if self._is_sqlite else {}
        self._engine = sqlalchemy.create_engine(url, **more)
        if self._is_sqlite:
            event.listen(self._engine, "connect", _prepare_sqlite)
            event.listen(self._engine, "begin", _begin_sqlite)

    def create_schema(self) -> None:
        """Makes the tables that are missing; several workers may do so at the same moment."""
        self.write(lambda session: Base.metadata.create_all(session.connection()))

    def read(self, work: Callable[[Session], T]) -> T:
        """Returns what ``work`` makes of a session that only reads."""
        with Session(self._engine) as session:
            return work(session)

    def write(self, work: Callable[[Session], T]) -> T:
        """Returns what ``work`` makes of a session, committed; runs it again when the database is busy.

        Raises:
            webob.exc.HTTPServiceUnavailable: when it stays busy for BUSY_SECONDS.
        """
        until = time.monotonic() + BUSY_SECONDS
        while True:
            try:
                with (
                    Session(self._engine.execution_options(writes=True)) as session,
                    session.begin(),
                ):
                    return work(session)
            except exc.OperationalError as error:
                if "database is locked" not in str(error.orig):
                    raise
            if time.monotonic() >= until:
                raise HTTPServiceUnavailable("the database is busy", headers={"Retry-After": "1"})
            # The jitter is no secret: it only keeps the workers from meeting again.
            time.sleep(_PAUSE_SECONDS * (1 + random.random()))  # noqa: S311


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the module's own BEGIN would come too late
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin_sqlite(connection: sqlalchemy.Connection) -> None:
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
