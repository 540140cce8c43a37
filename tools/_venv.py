"""Makes and renews the tools' virtual environments; prints the path of the one that was asked for.

``.venv-NAME-X.Y`` holds the checkout, installed editable, with the extra NAME: what runs is what stands
in the checkout, so only a change of what must be installed asks for another installation. Each NAME has
its own environment, so that the tests' installation never pulls a library from under a server that runs.

Rules: an environment is good once its stamp says so; the stamp is written last and taken away first, and
one that does not match means starting from nothing, so an interrupted or outdated installation is never
used. One process at a time installs, whatever the NAME, since an editable installation also writes into
the checkout; a lock file sees to that, and it is only asked when the stamp does not match.
Only the standard library; progress goes to stderr.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import sysconfig
import time
import tomllib
import venv
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STAMP = "installed"
SHOWN = ("Collecting ", "Building wheel", "Installing collected packages")
"""How the lines of pip's output begin that are shown as progress."""
SHOWN_CHARS = 100
FAILURE_LINES = 25
"""Lines at the end of pip's output that are shown when it fails."""


def fingerprint(packages: list[str]) -> str:
    """Returns what an environment depends on, as a hash: the interpreter and what is to be installed.

    Of pyproject.toml only the tables that pip reads count: a changed lint rule installs nothing.

    Raises:
        SystemExit: when pyproject.toml cannot be read.
    """
    try:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise SystemExit(f"{ROOT / 'pyproject.toml'}: {error}") from None
    facts = [
        sys.version,
        os.path.realpath(sys.executable),
        sysconfig.get_platform(),
        str(ROOT),
        packages,
        project["build-system"],
        project["project"],
        project["tool"]["setuptools"],
    ]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def is_good(stamp: Path, expected: str) -> bool:
    return stamp.is_file() and stamp.read_text() == expected


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock file, waiting for whoever holds it; the kernel drops it when a process dies."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another installation in this checkout ...")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def pip(home: Path, *arguments: str) -> bool:
    """Runs the environment's pip, showing one line a package; its whole output is in ``pip.log``."""
    command = [str(home / "bin/python"), "-m", "pip", "--no-input", *arguments]
    environ = os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    with (
        (home / "pip.log").open("a") as log,
        subprocess.Popen(
            command,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        for line in process.stdout or ():
            log.write(line)
            if line.lstrip().startswith(SHOWN):
                say(f"  {line.strip()[:SHOWN_CHARS]}")
    return process.returncode == 0


def install(home: Path, extra: str, packages: list[str], wanted: list[str]) -> None:
    """Makes the environment from nothing.

    Raises:
        SystemExit: when pip fails, after the end of its output was shown.
    """
    started = time.monotonic()
    say(f"{home.name}: installing for Python {sys.version.split()[0]}, once; takes a minute or so")
    shutil.rmtree(home, ignore_errors=True)
    venv.create(home, with_pip=True, symlinks=True)
    project = f"{ROOT}[{extra}]" if extra else str(ROOT)
    if not pip(home, "install", "--editable", project, *packages):
        log = (home / "pip.log").read_text().splitlines()
        say("\n".join(log[-FAILURE_LINES:]))
        raise SystemExit(f"{home.name}: pip could not install; see {home / 'pip.log'}")
    for package in wanted:
        if not pip(home, "install", package):
            say(f"{home.name}: {package} could not be installed, going on without it")
    say(f"{home.name}: ready after {time.monotonic() - started:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description="Make a tool's virtual environment ready.")
    parser.add_argument("name", help="what it is for: names the directory")
    parser.add_argument("--extra", help="the project's extra to install (default: NAME)")
    parser.add_argument("--package", action="append", default=[], help="another package")
    parser.add_argument(
        "--wanted", action="append", default=[], help="a package that it can do without"
    )
    options = parser.parse_args()
    extra = options.name if options.extra is None else options.extra
    home = ROOT / f".venv-{options.name}-{sys.version_info.major}.{sys.version_info.minor}"
    stamp = home / STAMP
    expected = fingerprint([extra, *options.package, *options.wanted])
    if not is_good(stamp, expected):
        with locked(ROOT / ".venv.lock"):
            if not is_good(stamp, expected):
                stamp.unlink(missing_ok=True)
                install(home, extra, options.package, options.wanted)
                stamp.write_text(expected)
    print(home)


if __name__ == "__main__":
    main()
