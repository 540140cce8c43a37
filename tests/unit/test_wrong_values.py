"""A wrong value of any option is one line: file, section, key, value, and what is allowed."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from wsgisrv.config import Settings
from wsgisrv.declared_options import allowed
from wsgisrv.errors import ConfigError, UsageError
from wsgisrv.option import SERVICE
from wsgisrv.options import load

LISTS = {
    "servers": "Upper",
    "proxy_protocol_from": "nowhere",
    "trusted_proxies": "10.0.0.1/8",
    "trusted_proxy_headers": "x-real-ip",
}
FIELDS = [
    field
    for field in dataclasses.fields(Settings)
    # Of other texts whatever stands there may be right: it is looked at when it is used.
    if field.type in ("int", "float", "bool")
    or any(field.metadata[key] for key in ("choices", "pattern", "check"))
]


@pytest.fixture(autouse=True)
def no_files_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def wrong_values(field: dataclasses.Field[Any]) -> list[str]:
    meta = field.metadata
    if field.name in LISTS:
        return [LISTS[field.name]]
    if field.type == "bool":
        return ["maybe"]
    if field.type in ("int", "float"):
        found = ["many", ""]
        found += [str(meta["min"] - 1)] if meta["min"] is not None else []
        return found + ([str(meta["max"] + 1)] if meta["max"] is not None else [])
    return ["no:such:thing"]


CASES = [(field.name, value) for field in FIELDS for value in wrong_values(field)]


@pytest.mark.parametrize(("name", "value"), CASES)
def test_in_a_file(name: str, value: str, tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    path.write_text(f"[wsgisrv]\n{name} = {value}\n")
    with pytest.raises(ConfigError) as caught:
        load(["--config-file", str(path)], prog="t")
    said = str(caught.value)
    assert said.startswith(f"{path}: [wsgisrv] {name} = {value}: ")
    field = Settings.__dataclass_fields__[name]
    assert "allowed" in said or name == "servers"
    assert name in LISTS or said.endswith(allowed(field))
    assert "\n" not in said


OF_A_SERVER = [
    (field.name, wrong_values(field)[0]) for field in FIELDS if field.metadata["scope"] != SERVICE
]


@pytest.mark.parametrize(("name", "value"), OF_A_SERVER)
def test_in_a_servers_section(name: str, value: str, tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    workers = "workers = 1\n" if name != "workers" else ""
    path.write_text(
        f"[wsgisrv]\nservers = one\n[wsgisrv_one]\nbind = a:1\n{workers}{name} = {value}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load(["--config-file", str(path)], prog="t")
    assert str(caught.value).startswith(f"{path}: [wsgisrv_one] {name} = {value}: ")


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, value in CASES if value])
def test_in_the_environment(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"OS_WSGISRV__{name.upper()}", value)
    with pytest.raises(ConfigError) as caught:
        load([], prog="t")
    assert str(caught.value).startswith(f"environment: OS_WSGISRV__{name.upper()}={value}: ")


def test_two_that_say_what_is_served(tmp_path: Path) -> None:
    path = tmp_path / "a.conf"
    path.write_text("[wsgisrv]\napp = m:app\nfactory = m:make\n")
    with pytest.raises(ConfigError) as caught:
        load(["--config-file", str(path)], prog="t")
    assert str(caught.value) == (
        f"{path}: [wsgisrv] app = m:app: not together with {path}: [wsgisrv] factory = m:make;"
        " one says what is served"
    )
    with pytest.raises(UsageError, match=r"^--app: not together with --factory; one says"):
        load(["--app", "m:app", "--factory", "m:make"], prog="t")
    path.write_text("[wsgisrv]\npaste_config = a.ini\n")
    with pytest.raises(
        UsageError, match=rf"^{path}: \[wsgisrv\] paste_config = a.ini: not together"
    ):
        load(["--app", "m:app", "--config-file", str(path)], prog="t")


def test_what_is_found_wrong_once_it_is_used_is_given_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.conf"
    path.write_text(
        "[DEFAULT]\nosapi_volume_listen = ${x}\nx = a b\n[ssl]\ncert_file = /c\n"
        "[wsgisrv]\nservers = one\nuser = who\n[wsgisrv_one]\nbind = nowhere\ntls_client_ca = /ca\n"
        "bind = h:80\nbind = h:8080\n"
    )
    monkeypatch.setenv("OS_WSGISRV__PID_FILE", "/p")
    found = load(["--config-file", str(path), "--chdir", "/nowhere"], prog="t")
    for said, expected in (
        ("[wsgisrv] user = who: there is no such user",
         f"{path}: [wsgisrv] user = who: there is no such user"),
        ("bind nowhere: an address is", f"{path}: [wsgisrv_one] bind = nowhere: an address is"),
        ("bind h:80: no", f"{path}: [wsgisrv_one] bind = h:80: no"),
        ("one: [wsgisrv] tls_client_ca = /ca: no", f"one: {path}: [wsgisrv_one] tls_client_ca = /ca: no"),
        ("[wsgisrv] tls_certificate = /c: no", f"{path}: [ssl] cert_file = /c: no"),
        ("[wsgisrv] pid_file = /p: no", "environment: OS_WSGISRV__PID_FILE=/p: no"),
        ("[wsgisrv] chdir = /nowhere: no", "[wsgisrv] chdir = /nowhere: no"),
        ("something else: no", "something else: no"),
    ):  # fmt: skip
        assert str(found.located(ConfigError(said))) == expected
