"""What a MariaDB that is away, full, silent or cut off is for greenlets: an error, in time."""

from __future__ import annotations

import pytest

from tests.support.databases import Database
from tests.support.green import run_green

PRELUDE = """
from eventlet.green import socket
from wsgisrv.blocking import mysql
ARGS = dict(host=server.host, port=server.port, user=server.user, password=server.password,
            database=server.name)
def connect(**more):
    return mysql.connect(**{**ARGS, **more})
def ask(connection, sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()

LONG = "SELECT seq, REPEAT('x', 30) FROM seq_1_to_9000"
class Proxy:
    "Passes everything on until ``left`` bytes of the server's have gone; then closes, or falls silent."
    def __init__(self, closes):
        self.closes, self.left = closes, float("inf")
        self.listener = eventlet.listen(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        eventlet.spawn(self.serve)
    def serve(self):
        while True:
            client, _ = self.listener.accept()
            behind = eventlet.connect((server.host, server.port))
            eventlet.spawn(self.pass_on, client, behind, False)
            eventlet.spawn(self.pass_on, behind, client, True)
    def pass_on(self, source, sink, is_server):
        while data := source.recv(4096):
            if is_server:
                data, self.left = data[:max(int(min(self.left, 4096)), 0)], self.left - len(data)
            if data:
                sink.sendall(data)
            if self.left <= 0 and self.closes:
                sink.shutdown(2); source.shutdown(2)
                return
"""

TESTS = {
    "a server that is not there": """
free = socket.socket(); free.bind(("127.0.0.1", 0))
error = raises(mysql.OperationalError, connect, host="127.0.0.1", port=free.getsockname()[1])
assert error.args[0] in (2002, 2003), error
error = raises(mysql.OperationalError, connect, host="127.0.0.1", unix_socket="/nowhere/at/all", port=0)
assert error.args[0] in (2002, 2003), error
""",
    "a server that accepts and says nothing": """
silent = eventlet.listen(("127.0.0.1", 0))
place = dict(host="127.0.0.1", port=silent.getsockname()[1], connect_timeout=1.5)
with Ticks() as ticks, eventlet.Timeout(20):
    waiting = [eventlet.spawn(raises, mysql.OperationalError, connect, **place) for _ in range(5)]
    errors = [one.wait() for one in waiting]
assert all(error.args[0] == 2003 and "connect_timeout of 1.5 s" in error.args[1] for error in errors)
assert ticks.count > 50
""",
    "a wrong password, an unknown user, an unknown database": """
assert raises(mysql.OperationalError, connect, password="wrong").args[0] == 1045
assert raises(mysql.OperationalError, connect, user="nobody").args[0] == 1045
assert raises(mysql.OperationalError, connect, database="no_such").args[0] == 1049
""",
    "a TLS certificate of nobody's": """
import tempfile
error = raises(mysql.OperationalError, connect, ssl={"ca": "/dev/null"}, ssl_mode="VERIFY_CA")
assert error.args[0] == 2026, error
""",
    "too many connections": """
import sqlalchemy
first = connect()
ask(first, "SET GLOBAL max_connections = 12")
try:
    held, failed = [], None
    while failed is None:
        try:
            held.append(connect())
        except mysql.OperationalError as error:
            failed = error
    assert failed.args[0] == 1040, failed
    URL = f"mysql+wsgisrv://{server.user}:{server.password}@{server.host}:{server.port}/{server.name}"
    pool = sqlalchemy.create_engine(URL)
    error = raises(sqlalchemy.exc.OperationalError, pool.connect)
    assert error.orig.args[0] == 1040
    held.pop().close()
    with eventlet.Timeout(10):
        while True:
            try:
                with pool.connect() as connection:
                    break
            except sqlalchemy.exc.OperationalError:
                eventlet.sleep(0.02)
finally:
    ask(first, "SET GLOBAL max_connections = 200")
""",
    "a result that is cut": """
for cut in (1, 3, 4, 20, 60, 5000, 70_000):
    for kind in (mysql.cursors.Cursor, mysql.cursors.SSCursor):
        proxy = Proxy(closes=True)
        connection = connect(host="127.0.0.1", port=proxy.port, cursorclass=kind)
        assert ask(connection, "SELECT 1") == ((1,),)
        proxy.left = cut
        with eventlet.Timeout(20):
            error = raises(mysql.OperationalError, ask, connection, LONG)
        assert error.args[0] in (2006, 2013), (cut, error)
        assert raises(mysql.OperationalError, ask, connection, "SELECT 1").args[0] in (2006, 2013)
""",
    "a connection that falls silent in the middle of a result": """
for cut in (0, 3, 20, 60, 5000, 70_000):
    for kind in (mysql.cursors.Cursor, mysql.cursors.SSCursor):
        proxy = Proxy(closes=False)
        connection = connect(host="127.0.0.1", port=proxy.port, cursorclass=kind, query_timeout=0.6)
        assert ask(connection, "SELECT 1") == ((1,),)
        proxy.left = cut
        with Ticks() as ticks, eventlet.Timeout(20):
            error = raises(mysql.OperationalError, ask, connection, LONG)
        assert error.args[0] == 2013 and "query_timeout" in error.args[1], (cut, error)
        assert ticks.count > 20, ticks.count
""",
    "whatever asks a server that falls silent is an error in time, and stops nobody": """
asks = {
    "commit": lambda c: c.commit(), "rollback": lambda c: c.rollback(), "ping": lambda c: c.ping(),
    "autocommit": lambda c: c.autocommit(True), "select_db": lambda c: c.select_db("test"),
    "stat": lambda c: c.stat(), "charset": lambda c: c.set_character_set("latin1"),
    "change_user": lambda c: c.change_user(server.user, server.password, server.name),
    "kill": lambda c: c.kill(1), "begin": lambda c: c.begin(),
}
def ask_the_silent(call):
    proxy = Proxy(closes=False)
    connection = connect(host="127.0.0.1", port=proxy.port, query_timeout=1.5)
    proxy.left = 0
    error = raises(mysql.OperationalError, call, connection)
    assert error.args[0] == 2013 and "query_timeout" in error.args[1], error
    assert raises(mysql.OperationalError, ask, connection, "SELECT 1").args[0] == 2006
with Ticks() as ticks, eventlet.Timeout(30):
    for done in [eventlet.spawn(ask_the_silent, call) for call in asks.values()]:
        done.wait()
assert ticks.count > 50, ticks.count
""",
    "a next result that does not come": """
for kind in (mysql.cursors.Cursor, mysql.cursors.SSCursor):
    connection = connect(query_timeout=1.5, cursorclass=kind)
    with connection.cursor() as cursor, Ticks() as ticks:
        cursor.execute("SELECT 1; SELECT SLEEP(30), 2")
        assert cursor.fetchall() == ((1,),)
        error = raises(mysql.OperationalError, cursor.nextset)
        assert error.args[0] == 2013, error
    assert ticks.count > 50, ticks.count
    assert raises(mysql.OperationalError, ask, connection, "SELECT 1").args[0] == 2006
""",
    "a TLS handshake that does not end": """
greeting = eventlet.connect((server.host, server.port)).recv(4096)
for more in (0, 1, 200):  # silent at once, in the midst of the server's first record, a little later
    proxy = Proxy(closes=False)
    proxy.left = len(greeting) + more
    with Ticks() as ticks, eventlet.Timeout(20):
        error = raises(mysql.OperationalError, connect, host="127.0.0.1", port=proxy.port,
                       ssl={"ca": server.ca}, ssl_mode="REQUIRED", connect_timeout=1.5)
    assert error.args[0] == 2003 and "connect_timeout of 1.5 s" in error.args[1], error
    assert ticks.count > 50, ticks.count
""",
    "a server that goes away between two statements": """
connection = connect()
with connect() as other:
    ask(other, f"KILL {connection.thread_id()}")
assert raises(mysql.OperationalError, ask, connection, "SELECT 1").args[0] in (2006, 2013, 1927)
assert raises(mysql.OperationalError, connection.ping).args[0] in (2006, 2013)
assert raises(mysql.OperationalError, connection.commit).args[0] in (2006, 2013)
connection.close()
""",
    "a statement that is longer than the server takes": """
connection = connect()
error = raises(mysql.OperationalError, ask, connection, "SELECT '" + "x" * 70_000_000 + "'")
assert error.args[0] in (1153, 2006, 2013, 2020), error
""",
    "times that are none": """
for wrong in (-1, float("nan"), float("inf")):
    for name in ("query_timeout", "connect_timeout"):
        assert name in str(raises(mysql.ProgrammingError, connect, **{name: wrong}))
assert ask(connect(query_timeout=None, connect_timeout=0), "SELECT 1") == ((1,),)
""",
    "connects that were given up while they waited for a thread are not made": """
from wsgisrv.blocking.threads import thread_figures
silent = eventlet.listen(("127.0.0.1", 0))
accepted = []
def accept():
    while True:
        accepted.append(silent.accept())
eventlet.spawn(accept)
def begin(seconds):
    place = dict(host="127.0.0.1", port=silent.getsockname()[1], connect_timeout=seconds)
    return eventlet.spawn(raises, mysql.OperationalError, connect, **place)
with eventlet.Timeout(20):
    first = [begin(2) for _ in range(20)]  # one for each thread
    while len(accepted) < 20:
        eventlet.sleep(0.01)
    second = [begin(0.1) for _ in range(10)]
    assert all("connect_timeout of 0.1 s" in one.wait().args[1] for one in second)
    while (figures := thread_figures()).calls < 30 or figures.running:
        eventlet.sleep(0.01)
assert len(accepted) == 20, len(accepted)
""",
    "a server that falls silent when it is asked to stop a statement": """
from wsgisrv.blocking.mysql_kill import Killer
proxy = Proxy(closes=False)
args = {**ARGS, "host": "127.0.0.1", "port": proxy.port}
proxy.left = 1_000_000
connect(**args).close()
spent = 1_000_000 - proxy.left
victim, statement = connect(), "SELECT SLEEP(30), 'victim'"
waiting = eventlet.spawn(raises, mysql.OperationalError, ask, victim, statement)
def runs():
    return [row for row in ask(connect(), "SHOW FULL PROCESSLIST") if row[7] == statement]
with eventlet.Timeout(20):
    while not runs():
        eventlet.sleep(0.01)
    killer = Killer(patience=1)
    proxy.left = spent  # so it says nothing more once somebody has connected
    killer.kill((), args, victim.thread_id(), statement)
    while proxy.left >= 0:
        eventlet.sleep(0.01)
    proxy.left = float("inf")
    assert runs()
    killer.kill((), args, victim.thread_id(), statement)
    while runs():
        eventlet.sleep(0.05)
waiting.kill()
""",
    "a greenlet that is killed while it connects": """
silent = eventlet.listen(("127.0.0.1", 0))
victim = eventlet.spawn(connect, host="127.0.0.1", port=silent.getsockname()[1], connect_timeout=1)
eventlet.sleep(0.1)
victim.kill()
client, _ = silent.accept()
with eventlet.Timeout(20):
    while client.recv(100):  # until the thread gives up
        pass
""",
}


@pytest.mark.parametrize("code", TESTS.values(), ids=TESTS)
def test_mysql_bad_input(code: str, mariadb_server: Database) -> None:
    run_green(PRELUDE + code, mariadb_server)
