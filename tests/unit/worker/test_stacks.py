"""Stacks as text: grouped, bounded, and never more of a request than its line and id."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.support.server import ROOT

CODE = """
import json, warnings
warnings.simplefilter("ignore")
import eventlet
eventlet.monkey_patch()
from wsgisrv.worker.stacks import all_stacks

def deep(levels):
    if levels:
        deep(levels - 1)
    else:
        eventlet.sleep(600)

for levels in {levels}:
    eventlet.spawn(deep, levels)
eventlet.sleep(0)
print(json.dumps(all_stacks({most})))
"""


def stacks(levels: list[int], most: int) -> list[dict[str, object]]:
    """Returns the stacks of a patched process with a greenlet as deep as each of ``levels``."""
    code = CODE.format(levels=levels, most=most)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    found: list[dict[str, object]] = json.loads(done.stdout)
    return found


def test_equal_stacks_are_one_and_the_most_common_comes_first() -> None:
    found = stacks([1, 2, 2, 2], 100_000)
    assert [stack["count"] for stack in found[:2]] == [3, 1]
    assert str(found[0]["text"]).count("in deep") == 3


def test_what_is_too_long_is_left_out_and_counted() -> None:
    found = stacks(list(range(1, 30)), 4000)
    assert len(json.dumps(found[:-1])) <= 4000
    assert str(found[-1]["text"]).startswith("left out")
    assert sum(int(str(stack["count"])) for stack in found) >= 29


def test_what_lies_below_the_fork_is_no_part_of_a_workers_stack() -> None:
    code = """
import sys
from pathlib import Path
import wsgisrv
from wsgisrv.worker.stacks import stack_of

root = Path(wsgisrv.__file__).parent

def run(place, source, **names):
    scope = dict(names)
    exec(compile(source, str(root / place), "exec"), scope)
    return scope

source = "def boot():\\n    return stack_of(sys._getframe())"
innermost = run("worker/boot.py", source, sys=sys, stack_of=stack_of)
spawn = run("master/spawn.py", "def spawn():\\n    return boot()", boot=innermost["boot"])
between = run("service/main.py", "def main():\\n    return spawn()", spawn=spawn["spawn"])
print(run("master/supervisor.py", "def fork():\\n    return main()", main=between["main"])["fork"]())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    (line,) = done.stdout.splitlines()
    assert line.endswith('/wsgisrv/worker/boot.py", line 2, in boot')
