"""What needs eventlet runs in a process of its own: a hub is the process's."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.http import DEADLINE
from tests.support.server import ROOT

PRELUDE = """
import warnings; warnings.simplefilter("ignore")
import eventlet, greenlet
from eventlet import wsgi as theirs
from wsgisrv.compat import wsgi as ours
from wsgisrv.compat.pool import BorrowedPool
class Job:
    has_begun = False
    ended = 0
    def __init__(self, work): self.work = work
    def run(self):
        self.has_begun = True
        self.work()
    def never_began(self): self.ended += 1
class Bare:
    "A pool with no more than a pool must have."
    def __init__(self, size): self._pool = eventlet.GreenPool(size)
    def spawn(self, *args): return self._pool.spawn(*args)
    def waitall(self): self._pool.waitall()
def submit(pool, *jobs):  # the hub does it, and may not wait
    eventlet.hubs.get_hub().schedule_call_global(0, lambda: [pool.submit(job) for job in jobs])
"""

TESTS = {
    "the signature is eventlet's": """
import inspect
def said(function):
    return [(p.name, p.kind, p.default) for p in inspect.signature(function).parameters.values()]
assert said(ours.server) == said(theirs.server), (said(ours.server), said(theirs.server))
""",
    "dates are written as eventlet writes them": """
for seconds in (0, 951782400, 1e9 + 0.7):
    assert ours.format_date_time(seconds) == theirs.format_date_time(seconds)
""",
    "a malformed body is eventlet's error too": """
assert issubclass(ours.ChunkReadError, (theirs.ChunkReadError)) and issubclass(ours.ChunkReadError, OSError)
assert issubclass(ours.ChunkReadError, ValueError)
str(ours.ChunkReadError(400, "reason"))
""",
    "what is no pool is refused": """
for wrong in (object(), type("P", (), {"spawn": print})()):
    try:
        BorrowedPool(wrong)
    except AttributeError as error:
        assert "GreenPool" in str(error)
    else:
        raise SystemExit("taken")
""",
    "requests wait for a borrowed place and run in order": """
for make in (eventlet.GreenPool, Bare):
    shared = make(2)
    pool = BorrowedPool(shared)
    order, gate = [], eventlet.Event()
    other = shared.spawn(gate.wait)
    jobs = [Job(lambda n=n: (order.append(n), eventlet.sleep(0.01))) for n in range(5)]
    submit(pool, *jobs)
    eventlet.sleep(0.005)
    assert order == [0], order
    assert pool.is_full
    with eventlet.Timeout(5):
        while len(order) < 5: eventlet.sleep(0.001)
    assert order == [0, 1, 2, 3, 4], order
    gate.send(None)
    shared.waitall()
    assert not pool.is_full
""",
    "whoever waits for a place is called when there is one": """
for make in (eventlet.GreenPool, Bare):
    shared = make(1)
    pool = BorrowedPool(shared)
    order, gate = [], eventlet.Event()
    shared.spawn(gate.wait)
    submit(pool, Job(lambda: order.append("job")))
    pool.call_when_free(lambda: order.append("called"))
    eventlet.sleep(0.005)
    assert order == [], order
    gate.send(None)
    with eventlet.Timeout(5):
        while len(order) < 2: eventlet.sleep(0.001)
    assert order == ["job", "called"], order
""",
    "a request whose greenlet is killed before it runs is told": """
shared = eventlet.GreenPool(1)
pool = BorrowedPool(shared)
job = Job(lambda: None)
pool.submit(job)
for greenthread in list(shared.coroutines_running): greenthread.kill()
eventlet.sleep(0)
assert (job.has_begun, job.ended) == (False, 1)
""",
    "a protocol class is warned of": """
import io
class Protocol(theirs.HttpProtocol):
    minimum_chunk_size = 1
warnings.simplefilter("error")
sock = eventlet.listen(("127.0.0.1", 0))
try:
    ours.server(sock, None, log=io.StringIO(), protocol=Protocol)
except RuntimeWarning as warning:
    assert "minimum_chunk_size" in str(warning)
else:
    raise SystemExit("not warned")
""",
    "what does not listen ends the server, and it closes the socket": """
import errno, io
sock = eventlet.green.socket.socket()
sock.bind(("127.0.0.1", 0))
log = io.StringIO()
try:
    ours.server(sock, None, log=log)
except OSError as error:
    assert error.errno == errno.EINVAL
else:
    raise SystemExit("served")
assert sock.fileno() < 0
assert "starting up on http://127.0.0.1:" in log.getvalue() and "wsgi exited" in log.getvalue()
""",
}


@pytest.mark.parametrize("name", TESTS)
def test_drop_in(name: str) -> None:
    process = subprocess.run(
        [sys.executable, "-c", PRELUDE + TESTS[name]],
        check=False, capture_output=True, text=True, timeout=DEADLINE, cwd=ROOT,
    )  # fmt: skip
    assert process.returncode == 0, f"{process.stdout}\n{process.stderr}"
