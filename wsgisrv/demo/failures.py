"""What a database's error means for the demo: others are busy with it, it is away, or something is wrong.

Rules: reads numbers and states, never texts. Knows SQLite, MySQL, MariaDB and PostgreSQL, each by whichever
driver SQLAlchemy has for it.
"""

from __future__ import annotations

import sqlite3

_SQLITE_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_MYSQL_BUSY = {1205, 1213}  # ER_LOCK_WAIT_TIMEOUT, ER_LOCK_DEADLOCK
_MYSQL_AWAY = {1040, 1053, 1927, 2002, 2003, 2006, 2013}
"""Too many connections, shut down, killed, no connection, lost connection."""

_POSTGRESQL_BUSY = {"40001", "40P01", "55P03"}
"""serialization_failure, deadlock_detected, lock_not_available."""

_POSTGRESQL_AWAY = {"53300", "57P01", "57P02", "57P03"}
"""too_many_connections, admin_shutdown, crash_shutdown, cannot_connect_now; and class 08, and no state at all
where nobody was there to give one.
"""


def is_busy(error: Exception) -> bool:
    """Whether the same again may succeed in a moment: a lock, a deadlock.

    SQLAlchemy passes on an error in a new connection's first statements as it is, without its own around.
    """
    code = getattr(_raw(error), "sqlite_errorcode", 0)
    if code:
        return code & 0xFF in _SQLITE_BUSY
    return _mysql_number(error) in _MYSQL_BUSY or _state(error) in _POSTGRESQL_BUSY


def is_away(error: Exception) -> bool:
    """Whether the server is not there, is going, or takes no more connections."""
    if _mysql_number(error) in _MYSQL_AWAY:
        return True
    state = _state(error)
    return state is not None and (state in _POSTGRESQL_AWAY or state.startswith("08") or not state)


def _raw(error: Exception) -> object:
    """Returns the driver's own error."""
    return getattr(error, "orig", error)


def _mysql_number(error: Exception) -> int:
    """Returns the number that MySQL's errors begin with, 0 where there is none."""
    first = next(iter(getattr(_raw(error), "args", ())), 0)
    return first if isinstance(first, int) else 0


def _state(error: Exception) -> str | None:
    """Returns the SQLSTATE of PostgreSQL's errors, "" where it gave none; None for another database's."""
    raw = _raw(error)
    for name in ("pgcode", "sqlstate"):  # psycopg 2, psycopg 3
        if hasattr(raw, name):
            return str(getattr(raw, name) or "")
    return None
