"""MySQL and MariaDB through mysqlclient, at the speed of C, without stopping the hub: a DB-API 2.0 module.

    from wsgisrv.blocking import mysql

    connection = mysql.connect(host="db", user="service", password="...", database="shelf")

or as a SQLAlchemy URL, ``mysql+wsgisrv://service:...@db/shelf``. Exceptions, types, cursors and all arguments
are MySQLdb's own. A script that has no hub gets MySQLdb's own behaviour: each call blocks.

How: a statement is sent, the greenlet waits in the hub until the response begins, and then the response is
looked at in the socket's buffer without taking it. What has arrived as a whole is read at once, in the hub;
what has not is read in a native thread. Connecting, TLS's handshake and statements that are too long for
the socket's buffer are the thread's, too. What is inside of TLS or compression cannot be looked at, so
there every response is the thread's.

Rules: a connection is one greenlet's at a time; a second one gets a ProgrammingError. Whatever interrupts a
statement, ``query_timeout``, an ``eventlet.Timeout`` or the end of the greenlet, closes the connection,
since nobody knows what it would say next, and asks the server to stop the statement.
"""

from __future__ import annotations

from typing import Any

import MySQLdb
from MySQLdb import (
    BINARY,
    DATE,
    NUMBER,
    ROWID,
    STRING,
    TIME,
    TIMESTAMP,
    Binary,
    DatabaseError,
    DataError,
    Date,
    DateFromTicks,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    MySQLError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    Time,
    TimeFromTicks,
    Timestamp,
    TimestampFromTicks,
    Warning,  # noqa: A004 -- the DB-API's name
    apilevel,
    constants,
    converters,
    cursors,
    paramstyle,
    version_info,
)

from wsgisrv.blocking.mysql_connection import Connection

__all__ = [
    "Connect", "Connection", "connect", "apilevel", "paramstyle", "threadsafety", "version_info",
    "constants", "converters", "cursors",
    "BINARY", "DATE", "NUMBER", "ROWID", "STRING", "TIME", "TIMESTAMP",
    "Binary", "Date", "DateFromTicks", "Time", "TimeFromTicks", "Timestamp", "TimestampFromTicks",
    "DataError", "DatabaseError", "Error", "IntegrityError", "InterfaceError", "InternalError",
    "MySQLError", "NotSupportedError", "OperationalError", "ProgrammingError", "Warning",
]  # fmt: skip

threadsafety = MySQLdb.threadsafety


def connect(*args: Any, **kwargs: Any) -> Connection:
    """Returns a new Connection, of whose arguments these are."""
    return Connection(*args, **kwargs)


Connect = connect
