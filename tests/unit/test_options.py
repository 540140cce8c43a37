"""Options: one table, oslo.config's precedence, every value checked when it is loaded."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from wsgisrv.config import Settings
from wsgisrv.declared_options import list_opts
from wsgisrv.errors import ConfigError, UsageError
from wsgisrv.options import Loaded, load


@pytest.fixture(autouse=True)
def no_files_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def loaded(*args: str) -> Loaded:
    return load(args, prog="wsgisrv test")


def conf(directory: Path, text: str, name: str = "a.conf") -> str:
    path = directory / name
    path.write_text("[wsgisrv]\n" + text)
    return str(path)


def test_the_defaults_are_those_of_the_table() -> None:
    assert loaded().settings == Settings()
    assert loaded().given == frozenset()


def test_every_field_is_an_option_with_help() -> None:
    ((group, opts),) = list_opts()
    assert group == "wsgisrv"
    assert [opt.dest for opt in opts] == [field.name for field in dataclasses.fields(Settings)]
    assert all(opt.help and opt.help.endswith(".") for opt in opts)


def test_addresses_add_up_wherever_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert loaded("--bind", "a:1", "--bind", "b:2").settings.bind == ("a:1", "b:2")
    path = conf(tmp_path, "bind = a:1\nbind = b:2\n")
    assert loaded("--config-file", path).settings.bind == ("a:1", "b:2")
    assert loaded("--config-file", path, "--bind", "c:3").settings.bind == ("c:3",)
    monkeypatch.setenv("OS_WSGISRV__BIND", "[::1]:1,unix:/s")
    assert loaded("--bind", "c:3").settings.bind == ("c:3",)
    assert loaded().settings.bind == ("[::1]:1", "unix:/s")


def test_an_unknown_key_is_a_warning_with_the_nearest_known_name(tmp_path: Path) -> None:
    path = conf(tmp_path, "wokers = 3\nzzz = 1\n")
    assert loaded("--config-file", path).warnings == (
        f"{path}: [wsgisrv] wokers: no such option; did you mean workers?",
        f"{path}: [wsgisrv] zzz: no such option",
    )


def test_a_directory_of_files_is_read_in_order(tmp_path: Path) -> None:
    conf(tmp_path, "workers = 1\n", "10.conf")
    conf(tmp_path, "workers = 2\n", "20.conf")
    conf(tmp_path, "workers = 3\n", "30.txt")
    assert loaded("--config-dir", str(tmp_path)).settings.workers == 2


def test_the_place_of_a_bad_value_is_the_file_that_has_it(tmp_path: Path) -> None:
    good = conf(tmp_path, "workers = 1\n")
    bad = conf(tmp_path, "header_timeout = soon\n", "b.conf")
    with pytest.raises(ConfigError) as caught:
        loaded("--config-file", good, "--config-file", bad)
    assert str(caught.value) == (
        f"{bad}: [wsgisrv] header_timeout = soon: allowed is a number from 0.1 on to 3600"
    )


def test_a_bad_value_on_the_command_line_is_usage() -> None:
    with pytest.raises(
        UsageError, match="--max-target-bytes 7999: allowed is a whole number from 8000"
    ):
        loaded("--max-target-bytes", "7999")
