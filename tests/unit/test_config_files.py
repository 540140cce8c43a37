"""Which configuration files are read, and which of those that are found are believed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wsgisrv.config_files import ConfigFiles
from wsgisrv.errors import ConfigError
from wsgisrv.options import load


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path.parent)
    return tmp_path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.write_text(f"[wsgisrv]\n{text}\n")
    path.chmod(0o644)
    return path


def test_the_first_file_that_is_found_is_read_and_then_the_directory(home: Path) -> None:
    write(home / "wsgisrv.conf", "workers = 1\nbacklog = 1")
    assert load([], prog="t").settings.backlog == 1
    write(home / ".wsgisrv" / "wsgisrv.conf", "workers = 2")
    found = load([], prog="t").settings
    assert (found.workers, found.backlog) == (2, 2048)
    directory = home / ".wsgisrv" / "wsgisrv.conf.d"
    directory.mkdir()
    write(directory / "20.conf", "workers = 4")
    write(directory / "10.conf", "workers = 3")
    assert load([], prog="t").settings.workers == 4


def test_what_is_named_takes_the_place_of_what_is_found(home: Path, tmp_path: Path) -> None:
    write(home / "wsgisrv.conf", "workers = 1\nbacklog = 1")
    named = write(tmp_path / "named.conf", "workers = 2")
    found = load(["--config-file", str(named)], prog="t").settings
    assert (found.workers, found.backlog) == (2, 2048)


def test_the_working_directory_is_not_searched(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    write(elsewhere / "wsgisrv.conf", "workers = 7")
    monkeypatch.chdir(elsewhere)
    assert load([], prog="t").settings.workers == 0


def test_a_file_that_others_can_write_is_believed_only_by_its_name(home: Path) -> None:
    path = write(home / "wsgisrv.conf", "workers = 1")
    path.chmod(0o666)
    with pytest.raises(ConfigError, match=rf"^{path}: was found by searching and others can write"):
        load([], prog="t")
    assert load(["--config-file", str(path)], prog="t").settings.workers == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="takes root")
def test_a_file_of_another_user_is_believed_only_by_its_name(home: Path) -> None:
    path = write(home / ".wsgisrv" / "wsgisrv.conf.d" / "a.conf", "workers = 1")
    os.chown(path, 4711, 0)
    with pytest.raises(ConfigError, match=rf"^{path}: was found by searching"):
        load([], prog="t")


def test_each_assignment_knows_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    path.write_text("# first\n[wsgisrv]\nbind = a:1\n  b:2\n\nworkers = 1\n[other]\nworkers: 2\n")
    files = ConfigFiles([str(path), str(tmp_path / "missing.conf")])
    assert [(each.section, each.key, each.value, each.line) for each in files.assignments] == [
        ("wsgisrv", "bind", "a:1\nb:2", 3),
        ("wsgisrv", "workers", "1", 6),
        ("other", "workers", "2", 8),
    ]
