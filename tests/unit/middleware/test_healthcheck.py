"""egg:wsgisrv#healthcheck, as a filter and as an app, on any server."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import pytest

from tests.support.wsgi import call
from wsgisrv.deploy import load_app
from wsgisrv.errors import ConfigError
from wsgisrv.middleware.healthcheck import Healthcheck, app_factory, filter_factory


def behind(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "6")])
    return [b"behind"]


def made(**conf: str) -> Any:
    return filter_factory({}, **conf)(behind)


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz"])
def test_it_answers_its_paths_in_plain_text_that_nobody_keeps(path: str) -> None:
    answer = call(made(), path)
    assert (answer.status, answer.body) == ("200 OK", b"OK")
    assert answer.headers["Content-Type"] == "text/plain; charset=UTF-8"
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("path", ["/", "/readyz/", "/readyzz", "/v1/readyz", "/healthcheck"])
def test_all_other_paths_are_the_apps(path: str) -> None:
    assert call(made(), path).body == b"behind"


def test_a_service_that_is_about_to_stop_is_not_ready_but_alive() -> None:
    leaving = {"wsgisrv.draining": True}
    for path in ("/readyz", "/healthz"):
        answer = call(made(), path, environ=leaving)
        assert (answer.status, answer.body) == ("503 Service Unavailable", b"DRAINING")
    assert call(made(), "/livez", environ=leaving).status_code == 200
    assert call(made(), "/readyz", environ={"wsgisrv.draining": False}).status_code == 200


def test_a_file_takes_it_out_of_rotation_while_it_is_there(tmp_path: Path) -> None:
    flag = tmp_path / "disabled"
    app = made(disable_by_file_path=str(flag), backends="disable_by_file")
    assert call(app, "/readyz").status_code == 200
    flag.touch()
    answer = call(app, "/readyz")
    assert (answer.status_code, answer.body) == (503, b"DISABLED BY FILE")
    assert call(app, "/livez").status_code == 200
    flag.unlink()
    assert call(app, "/readyz").status_code == 200


def test_a_file_of_a_port_is_for_that_port_alone(tmp_path: Path) -> None:
    flag = tmp_path / "disabled"
    flag.touch()
    app = made(disable_by_file_paths=f"8774:{flag}, 8775:{tmp_path / 'other'}")
    answers = {
        port: call(app, "/readyz", environ={"SERVER_PORT": port}).status_code
        for port in ("8774", "8775", "80")
    }
    assert answers == {"8774": 503, "8775": 200, "80": 200}


def test_json_tells_each_check_to_who_asks_for_it(tmp_path: Path) -> None:
    flag = tmp_path / "disabled"
    app = made(disable_by_file_path=str(flag))
    json = "application/json"
    answer = call(app, "/readyz", Accept=json)
    assert answer.headers["Content-Type"] == json
    assert answer.json == {
        "detailed": True,
        "reasons": ["OK"],
        "checks": {"draining": "OK", "disable_by_file": "OK"},
    }
    flag.touch()
    answer = call(app, "/readyz", environ={"wsgisrv.draining": True}, Accept=json)
    assert answer.status_code == 503
    assert answer.json["reasons"] == ["DRAINING", "DISABLED BY FILE"]
    assert str(tmp_path) not in answer.text
    short = call(made(detailed="False"), "/readyz", Accept=json)
    assert short.json == {"detailed": False, "reasons": ["OK"]}


def test_head_has_the_headers_alone_and_other_methods_are_refused() -> None:
    answer = call(made(), "/readyz", "HEAD")
    assert (answer.status_code, answer.body, answer.headers["Content-Length"]) == (200, b"", "2")
    answer = call(made(), "/readyz", "POST")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_its_paths_can_be_chosen() -> None:
    app = made(path="/healthcheck", ready_paths="/up, /ready", live_paths="/alive")
    for path in ("/healthcheck", "/up", "/ready", "/alive"):
        assert call(app, path).body == b"OK"
    assert call(app, "/readyz").body == b"behind"


def test_as_an_app_it_answers_where_it_is_mounted_and_below() -> None:
    app = app_factory({})
    leaving = {"wsgisrv.draining": True}

    def status(script: str, path: str) -> int:
        environ = {**leaving, "SCRIPT_NAME": script}
        answer = call(app, path or "/", environ={**environ, "PATH_INFO": path})
        return int(answer.status_code)

    assert status("/readyz", "") == 503
    assert status("/livez", "") == 200
    assert status("/health", "") == 503
    assert status("/health", "/readyz") == 503
    assert status("/health", "/livez") == 200
    assert status("/health", "/other") == 404


def test_a_paste_file_names_it_as_filter_and_as_app(tmp_path: Path) -> None:
    ini = tmp_path / "api-paste.ini"
    ini.write_text(
        "[pipeline:main]\npipeline = health versions\n"
        "[filter:health]\nuse = egg:wsgisrv#healthcheck\n"
        "[app:versions]\nuse = egg:wsgisrv#healthcheck\nready_paths = /other\n"
    )
    app = load_app(str(ini), {})
    assert call(app, "/readyz").body == call(app, "/other").body == b"OK"
    assert call(app, "/nowhere").status_code == 404


@pytest.mark.parametrize(
    ("conf", "error"),
    [
        ({"colour": "red"}, "colour: no such key; there are path, live_paths"),
        ({"path": "readyz"}, "readyz: a path begins with /"),
        ({"detailed": "perhaps"}, "detailed = perhaps: allowed is true or false"),
        ({"disable_by_file_paths": "/run/x"}, "disable_by_file_paths = /run/x: allowed is PORT"),
        ({"backends": "database"}, "backends = database: there are "),
    ],
)
def test_a_wrong_key_or_value_is_one_line(conf: dict[str, str], error: str) -> None:
    with pytest.raises(ConfigError) as raised:
        filter_factory({}, **conf)
    assert str(raised.value).startswith(f"healthcheck: {error}")


def test_without_an_app_of_its_own_it_stands_alone() -> None:
    assert call(Healthcheck(), "/readyz").body == b"OK"
