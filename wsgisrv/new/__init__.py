"""``wsgisrv new NAME``: writes a service project that is complete and small.

Rules: what it writes stands in ``project`` beside this file, each file with ``.in`` behind its name and NAME
where the service's name comes. Nothing is overwritten. Must not import eventlet.
"""

from __future__ import annotations

import argparse
import importlib.resources
import keyword
import os
import re
import shutil
import sys
from collections.abc import Sequence
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import NoReturn

from wsgisrv.errors import SystemRefusedError, UsageError

_NAME = re.compile("[a-z][a-z0-9_]*")
_TAKEN = ("wsgisrv", "tests", "etc", "setup")


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


def run_new(args: Sequence[str]) -> int:
    """Runs the command.

    Args:
        args: behind its name.

    Returns:
        0.

    Raises:
        UsageError: for a name that cannot be a package's, and a directory that is there.
        SystemRefusedError: when a file cannot be written.
    """
    found = parser().parse_args(args)
    name = str(found.name)
    _check_name(name)
    target = Path(found.directory or name)
    if target.exists() or target.is_symlink():
        raise UsageError(f"{target}: is there already; nothing is overwritten")
    write_project(name, target)
    print(_next_steps(name, target))
    return 0


def parser() -> argparse.ArgumentParser:
    """Returns what reads the command line."""
    found = _Parser(
        prog="wsgisrv new",
        description="Write a service project: a package with a resource, tests, paste file, configuration,"
        " systemd unit, Dockerfile and pyproject.toml.",
        allow_abbrev=False,
    )
    found.add_argument("name", metavar="NAME", help="of the service, its package and its directory")
    found.add_argument(
        "--directory", metavar="PATH", default="", help="to write it to, in place of ./NAME"
    )
    return found


def write_project(name: str, target: Path) -> None:
    """Writes all files, or none.

    Raises:
        SystemRefusedError: when one cannot be written.
    """
    try:
        target.mkdir(parents=True)
        try:
            _write(importlib.resources.files("wsgisrv.new") / "project", target, name)
        except OSError:
            shutil.rmtree(target, ignore_errors=True)
            raise
    except OSError as error:
        raise SystemRefusedError(f"{error.filename or target}: {error.strerror}") from None


def _write(source: Traversable, target: Path, name: str) -> None:
    for entry in source.iterdir():
        path = target / entry.name.removesuffix(".in").replace("NAME", name)
        if entry.is_dir():
            path.mkdir()
            _write(entry, path, name)
        elif entry.name.endswith(".in"):
            text = entry.read_text().replace("NAMELINE", "=" * len(name)).replace("NAME", name)
            path.write_text(text)


def _check_name(name: str) -> None:
    """Raises:
    UsageError: for what cannot be a package's name, or would hide another one.
    """
    if not _NAME.fullmatch(name):
        hint = re.sub("[^a-z0-9_]+", "_", name.lower()).strip("_")
        better = f"; {hint} would do" if _NAME.fullmatch(hint) else ""
        raise UsageError(
            f"{name!r}: a name has lower-case letters, digits and _, a letter first{better}"
        )
    if keyword.iskeyword(name) or keyword.issoftkeyword(name):
        raise UsageError(f"{name!r}: is a word of Python's own")
    if name in sys.stdlib_module_names:
        raise UsageError(f"{name!r}: is a module of Python's own, which the service would hide")
    if name in _TAKEN:
        raise UsageError(f"{name!r}: is taken, by wsgisrv or by the project's own files")


def _next_steps(name: str, target: Path) -> str:
    return (
        f"{target}{os.sep} is a service. To test it and to serve it:\n\n"
        f"    cd {target}\n"
        f"    pip install -e '.[test]'\n"
        f"    pytest\n"
        f"    {name} --config-file etc/{name}.conf"
    )
