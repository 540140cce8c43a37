"""psycopg 2 and psycopg 3 in a process that has booted as a worker does, against a real PostgreSQL."""

from __future__ import annotations

import pytest

from tests.support.databases import Database
from tests.support.green import run_green

PRELUDE = """
warnings.filterwarnings("ignore", "<psycopg.Connection", ResourceWarning)  # the process ends anyway
from wsgisrv.blocking.postgresql import make_psycopg_green
make_psycopg_green()
assert "psycopg2" not in sys.modules and "psycopg" not in sys.modules
import importlib
import sqlalchemy
from sqlalchemy import text
ARGS = dict(host=server.host, port=server.port, user=server.user, password=server.password,
            dbname=server.name)
driver = importlib.import_module(server.driver)
make_psycopg_green()
def connect(**more):
    return driver.connect(**{**ARGS, **more})
def ask(connection, sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()
def engine(**more):
    place = f"{server.user}:{server.password}@{server.host}:{server.port}/{server.name}"
    return sqlalchemy.create_engine(f"postgresql+{server.driver}://{place}", **more)
def ask_pool(engine, sql):
    with engine.connect() as connection:
        return connection.execute(text(sql)).all()
"""

TESTS = {
    "others run while a statement takes its time": """
connection = connect()
with Ticks() as ticks:
    assert ask(connection, "SELECT pg_sleep(1), 7")[0][1] == 7
assert ticks.count > 20, ticks.count
""",
    "others run while it connects and while rows arrive": """
with Ticks() as ticks:
    connection = connect()
    for _ in range(3):
        with connection.cursor() as cursor:
            cursor.execute("SELECT n, repeat('x', 100) FROM generate_series(1, 50000) n")
            cursor.fetchmany(10)
assert ticks.count > 5, ticks.count
""",
    "fifty greenlets share a pool of ten": """
pool = engine(pool_size=10, max_overflow=0, pool_timeout=30)
def work(number):
    for turn in range(3):
        with pool.connect() as connection:
            assert connection.execute(text(f"SELECT {number}, pg_sleep(0.05)")).one()[0] == number
    return 1
with Ticks() as ticks:
    assert sum(done.wait() for done in [eventlet.spawn(work, n) for n in range(50)]) == 50
assert ticks.count > 20 and pool.pool.checkedin() == 10
""",
    "twenty statements take the time of one": """
connections = [connect() for _ in range(20)]
begin = time.monotonic()
for done in [eventlet.spawn(ask, c, "SELECT pg_sleep(0.5)") for c in connections]:
    done.wait()
assert time.monotonic() - begin < 5  # one after the other they take 10 s
""",
    "an eventlet.Timeout in the middle of a statement costs the pool the connection": """
pool = engine(pool_size=1, max_overflow=0, pool_timeout=5)
before = ask_pool(pool, "SELECT pg_backend_pid()")
def work():
    with eventlet.Timeout(0.3):
        ask_pool(pool, "SELECT pg_sleep(20)")
raises(eventlet.Timeout, work)
assert ask_pool(pool, "SELECT pg_backend_pid()") != before and pool.pool.checkedout() == 0
""",
    "what the server cuts in the middle of a statement is an error, and the pool recovers": """
pool, other = engine(pool_size=3), engine()
victims = [eventlet.spawn(raises, sqlalchemy.exc.OperationalError, ask_pool, pool, "SELECT pg_sleep(30)")
           for _ in range(3)]
eventlet.sleep(0.3)
ask_pool(other, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE query LIKE '%sleep(30)%' AND pid <> pg_backend_pid()")
assert all(victim.wait().connection_invalidated for victim in victims)
assert ask_pool(pool, "SELECT 1") == [(1,)]
""",
    "a statement_timeout is the driver's own error, and the connection stays": """
connection = connect(options="-c statement_timeout=200")
raises(driver.errors.QueryCanceled, ask, connection, "SELECT pg_sleep(20)")
connection.rollback()
assert ask(connection, "SELECT 1") == [(1,)]
""",
    "a server that is not there, and a wrong password": """
from eventlet.green import socket
free = socket.socket(); free.bind(("127.0.0.1", 0))
raises(driver.OperationalError, connect, host="127.0.0.1", port=free.getsockname()[1], connect_timeout=5)
raises(driver.OperationalError, connect, password="wrong")
""",
    "a native thread may use it, too": """
from eventlet import tpool
assert tpool.execute(lambda: ask(connect(), "SELECT 5")) == [(5,)]
""",
}


@pytest.mark.parametrize("driver", ["psycopg2", "psycopg"])
@pytest.mark.parametrize("code", TESTS.values(), ids=TESTS)
def test_postgresql_drivers(code: str, driver: str, postgresql_server: Database) -> None:
    pytest.importorskip(driver, exc_type=ImportError)
    run_green(PRELUDE + code, postgresql_server, driver=driver)


def test_the_hook_leaves_a_missing_psycopg2_alone() -> None:
    run_green("""
warnings.filterwarnings("ignore", "<psycopg.Connection", ResourceWarning)  # the process ends anyway
from wsgisrv.blocking.postgresql import make_psycopg_green
make_psycopg_green()
sys.path[:] = [place for place in sys.path if "site-packages" not in place]
for _ in range(2):
    assert "psycopg2" in str(raises(ImportError, __import__, "psycopg2"))
""")
