"""The app's logs: the request's id on each line, wherever it is logged, and logging as a file says it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.configured import wait_until
from tests.support.server import run, serve

PLACES = ("here", "thread", "spawn", "pool", "pool_n")


def test_each_line_of_a_request_has_its_id_in_threads_and_spawned_greenlets_too() -> None:
    with serve("tests.apps.logged:everywhere", workers=1) as server, server.connect() as client:
        named = [client.get(f"/{number}").body.decode() for number in range(2)]
        assert len(set(named)) == 2
        for number, name in enumerate(named):
            assert re.fullmatch("req-[0-9a-f-]{36}", name)
            for place in PLACES:
                server.wait_line(rf"WARNING logged: \[{name}\] {place} /{number}$")


LOGGING = {
    "formatters": {"plain": {"format": "%(name)s|%(request_id)s|%(message)s"}},
    "handlers": {"file": {"class": "logging.FileHandler", "formatter": "plain"}},
    "root": {"handlers": ["file"], "level": "INFO"},
}


def test_a_dictconfig_says_how_workers_log(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    LOGGING["handlers"]["file"]["filename"] = str(path)  # type: ignore[index]
    (tmp_path / "logging.json").write_text(json.dumps(LOGGING))
    options: dict[str, Any] = {"workers": 1, "log_config": tmp_path / "logging.json"}
    with serve("tests.apps.logged:everywhere", **options) as server, server.connect() as client:
        name = client.get("/x").body.decode()
        wanted = [f"logged|{name}|{place} /x" for place in PLACES]
        wait_until(lambda: path.read_text().splitlines() == wanted, "the lines")


def test_options_of_oslo_log_say_it_likewise(tmp_path: Path) -> None:
    pytest.importorskip("oslo_log")
    path = tmp_path / "app.log"
    (tmp_path / "logging.conf").write_text(f"[DEFAULT]\nlog_file = {path}\nuse_stderr = false\n")
    options: dict[str, Any] = {"workers": 1, "log_config": tmp_path / "logging.conf"}
    with serve("tests.apps.logged:everywhere", **options) as server, server.connect() as client:
        name = client.get("/x").body.decode()
        pattern = rf" WARNING logged \[.*{name}.*\] (\w+) /x"
        wait_until(lambda: re.findall(pattern, path.read_text()) == [*PLACES], "the lines")


@pytest.mark.parametrize(
    ("name", "text", "wrong"),
    [
        ("a.json", "{", r"a\.json: Expecting property name"),
        ("a.toml", "a =", r"a\.toml: Invalid value"),
        (
            "a.json",
            '{"handlers": {"x": {"class": "no.such.Handler"}}}',
            r"a\.json: handlers\.x: .*'no'",
        ),
        ("a.json", '{"root": {"handlers": ["y"]}}', r"a\.json: .*'y'"),
        ("a.yaml", "", r"log_config = .*a\.yaml: a file ends in \.json or \.toml"),
        ("a.conf", "[DEFAULT]\nlog_config_append = /nosuch\n", r"a\.conf: .*/nosuch"),
    ],
)
def test_a_wrong_file_is_one_line_that_names_it_and_the_place(
    tmp_path: Path, name: str, text: str, wrong: str
) -> None:
    (tmp_path / name).write_text(text)
    (tmp_path / "api.ini").write_text("[app:main]\nuse = egg:wsgisrv#healthcheck\n")
    args = ["serve", str(tmp_path / "api.ini"), "--bind", "127.0.0.1:0", "--workers", "1"]
    with run([*args, "--log-config", str(tmp_path / name)]) as server:
        assert server.wait_exit() == 78
    assert re.match(f"wsgisrv: .*{wrong}", server.lines[-1])
