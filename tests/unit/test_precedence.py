"""Of every option the command line wins over the environment, over later files, earlier ones, the default."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import pytest

from wsgisrv.config import PROXY_HEADERS, Settings
from wsgisrv.options import Loaded, load

LEVELS = ("default", "file", "later file", "environment", "command line")
FIELDS = {
    field.name: field
    for field in dataclasses.fields(Settings)
    # Three that are not given together with another one; see below.
    if field.name not in ("servers", "app", "factory")
}
OF_A_SHAPE = {
    "backdoor": ("auto", "/a", "/b", "/c"),
    "proxy_protocol_from": ("10.0.0.0/8", "10.0.0.0/16", "unix", "::1"),
    "trusted_proxies": ("10.0.0.0/8", "10.0.0.0/16", "unix", "::1"),
    "trusted_proxy_headers": PROXY_HEADERS[:4],
    "umask": ("001", "002", "003", "004"),
    "unix_mode": ("0600", "0601", "0602", "0603"),
    "unix_owner": ("one", "one:two", ":two", "two"),
}


@pytest.fixture(autouse=True)
def no_files_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def text_at(name: str, level: int) -> str:
    """Returns what stands at a level from 1 to 4: different at each, but for what has too few values."""
    field = FIELDS[name]
    meta = field.metadata
    if field.type == "bool":
        return "true" if level % 2 else "false"
    if name in OF_A_SHAPE:
        return OF_A_SHAPE[name][level - 1]
    if meta["choices"]:
        return str(meta["choices"][level % len(meta["choices"])])
    if field.type in ("int", "float"):
        return str(int((meta["min"] or 0) + level))
    return f"{name}.{level}" if meta["pattern"] else f"/{name}/{level}"


def expected(name: str, level: int) -> Any:
    field = FIELDS[name]
    if level == 0:
        return field.default
    text = text_at(name, level)
    if field.type == "bool":
        return text == "true"
    if field.type == "tuple[str, ...]":
        return (text,)
    return {"int": int, "float": float}.get(str(field.type), str)(text)


def given(levels: tuple[int, ...], directory: Path, monkeypatch: pytest.MonkeyPatch) -> Loaded:
    """Loads a configuration in which every option is given at each of the levels."""
    args = []
    for level in levels:
        values = {name: text_at(name, level) for name in FIELDS} if level else {}
        if LEVELS[level].endswith("file"):
            path = directory / f"{level}.conf"
            path.write_text("[wsgisrv]\n" + "".join(f"{k} = {v}\n" for k, v in values.items()))
            args += ["--config-file", str(path)]
        elif LEVELS[level] == "environment":
            for name, value in values.items():
                monkeypatch.setenv(f"OS_WSGISRV__{name.upper()}", value)
        else:
            for name, value in values.items():
                flag = name.replace("_", "-")
                if FIELDS[name].type == "bool":
                    args.append(f"--{flag}" if value == "true" else f"--no{flag}")
                else:
                    args += [f"--{flag}", value]
    return load(args, prog="wsgisrv test")


@pytest.mark.parametrize(
    "levels",
    list(itertools.combinations(range(len(LEVELS)), 2)),
    ids=lambda pair: "-".join(map(str, pair)),
)
def test_of_two_levels_the_higher_one_wins_for_every_option(
    levels: tuple[int, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = given(levels, tmp_path, monkeypatch).settings
    # What may be given more than once adds up over files.
    both_files = levels == (1, 2)
    adding_up = {
        name
        for name, field in FIELDS.items()
        if field.type == "tuple[str, ...]" and not field.metadata["is_list"] and both_files
    }
    seen = {name: getattr(settings, name) for name in FIELDS}
    assert seen == {
        name: expected(name, 1) + expected(name, 2)
        if name in adding_up
        else expected(name, levels[1])
        for name in FIELDS
    }


def test_all_levels_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = given((0, 1, 2, 3, 4), tmp_path, monkeypatch)
    assert {name: getattr(found.settings, name) for name in FIELDS} == {
        name: expected(name, 4) for name in FIELDS
    }
    assert found.given == FIELDS.keys()


@pytest.mark.parametrize("name", ["app", "factory"])
def test_an_app_by_its_name_has_the_same_precedence(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.conf"
    path.write_text(f"[wsgisrv]\n{name} = file:app\n")
    args = ["--config-file", str(path)]
    assert getattr(load(args, prog="t").settings, name) == "file:app"
    monkeypatch.setenv(f"OS_WSGISRV__{name.upper()}", "environment:app")
    assert getattr(load(args, prog="t").settings, name) == "environment:app"
    args += [f"--{name}", "line:app"]
    assert getattr(load(args, prog="t").settings, name) == "line:app"


def test_an_option_on_the_command_line_hides_no_other_that_begins_alike(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OS_WSGISRV__BIND_TIMEOUT", "9")
    assert load(["--bind", "a:1"], prog="t").settings.bind_timeout == 9
    assert load(["--bind-t", "8"], prog="t").settings.bind_timeout == 8


def test_a_servers_section_wins_over_that_of_all_and_its_variable_over_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.conf"
    path.write_text(
        "[wsgisrv]\nservers = one, two\npool_size = 5\nbacklog = 5\nheader_timeout = 5\n"
        "[wsgisrv_one]\nbind = a:1\nbacklog = 6\nheader_timeout = 6\n[wsgisrv_two]\nbind = a:2\n"
    )
    monkeypatch.setenv("OS_WSGISRV_ONE__HEADER_TIMEOUT", "7")
    sections = load(["--config-file", str(path)], prog="t").sections
    assert sections["one"] == {"bind": ("a:1",), "backlog": 6, "header_timeout": 7}
    assert sections["two"] == {"bind": ("a:2",)}
