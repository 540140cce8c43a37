"""What errors of each database mean, whichever way its driver says it."""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy import exc

from wsgisrv.demo.failures import is_away, is_busy


class _PsycopgError(Exception):
    def __init__(self, sqlstate: str | None) -> None:
        super().__init__("as the server says it")
        self.sqlstate = sqlstate


class _Psycopg2Error(Exception):
    def __init__(self, pgcode: str | None) -> None:
        super().__init__("as the server says it")
        self.pgcode = pgcode


def sqlite_error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("as SQLite says it")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("raw", "busy", "away"),
    [
        (sqlite_error(sqlite3.SQLITE_BUSY), True, False),
        (sqlite_error(sqlite3.SQLITE_BUSY_SNAPSHOT), True, False),
        (sqlite_error(sqlite3.SQLITE_CORRUPT), False, False),
        (sqlite3.OperationalError("no such table"), False, False),
        (Exception(1213, "Deadlock found"), True, False),
        (Exception(2013, "Lost connection"), False, True),
        (Exception(1064, "You have an error"), False, False),
        (_PsycopgError("40P01"), True, False),
        (_PsycopgError("57P01"), False, True),
        (_PsycopgError("08006"), False, True),
        (_PsycopgError(None), False, True),
        (_PsycopgError("42601"), False, False),
        (_Psycopg2Error("40001"), True, False),
        (_Psycopg2Error(None), False, True),
        (_Psycopg2Error("53300"), False, True),
    ],
)
def test_an_error_is_busy_or_away_by_its_number(raw: Exception, busy: bool, away: bool) -> None:
    wrapped = exc.OperationalError("SELECT 1", None, raw)
    assert (is_busy(wrapped), is_away(wrapped)) == (busy, away)
    assert (is_busy(raw), is_away(raw)) == (busy, away)
