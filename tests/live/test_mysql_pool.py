"""``mysql+wsgisrv://`` under SQLAlchemy's pool, in a patched process, against a real MariaDB."""

from __future__ import annotations

import pytest

from tests.support.databases import Database
from tests.support.green import run_green

PRELUDE = """
import sqlalchemy
from sqlalchemy import text
URL = f"mysql+wsgisrv://{server.user}:{server.password}@{server.host}:{server.port}/{server.name}"
def engine(url=URL, **more):
    return sqlalchemy.create_engine(url, **more)
def ask(engine, sql):
    with engine.connect() as connection:
        return connection.execute(text(sql)).all()
def kill_all(but):
    "Has the server cut every connection but one of another engine's."
    with but.connect() as connection:
        own = connection.scalar(text("SELECT CONNECTION_ID()"))
        for row in connection.execute(text("SHOW PROCESSLIST")).all():
            if row[0] != own and row[1] == server.user:
                connection.execute(text(f"KILL {row[0]}"))
def is_lost(error):
    return error.connection_invalidated and error.orig.args[0] in (2006, 2013, 1927)
def in_use(engine):
    return engine.pool.checkedout()
"""

TESTS = {
    "fifty greenlets share a pool of ten": """
pool = engine(pool_size=10, max_overflow=0, pool_timeout=30)
def work(number):
    for turn in range(5):
        with pool.connect() as connection:
            row = connection.execute(text(f"SELECT {number}, SLEEP(0.05), {turn}")).one()
            assert row == (number, 0, turn)
    return 1
with Ticks() as ticks:
    assert sum(done.wait() for done in [eventlet.spawn(work, n) for n in range(50)]) == 50
assert ticks.count > 20 and pool.pool.checkedin() == 10 and in_use(pool) == 0
""",
    "transactions of many greenlets lose nothing": """
pool = engine(pool_size=10, max_overflow=0, pool_timeout=30)
with pool.begin() as connection:
    connection.execute(text("DROP TABLE IF EXISTS counter"))
    connection.execute(text("CREATE TABLE counter (n INT)"))
    connection.execute(text("INSERT INTO counter VALUES (0)"))
def work(number):
    for _ in range(10):
        try:
            with pool.begin() as connection:
                connection.execute(text("UPDATE counter SET n = n + 1"))
                if number % 2:
                    raise ValueError
        except ValueError:
            pass
for done in [eventlet.spawn(work, n) for n in range(20)]:
    done.wait()
assert ask(pool, "SELECT n FROM counter") == [(100,)]
""",
    "the dialect knows what the server is and how many rows an UPDATE matched": """
for name in ("mysql", "mariadb"):
    pool = engine(URL.replace("mysql+", name + "+"))
    with pool.begin() as connection:
        connection.execute(text("CREATE TEMPORARY TABLE t (a INT)"))
        connection.execute(text("INSERT INTO t VALUES (1), (1)"))
        assert connection.execute(text("UPDATE t SET a = 1")).rowcount == 2
        assert connection.dialect.is_mariadb and connection.dialect.server_version_info[0] >= 10
    assert pool.dialect.driver == "wsgisrv"
""",
    "arguments of the driver stand in the URL": """
pool = engine(URL + "?query_timeout=0.25&connect_timeout=2.5&kill_abandoned=false&charset=utf8mb4")
error = raises(sqlalchemy.exc.OperationalError, ask, pool, "SELECT SLEEP(20)")
assert error.orig.args[0] == 2013 and "0.25 s" in error.orig.args[1]
assert raises(Exception, ask, engine(URL + "?query_timeout=-1"), "SELECT 1")
""",
    "pre-ping replaces what the server has cut": """
pool, other = engine(pool_pre_ping=True), engine()
before = ask(pool, "SELECT CONNECTION_ID()")
assert ask(pool, "SELECT CONNECTION_ID()") == before
kill_all(other)
assert ask(pool, "SELECT CONNECTION_ID()") != before
assert in_use(pool) == 0
""",
    "pre-ping does not stop the others": """
pool = engine(pool_pre_ping=True)
ask(pool, "SELECT 1")
fairy = pool.raw_connection()
calls = []
real = fairy.dbapi_connection.query
fairy.dbapi_connection.query = lambda sql: (calls.append(sql), real(sql))
fairy.close()
ask(pool, "SELECT 1")
assert b"DO 0" in calls, calls
""",
    "a connection that is too old is replaced": """
pool = engine(pool_recycle=0)
before = ask(pool, "SELECT CONNECTION_ID()")
eventlet.sleep(0.01)
assert ask(pool, "SELECT CONNECTION_ID()") != before
""",
    "what the server cuts in the middle of a statement is an error, and the pool recovers": """
pool, other = engine(pool_size=5), engine()
victims = [eventlet.spawn(raises, sqlalchemy.exc.OperationalError, ask, pool, "SELECT SLEEP(30)")
           for _ in range(5)]
eventlet.sleep(0.3)
kill_all(other)
assert all(is_lost(victim.wait()) for victim in victims)
assert ask(pool, "SELECT 1") == [(1,)] and in_use(pool) == 0
""",
    "what the server cuts while it is idle costs one error, and the pool starts anew": """
pool, other = engine(), engine()
ask(pool, "SELECT 1")
kill_all(other)
assert is_lost(raises(sqlalchemy.exc.OperationalError, ask, pool, "SELECT 1"))
assert ask(pool, "SELECT 1") == [(1,)]
""",
    "a query timeout costs the pool its connection and nothing else": """
pool = engine(URL + "?query_timeout=0.2", pool_size=1, max_overflow=0, pool_timeout=5)
before = ask(pool, "SELECT CONNECTION_ID()")
assert is_lost(raises(sqlalchemy.exc.OperationalError, ask, pool, "SELECT SLEEP(20)"))
assert ask(pool, "SELECT CONNECTION_ID()") != before and in_use(pool) == 0
""",
    "an eventlet.Timeout in a transaction rolls back and costs the pool the connection": """
pool = engine(pool_size=1, max_overflow=0, pool_timeout=5)
with pool.begin() as connection:
    connection.execute(text("DROP TABLE IF EXISTS cut"))
    connection.execute(text("CREATE TABLE cut (a INT)"))
def work():
    with eventlet.Timeout(0.3), pool.begin() as connection:
        connection.execute(text("INSERT INTO cut VALUES (1)"))
        connection.execute(text("SELECT SLEEP(20)"))
for _ in range(3):
    raises(eventlet.Timeout, work)
    assert ask(pool, "SELECT COUNT(*) FROM cut") == [(0,)] and in_use(pool) == 0
""",
    "a greenlet that is killed in a statement costs the pool the connection": """
pool = engine(pool_size=1, max_overflow=0, pool_timeout=5)
before = ask(pool, "SELECT CONNECTION_ID()")
victim = eventlet.spawn(ask, pool, "SELECT SLEEP(20)")
eventlet.sleep(0.2)
victim.kill()
assert ask(pool, "SELECT CONNECTION_ID()") != before and in_use(pool) == 0
""",
    "rows are streamed with a server-side cursor": """
pool = engine()
with pool.connect() as connection, Ticks() as ticks:
    rows = connection.execution_options(stream_results=True).execute(
        text("SELECT seq, REPEAT('x', 50) FROM seq_1_to_200000"))
    assert [row[0] for row in rows] == list(range(1, 200001))
    assert ticks.count > 20
    rows = connection.execution_options(stream_results=True).execute(text("SELECT seq FROM seq_1_to_200000"))
    assert rows.fetchone() == (1,)
    rows.close()
    assert connection.scalar(text("SELECT 2")) == 2
""",
    "a server that is started again is used again, and nobody is left waiting": """
from tests.support.databases import mariadb
with mariadb() as own:
    pool = engine(own.url("mysql+wsgisrv", connect_timeout=5), pool_size=3)
    for done in [eventlet.spawn(ask, pool, "SELECT SLEEP(0.05)") for _ in range(3)]:
        done.wait()
    victims = [eventlet.spawn(raises, sqlalchemy.exc.OperationalError, ask, pool, "SELECT SLEEP(60)")
               for _ in range(3)]
    eventlet.sleep(0.2)
    own.stop()
    with eventlet.Timeout(10):
        assert all(is_lost(victim.wait()) for victim in victims)
    error = raises(sqlalchemy.exc.OperationalError, ask, pool, "SELECT 1")
    assert error.orig.args[0] in (2002, 2003), error
    own.start()
    assert ask(pool, "SELECT 1") == [(1,)] and in_use(pool) == 0
    pool.dispose()
""",
}


@pytest.mark.parametrize("code", TESTS.values(), ids=TESTS)
def test_mysql_pool(code: str, mariadb_server: Database) -> None:
    run_green(PRELUDE + code, mariadb_server)
