"""in_thread by who calls: a plain process, a patched one without a worker, a native thread.

What needs eventlet runs in a process of its own: a hub is the process's.
"""

from __future__ import annotations

import contextvars
import subprocess
import sys
import threading

import pytest

from tests.support.http import DEADLINE
from tests.support.server import ROOT
from wsgisrv.blocking import in_thread, threaded

PRELUDE = """
import warnings; warnings.simplefilter("ignore")
import eventlet; eventlet.monkey_patch()
import contextvars, threading, traceback
from eventlet import event, patcher
from wsgisrv.blocking import in_thread
from wsgisrv.blocking.threads import thread_figures
native = patcher.original("threading")
def name(): return threading.current_thread().name
"""

TESTS = {
    "a greenlet's call runs in the pool": """
assert in_thread(name) == "blocking-1"
""",
    "a call inside a call runs in the same thread": """
assert in_thread(lambda: (name(), in_thread(name))) == ("blocking-1", "blocking-1")
""",
    "a native thread's call runs right there": """
found = []
thread = native.Thread(target=lambda: found.append(in_thread(native.current_thread)))
thread.start(); thread.join()
assert found == [thread], found
""",
    "contextvars are carried over, and changes are not carried back": """
variable = contextvars.ContextVar("variable")
variable.set("mine")
def change():
    found = variable.get()
    variable.set("the thread's")
    return found
assert in_thread(change) == "mine"
assert variable.get() == "mine"
""",
    "an exception comes with its traceback": """
def fails():
    raise LookupError("no such thing")
try:
    in_thread(fails)
except LookupError as error:
    assert "in fails" in "".join(traceback.format_exception(error))
else:
    raise AssertionError
""",
    "a greenlet that dies of its call's exception leaves the pool to the others": """
import contextlib, io
def fails():
    raise LookupError("no such thing")
with contextlib.redirect_stderr(io.StringIO()) as said:
    dying = [eventlet.spawn(in_thread, fails) for _ in range(3)]
    waiting = [eventlet.spawn(in_thread, pow, number, 2) for number in range(3)]
    with eventlet.Timeout(10):
        assert [one.wait() for one in waiting] == [0, 1, 4]
        assert in_thread(name).startswith("blocking-")
assert all(one.dead for one in dying)
assert said.getvalue().count("LookupError: no such thing") == 3
assert "descriptor" not in said.getvalue(), said.getvalue()
""",
    "many greenlets share few threads and each gets its own result": """
pool = eventlet.GreenPool(200)
found = list(pool.imap(lambda number: in_thread(pow, number, 2), range(2000)))
assert found == [number ** 2 for number in range(2000)]
figures = thread_figures()
assert (figures.calls, figures.running, figures.waiting) == (2000, 0, 0), figures
assert figures.threads <= 20
""",
    "a killed greenlet's result is dropped and nobody is switched into": """
gate = native.Event()
greenlet = eventlet.spawn(in_thread, gate.wait)
eventlet.sleep(0)
greenlet.kill()
assert greenlet.dead
gate.set()
while thread_figures().running:
    eventlet.sleep(0.001)
assert in_thread(name).startswith("blocking-")
""",
    "results do not outlive their callers": """
import gc, weakref
class Thing: pass
kept = weakref.ref(in_thread(Thing))
eventlet.sleep(0)
gc.collect()
assert kept() is None
""",
    "the hub itself may not wait": """
said = event.Event()
def in_hub():
    try:
        in_thread(name)
    except RuntimeError as error:
        said.send(str(error))
eventlet.hubs.get_hub().schedule_call_global(0, in_hub)
assert "the hub itself" in said.wait()
""",
    "a forked child does not wait for threads that it does not have": """
import os
in_thread(name)
pid = os.fork()
if not pid:
    os._exit(0 if in_thread(pow, 2, 3) == 8 else 1)
assert os.waitpid(pid, 0)[1] == 0
""",
}


@pytest.mark.parametrize("promise", TESTS)
def test_in_a_patched_process(promise: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + TESTS[promise]],
        cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_in_a_plain_process_a_call_runs_right_there() -> None:
    variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)
    in_thread(variable.set, 7)
    assert (in_thread(threading.current_thread), variable.get()) == (threading.current_thread(), 7)


def test_a_threaded_function_keeps_its_name_and_its_arguments() -> None:
    @threaded
    def product(left: int, *, right: int) -> int:
        """Multiplies."""
        return left * right

    assert (product(6, right=7), product.__name__, product.__doc__) == (
        42,
        "product",
        "Multiplies.",
    )


def test_importing_the_package_imports_no_eventlet() -> None:
    program = "import sys, wsgisrv.blocking; sys.exit('eventlet' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode == 0
