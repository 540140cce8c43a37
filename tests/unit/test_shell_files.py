"""The man page and the completion files, as man and the shells themselves take them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from wsgisrv.cli import COMMANDS
from wsgisrv.config import Settings

ETC = Path(__file__).parents[2] / "etc"
BASH = ETC / "completion" / "wsgisrv.bash"


def completed(directory: Path, *words: str) -> list[str]:
    """Asks bash what completes the last of the words."""
    script = (
        'source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _wsgisrv;'
        ' printf "%s\\n" "${COMPREPLY[@]}"; complete -p wsgisrv'
    )
    done = subprocess.run(
        ["bash", "--norc", "-u", "-c", script, str(BASH), "wsgisrv", *words],
        capture_output=True, text=True, timeout=30, check=True, cwd=directory,
    )  # fmt: skip
    assert done.stderr == ""
    *lines, last = done.stdout.splitlines()
    assert last == "complete -F _wsgisrv wsgisrv"
    return [line for line in lines if line]


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["ser"], ["serve"]),
        (["--v"], ["--version"]),
        (["serve", "--worker"], ["--workers", "--worker-timeout"]),
        (["serve", "--hub", "e"], ["epolls"]),
        (["serve", "--hub", "="], ["auto", "epolls", "kqueue", "poll", "selects", "asyncio"]),
        (["serve", "--hub", "=", "as"], ["asyncio"]),
        (["check", "--imp"], ["--imports"]),
        (["serve", "--imp"], []),
        (["stop", "--n"], ["--now"]),
        (["log-level", "war"], ["warning"]),
        (["scale", "--server", "x"], []),
        (["serve", "api"], ["api-paste.ini"]),
        (["serve", "--config-file", "ap"], ["api-paste.ini"]),
        (["serve", "--config-dir", "c"], ["conf.d"]),
        (["serve", "--config-dir", "a"], []),
    ],
)
def test_bash_completes(words: list[str], found: list[str], tmp_path: Path) -> None:
    (tmp_path / "api-paste.ini").touch()
    (tmp_path / "conf.d").mkdir()
    assert completed(tmp_path, *words) == found


def test_bash_knows_every_command_and_every_option(tmp_path: Path) -> None:
    assert set(COMMANDS) <= set(completed(tmp_path, ""))
    flags = completed(tmp_path, "serve", "--")
    assert {f"--{name.replace('_', '-')}" for name in Settings.__dataclass_fields__} <= set(flags)
    for name in COMMANDS:
        assert "--help" in completed(tmp_path, name, "--h")


@pytest.mark.parametrize(
    ("shell", "flag", "file"), [("zsh", "-n", "_wsgisrv"), ("fish", "-n", "wsgisrv.fish")]
)
def test_other_shells_can_read_theirs(shell: str, flag: str, file: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    done = subprocess.run(
        [shell, flag, str(ETC / "completion" / file)],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_the_man_page_is_clean_and_has_every_command_and_option() -> None:
    done = subprocess.run(
        ["groff", "-man", "-ww", "-Tascii", "-P-cbou", str(ETC / "wsgisrv.1")],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    shown = done.stdout
    for name in COMMANDS:
        assert f"wsgisrv {name}\n" in shown
    for name in Settings.__dataclass_fields__:
        assert f"--{name.replace('_', '-')}" in shown
    assert "0.25" in shown
