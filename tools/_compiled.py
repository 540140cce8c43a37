"""Keeps a copy of the checkout whose hot modules are compiled; prints its path.

``build/compiled-X.Y`` holds what tools and tests need of the checkout, as it stands now, with the extension
modules that ``WSGISRV_COMPILE=1 pip install .`` would install in their places. They are built anew when a
source of the package has changed, so that nobody runs what is not there any more.
Only the standard library; progress goes to stderr.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COPIED = (
    ".ci", "CHANGES.rst", "LICENSE", "README.rst", "etc", "pyproject.toml", "setup.py", "tests", "tools",
    "wsgisrv",
)  # fmt: skip
STAMP = "compiled"


def fingerprint() -> str:
    """Returns what the extension modules depend on, as a hash."""
    found = hashlib.sha256(sys.version.encode())
    for path in (ROOT / "setup.py", *sorted((ROOT / "wsgisrv").rglob("*.py"))):
        found.update(str(path).encode() + path.read_bytes())
    return found.hexdigest()


def copy(place: Path) -> None:
    """Brings the copy up to date; extension modules in it stay."""
    for name in COPIED:
        source, target = ROOT / name, place / name
        if source.is_file():
            shutil.copy2(source, target)
            continue
        if target.exists():
            for path in target.rglob("*"):
                if path.is_file() and path.suffix != ".so":
                    path.unlink()
        shutil.copytree(
            source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
        )


def compile_in(place: Path) -> None:
    """Builds a wheel from the copy and puts its extension modules beside their sources.

    Raises:
        SystemExit: when that fails, as without a C compiler.
    """
    for old in place.rglob("*.so"):
        old.unlink()
    print("compiling; takes a minute or two ...", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as made:
        command = [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "--no-deps",
            "--wheel-dir",
            made,
            str(place),
        ]
        done = subprocess.run(
            command,
            env=os.environ | {"WSGISRV_COMPILE": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            lines = (done.stdout + done.stderr).splitlines()
            raise SystemExit("\n".join([*lines[-25:], "the package could not be compiled"]))
        (wheel,) = Path(made).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            modules = [name for name in archive.namelist() if name.endswith(".so")]
            archive.extractall(place, modules)
    shutil.rmtree(place / "build", ignore_errors=True)


def main() -> None:
    place = ROOT / "build" / f"compiled-{sys.version_info.major}.{sys.version_info.minor}"
    place.mkdir(parents=True, exist_ok=True)
    stamp = place / STAMP
    with (ROOT / ".venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        expected = fingerprint()
        copy(place)
        if not stamp.is_file() or stamp.read_text() != expected:
            stamp.unlink(missing_ok=True)
            compile_in(place)
            stamp.write_text(expected)
    print(place)


if __name__ == "__main__":
    main()
