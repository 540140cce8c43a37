"""wsgisrv.blocking.mysql in a patched process, against a real MariaDB."""

from __future__ import annotations

import pytest

from tests.support.databases import Database
from tests.support.green import run_green

PRELUDE = """
from wsgisrv.blocking import mysql
import MySQLdb
ARGS = dict(host=server.host, port=server.port, user=server.user, password=server.password,
            database=server.name)
def connect(**more):
    return mysql.connect(**{**ARGS, **more})
def ask(connection, sql, args=None):
    with connection.cursor() as cursor:
        cursor.execute(sql, args)
        return cursor.fetchall()
def running(text):
    with connect() as other:
        return [row for row in ask(other, "SHOW FULL PROCESSLIST")
                if text in str(row[7]) and "SHOW" not in str(row[7])]
def wait_until(condition):
    with eventlet.Timeout(20):
        while not condition():
            eventlet.sleep(0.01)
def table(connection, name, columns="id INT AUTO_INCREMENT PRIMARY KEY, text VARCHAR(50)"):
    ask(connection, f"DROP TABLE IF EXISTS {name}")
    ask(connection, f"CREATE TABLE {name} ({columns})")
"""

TESTS = {
    "others run while a statement takes its time": """
connection = connect()
with Ticks() as ticks:
    assert ask(connection, "SELECT SLEEP(1), 7") == ((0, 7),)
assert ticks.count > 20, ticks.count
""",
    "twenty statements take the time of one": """
connections = [connect() for _ in range(20)]
begin = time.monotonic()
for done in [eventlet.spawn(ask, c, "SELECT SLEEP(0.5)") for c in connections]:
    done.wait()
assert time.monotonic() - begin < 5  # one after the other they take 10 s
""",
    "others run while fifty megabytes are read": """
connection = connect()
with Ticks() as ticks:
    rows = ask(connection, "SELECT seq, REPEAT('x', 100) FROM seq_1_to_400000")
assert len(rows) == 400000 and rows[-1] == (400000, "x" * 100) and type(rows) is tuple
assert ticks.count > 50, ticks.count
""",
    "a result of any length arrives whole and in order": """
connection = connect()
for count in (0, 1, 2, 3, 17, 100, 299, 300, 397, 398, 399, 400, 401, 1000, 5000, 20000):
    rows = ask(connection, f"SELECT seq, REPEAT('y', 20) FROM seq_1_to_20000 LIMIT {count}")
    assert [row[0] for row in rows] == list(range(1, count + 1)), count
for length in (1, 250, 251, 16000, 16360, 16370, 16384, 70000, 17_000_000):
    assert ask(connection, f"SELECT REPEAT('z', {length}), NULL") == (("z" * length, None),)
""",
    "a result that comes slowly does not stop the others": """
connection = connect()
with Ticks() as ticks:
    rows = ask(connection, "SELECT REPEAT('x', 9000), SLEEP(0.05) FROM seq_1_to_20")
assert len(rows) == 20 and ticks.count > 20, ticks.count
""",
    "a commit that has to wait lets others run": """
connection, other = connect(), connect(autocommit=True)
table(connection, "waited_for")
ask(connection, "INSERT INTO waited_for (text) VALUES ('a')")
ask(other, "FLUSH TABLES WITH READ LOCK")
waiting = eventlet.spawn(connection.commit)
with Ticks() as ticks:
    eventlet.sleep(1)
    assert not waiting.dead and ask(other, "SELECT COUNT(*) FROM waited_for") == ((0,),)
assert ticks.count > 20, ticks.count
ask(other, "UNLOCK TABLES")
waiting.wait()
assert ask(other, "SELECT COUNT(*) FROM waited_for") == ((1,),)
""",
    "commit keeps and rollback forgets": """
connection, other = connect(), connect(autocommit=True)
table(connection, "kept")
ask(connection, "INSERT INTO kept (text) VALUES ('a')")
connection.rollback()
assert ask(other, "SELECT COUNT(*) FROM kept") == ((0,),)
ask(connection, "INSERT INTO kept (text) VALUES ('b')")
connection.commit()
assert ask(other, "SELECT text FROM kept") == (("b",),)
assert other.get_autocommit() and not connection.get_autocommit()
connection.autocommit(True)
assert connection.get_autocommit()
ask(connection, "INSERT INTO kept (text) VALUES ('c')")
assert ask(other, "SELECT COUNT(*) FROM kept") == ((2,),)
""",
    "ping, select_db and the rest of the connection's methods work": """
connection = connect()
connection.ping()
connection.select_db("mysql")
assert ask(connection, "SELECT DATABASE()") == (("mysql",),)
assert raises(mysql.OperationalError, connection.select_db, "no`such").args[0] == 1049
connection.change_user(server.user, server.password, server.name)
connection.set_character_set("latin1")
assert ask(connection, "SELECT %s", ["\\u00e9"]) == (("\\u00e9",),)
assert "Uptime" in connection.stat()
connection.query("SELECT 1"); assert connection.store_result().fetch_row() == ((1,),)
connection.begin(); connection.rollback()
other = connect(sql_mode="ANSI_QUOTES", charset="utf8mb4", collation="utf8mb4_bin")
assert ask(other, "SELECT @@sql_mode, @@collation_connection") == (("ANSI_QUOTES", "utf8mb4_bin"),)
connection.kill(other.thread_id())
assert raises(mysql.OperationalError, ask, other, "SELECT 1").args[0] in (2006, 2013, 1927)
""",
    "executemany writes thousands of rows": """
connection = connect()
table(connection, "many", "id INT PRIMARY KEY, text TEXT")
with connection.cursor() as cursor:
    data = [(number, "t" * 50) for number in range(5000)]
    assert cursor.executemany("INSERT INTO many VALUES (%s, %s)", data) == 5000
    assert cursor.executemany("UPDATE many SET text = %s WHERE id = %s", [("u", 1), ("v", 2)]) == 2
connection.commit()
assert ask(connection, "SELECT COUNT(*), SUM(text IN ('u', 'v')) FROM many") == ((5000, 2),)
""",
    "a statement of megabytes goes out while others run": """
connection = connect()
with Ticks() as ticks:
    assert ask(connection, "SELECT LENGTH(%s)", ["x" * 30_000_000]) == ((30_000_000,),)
assert ticks.count > 5, ticks.count
""",
    "several results follow each other": """
connection = connect()
with connection.cursor() as cursor:
    cursor.execute("SELECT 1; SELECT 2, 3; DO 0; SELECT seq FROM seq_1_to_3000; SELECT 5")
    seen = [cursor.fetchall()]
    while cursor.nextset():
        seen.append(cursor.fetchall())
assert [len(rows) for rows in seen] == [1, 1, 0, 3000, 1] and seen[-1] == ((5,),), seen[-1]
with connection.cursor() as cursor:
    cursor.execute("SELECT 1; SELECT seq FROM seq_1_to_9000; SELECT 3")
assert ask(connection, "SELECT 4") == ((4,),)  # what nobody asked for is out of the way
with connection.cursor() as cursor:
    cursor.execute("SELECT 1; SELECT no_such_column; SELECT 3")
    assert raises(mysql.OperationalError, cursor.nextset).args[0] == 1054
assert ask(connection, "SELECT 4") == ((4,),)
""",
    "stored procedures give their results": """
connection = connect()
ask(connection, "DROP PROCEDURE IF EXISTS twice")
ask(connection, "CREATE PROCEDURE twice(IN a INT, OUT b INT) "
                "BEGIN SELECT a; SET b = 2 * a; SELECT seq FROM seq_1_to_2000; END")
with connection.cursor() as cursor:
    cursor.callproc("twice", (4, 0))
    assert cursor.fetchall() == ((4,),)
    assert cursor.nextset() and len(cursor.fetchall()) == 2000
    cursor.nextset()
    cursor.execute("SELECT @_twice_1")
    assert cursor.fetchall() == ((8,),)
""",
    "a server-side cursor reads as rows come": """
connection = connect(cursorclass=mysql.cursors.SSCursor)
with connection.cursor() as cursor:
    cursor.execute("SELECT seq, REPEAT('x', 100) FROM seq_1_to_300000")
    with Ticks() as ticks:
        assert cursor.fetchone()[0] == 1
        assert [row[0] for row in cursor.fetchmany(3000)] == list(range(2, 3002))
        assert [row[0] for row in cursor.fetchall()] == list(range(3002, 300001))
    assert cursor.fetchone() is None and cursor.fetchmany(3) == () and cursor.fetchall() == ()
    assert ticks.count > 20, ticks.count
with connection.cursor() as cursor:
    cursor.execute("SELECT seq FROM seq_1_to_300000")
    assert next(iter(cursor)) == (1,)
assert ask(connection, "SELECT 4") == ((4,),)  # the rest is out of the way
with connection.cursor(mysql.cursors.SSDictCursor) as cursor:
    cursor.execute("SELECT seq AS n FROM seq_1_to_3")
    assert list(cursor) == [{"n": 1}, {"n": 2}, {"n": 3}]
""",
    "a slow row of a server-side cursor waits for no other": """
connection = connect(cursorclass=mysql.cursors.SSCursor)
with connection.cursor() as cursor, Ticks() as ticks:
    cursor.execute("SELECT REPEAT('x', 20000), SLEEP(0.1) FROM seq_1_to_10")
    begin = time.monotonic()
    cursor.fetchone()
    assert time.monotonic() - begin < 0.8
    assert len(cursor.fetchall()) == 9
assert ticks.count > 20, ticks.count
""",
    "an error behind some rows comes after them": """
connection = connect(cursorclass=mysql.cursors.SSCursor)
ask(connection, "SET max_statement_time = 0.5")
with connection.cursor() as cursor:
    cursor.execute("SELECT seq, REPEAT('x', 9000), SLEEP(0.1) FROM seq_1_to_100")
    seen = 0
    try:
        for row in cursor:
            seen += 1
    except mysql.OperationalError as error:
        assert error.args[0] == 1969, error
assert 0 < seen < 100, seen
assert ask(connection, "SELECT 4") == ((4,),)
""",
    "errors are MySQLdb's own": """
connection = connect()
assert mysql.OperationalError is MySQLdb.OperationalError and mysql.Error is MySQLdb.Error
assert raises(MySQLdb.ProgrammingError, ask, connection, "SELEC 1").args[0] == 1064
assert raises(MySQLdb.ProgrammingError, ask, connection, "SELECT * FROM no_such").args[0] == 1146
table(connection, "unique_ones", "id INT PRIMARY KEY")
ask(connection, "INSERT INTO unique_ones VALUES (1)")
assert raises(MySQLdb.IntegrityError, ask, connection, "INSERT INTO unique_ones VALUES (1)").args[0] == 1062
assert raises(MySQLdb.DataError, ask, connection, "INSERT INTO unique_ones VALUES (99999999999)")
assert ask(connection, "SELECT 1") == ((1,),)
assert connection.OperationalError is MySQLdb.OperationalError
assert (mysql.apilevel, mysql.paramstyle, mysql.threadsafety) == ("2.0", "format", 1)
""",
    "two greenlets on one connection: the second is told so, the first has its answer": """
connection = connect()
first = eventlet.spawn(ask, connection, "SELECT SLEEP(0.3), 1")
eventlet.sleep(0.05)
for intrude in (lambda: ask(connection, "SELECT 2"), connection.commit, connection.ping, connection.stat):
    assert "another greenlet" in str(raises(mysql.ProgrammingError, intrude))
assert first.wait() == ((0, 1),)
assert ask(connection, "SELECT 3") == ((3,),)
""",
    "a query timeout closes the connection and stops the statement": """
connection = connect(query_timeout=0.3)
error = raises(mysql.OperationalError, ask, connection, "SELECT SLEEP(30), 'a query timeout'")
assert error.args[0] == 2013 and "query_timeout" in error.args[1]
assert raises(mysql.OperationalError, ask, connection, "SELECT 1").args[0] == 2006
wait_until(lambda: not running("a query timeout"))
""",
    "a query timeout holds for rows that come slowly, too": """
for kind in (mysql.cursors.Cursor, mysql.cursors.SSCursor):
    connection = connect(query_timeout=0.5, cursorclass=kind)
    error = raises(mysql.OperationalError, ask, connection,
                   "SELECT REPEAT('x', 9000), SLEEP(IF(seq < 5, 0, 30)) FROM seq_1_to_20")
    assert error.args[0] == 2013, error
    assert raises(mysql.OperationalError, ask, connection, "SELECT 1").args[0] == 2006
""",
    "a statement within its time is not disturbed by it": """
connection = connect(query_timeout=5)
for _ in range(3):
    assert ask(connection, "SELECT SLEEP(0.05)") == ((0,),)
assert len(ask(connection, "SELECT seq FROM seq_1_to_100000")) == 100000
""",
    "an eventlet.Timeout in the middle of a statement closes the connection": """
connection = connect()
def interrupted():
    with eventlet.Timeout(0.2):
        ask(connection, "SELECT SLEEP(30), 'an eventlet timeout'")
raises(eventlet.Timeout, interrupted)  # not the error of the cursor that is closed on the way
assert raises(mysql.OperationalError, ask, connection, "SELECT 1").args[0] == 2006
wait_until(lambda: not running("an eventlet timeout"))
with eventlet.Timeout(0.2, False):
    ask(connect(), "SELECT SLEEP(30)")
""",
    "an eventlet.Timeout in the middle of a long result closes the connection": """
for kind in (mysql.cursors.Cursor, mysql.cursors.SSCursor):
    connection = connect(cursorclass=kind)
    def interrupted():
        with eventlet.Timeout(0.4):
            ask(connection, "SELECT REPEAT('x', 9000), SLEEP(IF(seq < 5, 0, 30)) FROM seq_1_to_20")
    raises(eventlet.Timeout, interrupted)
    assert raises(mysql.OperationalError, ask, connection, "SELECT 1").args[0] == 2006
    assert connection.is_closed()
    eventlet.sleep(0.1)
""",
    "a greenlet that is killed in the middle of a statement closes the connection": """
connection = connect()
victim = eventlet.spawn(ask, connection, "SELECT SLEEP(30), 'a killed greenlet'")
eventlet.sleep(0.2)
victim.kill()
assert raises(mysql.OperationalError, ask, connection, "SELECT 1").args[0] == 2006
wait_until(lambda: not running("a killed greenlet"))
""",
    "what is interrupted runs on where kill_abandoned is off": """
connection = connect(query_timeout=0.2, kill_abandoned=False)
raises(mysql.OperationalError, ask, connection, "SELECT BENCHMARK(60000000, 1), 'goes on'")
eventlet.sleep(0.05)
assert running("goes on")
""",
    "closing a connection wakes the greenlet that waits on it": """
connection = connect()
waiting = eventlet.spawn(raises, mysql.OperationalError, ask, connection, "SELECT SLEEP(30)")
eventlet.sleep(0.1)
connection.close()
assert waiting.wait().args[0] in (2006, 2013)
connection.close()
assert raises(mysql.OperationalError, ask, connection, "SELECT 1").args[0] == 2006
""",
    "a connection outlives the greenlet that used it last": """
import contextlib, io
connection = connect()
def dies():
    ask(connection, "SELECT 1")
    raise ValueError
for _ in range(3):
    with contextlib.redirect_stderr(io.StringIO()) as said:  # the hub says that a greenlet died
        raises(ValueError, eventlet.spawn(dies).wait)
    with eventlet.Timeout(20):
        assert ask(connection, "SELECT SLEEP(0.05), 2") == ((0, 2),)
""",
    "an idle connection that the server ends does not keep the hub busy": """
connection = connect()
ask(connection, "SELECT 1")
with connect() as other:
    ask(other, f"KILL {connection.thread_id()}")
eventlet.sleep(0.1)
begin = time.process_time()
eventlet.sleep(0.3)
assert time.process_time() - begin < 0.15  # a hub that spins takes all of it
assert raises(mysql.OperationalError, ask, connection, "SELECT 1").args[0] in (2006, 2013, 1927)
""",
    "a server-side cursor that is dropped half read stops nobody": """
import gc
connection = connect(cursorclass=mysql.cursors.SSCursor)
cursor = connection.cursor()
cursor.execute("SELECT REPEAT('x', 9000), SLEEP(IF(seq < 5, 0, 1)) FROM seq_1_to_60")
cursor.fetchone()
with Ticks() as ticks:
    del cursor
    gc.collect()
    eventlet.sleep(0.1)
assert ticks.count > 5
assert raises(mysql.OperationalError, ask, connection, "SELECT 1").args[0] == 2006
""",
    "TLS and compression work, and block nobody": """
for more, check in (
    ({"ssl": {"ca": server.ca}, "ssl_mode": "REQUIRED"}, "Ssl_cipher"),
    ({"compress": True}, "Compression"),
):
    connection = connect(**more)
    assert ask(connection, f"SHOW STATUS LIKE '{check}'")[0][1] not in ("", "OFF"), check
    with Ticks() as ticks:
        assert ask(connection, "SELECT SLEEP(1)") == ((0,),)
        assert len(ask(connection, "SELECT seq, REPEAT('x', 100) FROM seq_1_to_100000")) == 100000
    assert ticks.count > 20, ticks.count
    assert ask(connection, "SELECT 1; SELECT 2") == ((1,),)
    assert ask(connection, "SELECT 3") == ((3,),)
    error = raises(mysql.OperationalError, ask, connect(query_timeout=0.2, **more), "SELECT SLEEP(20)")
    assert error.args[0] == 2013
""",
    "the unix socket serves, too": """
connection = mysql.connect(unix_socket=server.unix_socket, user=server.user, password=server.password,
                           database=server.name)
with Ticks() as ticks:
    assert ask(connection, "SELECT SLEEP(0.5)") == ((0,),)
    assert len(ask(connection, "SELECT seq FROM seq_1_to_50000")) == 50000
assert ticks.count > 10
""",
    "LOAD DATA LOCAL reads a file": """
import tempfile
connection = connect(local_infile=True)
table(connection, "loaded", "id INT")
ask(connection, "SET GLOBAL local_infile = 1")
with tempfile.NamedTemporaryFile("w") as file:
    file.write("".join(f"{n}\\n" for n in range(20000))); file.flush()
    ask(connection, f"LOAD DATA LOCAL INFILE '{file.name}' INTO TABLE loaded")
assert ask(connection, "SELECT COUNT(*) FROM loaded") == ((20000,),)
""",
    "a native thread uses it as MySQLdb": """
from eventlet import tpool
connection = connect()
assert tpool.execute(ask, connection, "SELECT seq FROM seq_1_to_5000")[-1] == (5000,)
assert ask(connection, "SELECT 2") == ((2,),)
""",
    "nothing of a connection is left open": """
import gc, os
connect().close(); eventlet.sleep(0); gc.collect()
before = len(os.listdir("/proc/self/fd"))
for _ in range(20):
    connection = connect(); ask(connection, "SELECT 1"); connection.close()
    del connection; connect()
gc.collect()
assert len(os.listdir("/proc/self/fd")) == before
""",
}


@pytest.mark.parametrize("code", TESTS.values(), ids=TESTS)
def test_mysql_driver(code: str, mariadb_server: Database) -> None:
    run_green(PRELUDE + code, mariadb_server)
