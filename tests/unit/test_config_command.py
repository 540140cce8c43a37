"""``wsgisrv config``: what holds, and where it comes from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from wsgisrv.cli import main
from wsgisrv.config import Settings
from wsgisrv.config_command import OWN

FILE = """\
# a comment
[DEFAULT]
backlog = 77

[wsgisrv]
servers = public, admin
pool_size = 5
workers = 2
access_log = redis://me:hunter2@there/1

[wsgisrv_public]
bind = a:1
bind = a:2

[wsgisrv_admin]
bind = unix:/s
app = module:app
workers = 1
"""


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    path = tmp_path / "a.conf"
    path.write_text(FILE)
    return path


def shown(capsys: pytest.CaptureFixture[str], *args: str) -> Any:
    assert main(["config", *args, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_each_value_has_its_place(
    conf: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OS_WSGISRV__KEEPALIVE_TIMEOUT", "9")
    monkeypatch.setenv("OS_WSGISRV_ADMIN__KEEPALIVE_TIMEOUT", "8")
    found = shown(capsys, "--config-file", str(conf), "--hub", "poll", "api.ini")
    all_of_it = found["sections"]["wsgisrv"]
    assert list(all_of_it) == list(Settings.__dataclass_fields__)
    file = {"kind": "file", "name": str(conf), "section": "wsgisrv"}
    assert all_of_it["pool_size"] == {"value": 5, "from": [{**file, "line": 7}]}
    assert all_of_it["hub"]["from"] == [{"kind": "command line", "name": "--hub"}]
    assert all_of_it["paste_config"] == {
        "value": "api.ini", "from": [{"kind": "command line", "name": "PASTE_INI[#APP]"}],
    }  # fmt: skip
    assert all_of_it["keepalive_timeout"] == {
        "value": 9.0, "from": [{"kind": "environment", "name": "OS_WSGISRV__KEEPALIVE_TIMEOUT"}],
    }  # fmt: skip
    assert all_of_it["header_timeout"]["from"] == [{"kind": "default"}]
    assert all_of_it["backlog"] == {
        "value": 77,
        "from": [
            {"kind": "file", "name": str(conf), "line": 3, "section": "DEFAULT", "key": "backlog"}
        ],
    }
    assert len(found["warnings"]) == 1


def test_each_of_several_servers_has_its_own_and_else_that_of_all(
    conf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sections = shown(capsys, "--config-file", str(conf), "api.ini")["sections"]
    public, admin = sections["wsgisrv_public"], sections["wsgisrv_admin"]
    assert public["bind"]["value"] == ["a:1", "a:2"]
    assert [place["line"] for place in public["bind"]["from"]] == [12, 13]
    assert public["pool_size"]["from"][0]["line"] == 7
    assert public["paste_config"]["value"] == "api.ini"
    assert "workers" not in public
    assert (admin["app"]["value"], admin["paste_config"]["value"]) == ("module:app", "")
    assert admin["workers"] == {
        "value": 1,
        "from": [{"kind": "file", "name": str(conf), "line": 18, "section": "wsgisrv_admin"}],
    }
    assert "log_level" not in admin


def test_passwords_are_masked(conf: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--config-file", str(conf)]) == 0
    out = capsys.readouterr().out
    assert "redis://me:***@there/1" in out
    assert "hunter2" not in out


def test_the_text_has_a_line_for_each_option(
    conf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    args = ["--config-file", str(conf), "--option", "pool-size", "--option", "backlog"]
    assert main(["config", *args]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "[wsgisrv]"
    assert [line.split() for line in lines[1:4]] == [
        ["option", "value", "from"],
        ["backlog", "77", f"{conf}:3", "[DEFAULT]", "backlog", "(deprecated", "name)"],
        ["pool_size", "5", f"{conf}:7"],
    ]
    assert lines[-1].startswith(f"warning: {conf}: [DEFAULT] backlog: is a deprecated name")


def test_given_leaves_out_the_defaults(
    tmp_path: Path, conf: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = shown(capsys, "--given", "--workers", "3")
    assert found["sections"] == {
        "wsgisrv": {
            "workers": {"value": 3, "from": [{"kind": "command line", "name": "--workers"}]}
        }
    }


def test_an_option_that_is_not_there_is_usage(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["config", "--option", "nosuch"]) == 2
    assert capfd.readouterr().err == "wsgisrv: --option nosuch: there is no such option\n"


def test_what_it_takes_alone_is_no_option_of_the_service() -> None:
    assert not {opt.dest for opt in OWN} & Settings.__dataclass_fields__.keys()
