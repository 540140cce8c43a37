"""Runs a piece of code in a patched process of its own, as a worker is one: a hub is the process's.

Rules: the code asserts; whatever it raises, or leaves hanging, fails the test. What it prints is returned.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

from tests.support.databases import Database
from tests.support.server import ROOT

SECONDS = 60.0

PRELUDE = """
import warnings; warnings.simplefilter("ignore")
import eventlet
eventlet.monkey_patch(psycopg=False)  # as a worker is patched
import json, sys, time
import eventlet.hubs
class server:
    "What the tests know of their database server."
for name, value in json.loads(sys.argv[1]).items():
    setattr(server, name, value)
warnings.simplefilter("error")
warnings.filterwarnings("ignore", category=DeprecationWarning, module="eventlet")

class Ticks:
    "Counts the turns of the hub while the block runs."
    # One or two if something holds it. At a load of 30 on two cores a turn took 15 ms, so that what a
    # test waits for takes a second.
    def __enter__(self):
        self.count, self._greenlet = 0, eventlet.spawn(self._run)
        eventlet.sleep(0)
        return self
    def _run(self):
        while True:
            self.count += 1
            eventlet.sleep(0.001)
    def __exit__(self, *_):
        self._greenlet.kill()

def raises(kind, function, *args, **kwargs):
    try:
        function(*args, **kwargs)
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")
"""


def run_green(code: str, server: Database | None = None, **facts: object) -> str:
    """Returns what the code prints; it finds the server's facts as ``server.host`` and so on.

    Args:
        facts: more of them.
    """
    known = {} if server is None else dataclasses.asdict(dataclasses.replace(server, _keeper=None))
    process = subprocess.run(
        [sys.executable, "-c", PRELUDE + code, json.dumps({**known, **facts})],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        cwd=ROOT,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    assert "Traceback" not in process.stderr, process.stderr
    return process.stdout
