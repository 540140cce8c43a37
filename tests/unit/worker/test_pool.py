"""The pool: GreenPool's own behaviour, with requests that never block whoever submits them.

Each test runs in a process of its own: a hub is the process's.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.support.http import DEADLINE
from tests.support.server import ROOT

PRELUDE = """
import warnings; warnings.simplefilter("ignore")
import eventlet
import greenlet
from eventlet import hubs
from wsgisrv.worker.pool import RequestPool
hub = hubs.get_hub()
class Job:
    def __init__(self, work): self.run = work
def submit(pool, work):
    hub.schedule_call_global(0, lambda: pool.submit(Job(work)))
"""

TESTS = {
    "a parked greenlet serves the next request": """
seen = []
pool = RequestPool(hub, 2)
for _ in range(3):
    submit(pool, lambda: seen.append(id(greenlet.getcurrent())))
    eventlet.sleep(0)
    eventlet.sleep(0)
assert len(seen) == 3 and len(set(seen)) == 1, seen
""",
    "requests beyond the size wait in order and run": """
pool = RequestPool(hub, 2)
order = []
def work(n):
    order.append(n)
    eventlet.sleep(0.01)
for n in range(6):
    submit(pool, lambda n=n: work(n))
eventlet.sleep(0)
eventlet.sleep(0)
assert (pool.running(), pool.free(), pool.requests_waiting()) == (2, 0, 4)
while pool.requests_waiting():
    eventlet.sleep(0.005)
pool.waitall()
assert order == list(range(6)) and pool.free() == 2
""",
    "resize lets more run at once": """
pool = RequestPool(hub, 1)
for _ in range(3):
    submit(pool, lambda: eventlet.sleep(0.05))
eventlet.sleep(0)
eventlet.sleep(0)
assert pool.running() == 1
pool.resize(3)
eventlet.sleep(0)
eventlet.sleep(0)
assert pool.running() == 3 and pool.free() == 0
pool.waitall()
""",
    "spawn and spawn_n share the slots with requests": """
pool = RequestPool(hub, 2)
submit(pool, lambda: eventlet.sleep(0.05))
eventlet.sleep(0)
eventlet.sleep(0)
assert pool.free() == 1
thread = pool.spawn(lambda: 42)
pool.spawn_n(lambda: None)
assert thread.wait() == 42
pool.waitall()
assert (pool.running(), pool.free()) == (0, 2)
assert list(pool.imap(lambda x: x * 2, [1, 2, 3])) == [2, 4, 6]
""",
    "call_when_free calls once a slot is free": """
pool = RequestPool(hub, 1)
called = []
submit(pool, lambda: eventlet.sleep(0.02))
eventlet.sleep(0)
eventlet.sleep(0)
assert pool.is_full
pool.call_when_free(lambda: called.append(1))
eventlet.sleep(0)
assert called == []
pool.waitall()
eventlet.sleep(0)
assert called == [1]
""",
    "a link runs at the end of the request": """
pool = RequestPool(hub, 1)
ended = []
submit(pool, lambda: greenlet.getcurrent().link(lambda g, x: ended.append(x), 7))
eventlet.sleep(0)
eventlet.sleep(0)
assert ended == [7]
""",
    "a killed request frees its slot": """
pool = RequestPool(hub, 1)
inside = []
def work():
    inside.append(greenlet.getcurrent())
    eventlet.sleep(60)
submit(pool, work)
eventlet.sleep(0)
eventlet.sleep(0)
eventlet.kill(inside[0])
assert (pool.running(), pool.free()) == (0, 1)
""",
}


@pytest.mark.parametrize("promise", TESTS)
def test_the_pool_keeps_its_promise(promise: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + TESTS[promise]],
        capture_output=True, text=True, cwd=ROOT, timeout=DEADLINE, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
