"""wsgisrv.blocking.dbapi in a patched process, over sqlite3 and over modules that are made up."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.green import run_green

PRELUDE = """
import sqlite3
import sqlalchemy
from sqlalchemy import text
from wsgisrv.blocking import dbapi
module = dbapi.threaded(sqlite3)
SLOW = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT {}) SELECT MAX(i) FROM n"
"""

TESTS = {
    "others run while SQLite computes": """
connection = module.connect(server.path)
with Ticks() as ticks:
    assert connection.execute(SLOW.format(2_000_000)).fetchone() == (2_000_000,)
assert ticks.count > 10, ticks.count
""",
    "the module is used by SQLAlchemy": """
engine = sqlalchemy.create_engine(f"sqlite:///{server.path}", module=module)
with engine.begin() as connection:
    connection.execute(text("CREATE TABLE t (a INTEGER)"))
    connection.execute(text("INSERT INTO t VALUES (:a)"), [{"a": n} for n in range(3000)])
try:
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM t"))
        raise ValueError
except ValueError:
    pass
def count(_):
    with engine.connect() as connection:
        return [row[0] for row in connection.execute(text("SELECT a FROM t ORDER BY a"))]
for rows in eventlet.GreenPool(10).imap(count, range(30)):
    assert rows == list(range(3000))
""",
    "rows come in order however they are fetched": """
connection = module.connect(server.path)
cursor = connection.cursor()
cursor.execute("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 5000) SELECT i FROM n")
rows = [cursor.fetchone()] + cursor.fetchmany(3) + [cursor.fetchone()] + cursor.fetchmany(2000)
rows += [next(iter(cursor))] + cursor.fetchall()
assert [row[0] for row in rows] == list(range(1, 5001))
assert cursor.fetchone() is None and cursor.fetchall() == [] and cursor.fetchmany(2) == []
assert cursor.description[0][0] == "i" and cursor.rowcount == -1
""",
    "errors are the module's own": """
connection = module.connect(server.path)
assert "syntax" in str(raises(sqlite3.OperationalError, connection.execute, "SELEC"))
assert module.Error is sqlite3.Error and module.paramstyle == "qmark"
raises(sqlite3.OperationalError, module.connect, "/nowhere/at/all")
""",
    "a second greenlet on a connection is told so": """
connection = module.connect(server.path)
first = eventlet.spawn(lambda: connection.execute(SLOW.format(3_000_000)).fetchone())
eventlet.sleep(0.01)
assert "another greenlet" in str(raises(sqlite3.ProgrammingError, connection.execute, "SELECT 1"))
assert first.wait() == (3_000_000,)
assert connection.execute("SELECT 1").fetchone() == (1,)
""",
    "an interrupted call ends soon, and its connection with it": """
engine = sqlalchemy.create_engine(f"sqlite:///{server.path}", module=module, pool_size=1, max_overflow=0)
def ask(sql):
    with engine.connect() as connection:
        return connection.scalar(text(sql))
def interrupted():
    with eventlet.Timeout(0.2):
        ask(SLOW.format(10**9))
for _ in range(3):
    raises(eventlet.Timeout, interrupted)
    assert ask("SELECT 1") == 1 and engine.pool.checkedout() == 0
connection = module.connect(server.path)
def plain():
    with eventlet.Timeout(0.2):
        connection.execute(SLOW.format(10**9)).fetchone()
raises(eventlet.Timeout, plain)
assert "interruption" in str(raises(sqlite3.ProgrammingError, connection.execute, "SELECT 1"))
connection.close()
""",
    "a connection is a context manager, and its attributes may be set": """
connection = module.connect(server.path)
connection.isolation_level = "IMMEDIATE"
assert connection.isolation_level == "IMMEDIATE"
with connection:
    connection.execute("CREATE TABLE u (a)")
    connection.execute("INSERT INTO u VALUES (1)")
try:
    with connection:
        connection.execute("INSERT INTO u VALUES (2)")
        raise ValueError
except ValueError:
    pass
assert connection.execute("SELECT a FROM u").fetchall() == [(1,)]
connection.row_factory = sqlite3.Row
assert connection.execute("SELECT a FROM u").fetchone()["a"] == 1
""",
    "a module that threads may not share has one call at a time": """
import types
class Error(Exception): pass
running, most = 0, 0
native_sleep = eventlet.patcher.original("time").sleep
class Raw:
    def commit(self):
        global running, most
        running += 1; most = max(most, running); native_sleep(0.01); running -= 1
    def close(self): pass
for level, expected in ((0, 1), (1, 8)):
    running = most = 0
    made_up = types.SimpleNamespace(
        __name__="made_up", threadsafety=level, connect=Raw, ProgrammingError=Error)
    shared = dbapi.threaded(made_up)
    connections = [shared.connect() for _ in range(8)]
    for done in [eventlet.spawn(c.commit) for c in connections]:
        done.wait()
    assert (most == 1) == (level == 0), (level, most)
""",
}


@pytest.mark.parametrize("code", TESTS.values(), ids=TESTS)
def test_threaded_dbapi(code: str, tmp_path: Path) -> None:
    run_green(PRELUDE + code, path=str(tmp_path / "file.sqlite"))


def test_a_script_calls_the_module_directly(tmp_path: Path) -> None:
    import sqlite3

    from wsgisrv.blocking import dbapi

    connection = dbapi.threaded(sqlite3).connect(str(tmp_path / "file.sqlite"))
    cursor = connection.execute("SELECT 1 UNION SELECT 2")
    assert list(cursor) == [(1,), (2,)]
    connection.close()
