"""Runs eventlet's tests of its WSGI server with wsgisrv's in its place, and compares with the list.

Fails when a test that is not listed does not pass, when a listed one does, when the list names one that is
not there, and when fewer than LEAST pass. A listed test runs in a process of its own: what it leaves
behind must not fail another. Eventlet's tests have bounds of a tenth of a second, so one that fails and
should not runs once more alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
VERSION = "0.41.3"
SHA256 = "66d1883f276e94d040d007e99d7085e6aa5f2738c5b8783d165a137050dc8fb6"
TESTS = "tests/wsgi_test.py"
LEAST = 75
"""Tests that must pass, of the 89 that pass with eventlet's own server."""

SECONDS = 120
"""That one run of pytest may take."""


def fetch(directory: Path) -> Path:
    """Returns eventlet's source archive, downloaded unless it is there.

    Raises:
        SystemExit: when it is another one than it was.
    """
    archive = directory / f"eventlet-{VERSION}.tar.gz"
    if not archive.exists():
        options = ["--quiet", "--no-deps", "--no-binary", "eventlet", "--dest", str(directory)]
        subprocess.run(
            [sys.executable, "-m", "pip", "download", *options, f"eventlet=={VERSION}"],
            check=True, timeout=SECONDS, stdout=sys.stderr,
        )  # fmt: skip
    if hashlib.sha256(archive.read_bytes()).hexdigest() != SHA256:
        raise SystemExit(f"{archive}: not the archive that the list was made for; remove it")
    return archive


def unpack(archive: Path, directory: Path) -> Path:
    """Unpacks the tests, without eventlet itself, and returns the folder that they stand in."""
    with tarfile.open(archive) as tar:
        prefix = f"eventlet-{VERSION}/tests/"
        members = [member for member in tar if member.name.startswith(prefix)]
        tar.extractall(directory, members, filter="data")
    return directory / f"eventlet-{VERSION}"


def run(folder: Path, *arguments: str) -> tuple[dict[str, str], str]:
    """Runs pytest in ``folder``; returns each test's outcome, and what was printed."""
    with tempfile.NamedTemporaryFile() as results:
        options = ["-q", "-p", "drop_in", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir=."]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *arguments],
            cwd=folder, timeout=SECONDS, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, check=False,
            env={
                **os.environ,
                "PYTHONPATH": str(HERE),
                "DROP_IN_RESULTS": results.name,
                "eventlet_test_ipv6": "1",
            },
        )  # fmt: skip
        return json.loads(results.read() or b"{}"), done.stdout


def node(name: str) -> str:
    """Returns a test's name as pytest takes it."""
    return f"{TESTS}::{name.replace('.', '::')}"


def alone(folder: Path, name: str) -> tuple[str, str]:
    """Runs one test by itself and returns its outcome and what was printed."""
    outcomes, said = run(folder, node(name))
    return outcomes.get(name, "missing"), said


def compare(folder: Path, listed: Sequence[str], elsewhere: Sequence[str]) -> list[str]:
    """Runs all of it, prints what came of it, and returns what is wrong."""
    wrong: list[str] = []
    without = [f"--deselect={node(name)}" for name in listed]
    outcomes, said = run(folder, TESTS, *without)
    if not outcomes:
        return [f"the tests did not run:\n{said}"]
    for name in [name for name, outcome in outcomes.items() if outcome != "passed"]:
        outcomes[name], said = alone(folder, name)
        if outcomes[name] != "passed":
            wrong.append(f"{name}: {outcomes[name]}, but not listed\n{said}")
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda name: alone(folder, name)[0], listed))
    for name, outcome in zip(listed, found, strict=True):
        outcomes[name] = outcome
        if outcomes[name] in ("passed", "missing"):
            wrong.append(f"{name}: {outcomes[name]}, but listed as not passing")
    wrong += [f"{name}: no such test" for name in elsewhere if name not in outcomes]
    passed = list(outcomes.values()).count("passed")
    if passed < LEAST:
        wrong.append(f"only {passed} pass; at least {LEAST} are to")
    print(
        f"drop-in: {passed} of {len(outcomes)} tests of eventlet {VERSION} pass"
        f" ({len(elsewhere)} of them do not call server()), {len(listed)} are listed as not passing"
    )
    return wrong


def main() -> int:
    tables = tomllib.loads((HERE / "not-passing.toml").read_text())
    cache = ROOT / "var" / "drop-in"
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as directory:
        folder = unpack(fetch(cache), Path(directory))
        wrong = compare(folder, list(tables["not-passing"]), list(tables["elsewhere"]))
    for line in wrong:
        print(f"drop-in: {line}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
