"""``wsgisrv routes``, as a command: the table of an app that is loaded in a child."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

APP = """
import functools
from wsgisrv import api

print("noise on stdout")

class Things:
    @api.version("1.0", "1.1")
    def show(self, request, id): ...

    @api.version("1.2", of="show")
    @api.returns({"type": "object"})
    def show_more(self, request, id): ...

    @api.sub_action("paint")
    @api.body({"type": "object"})
    def paint(self, request, id): ...
    @api.sub_action("weigh")
    @api.version("1.1", "1.2")
    def weigh(self, request, id): ...

class Filter:
    def __init__(self, app):
        self.application = app
    def __call__(self, environ, start_response):
        return self.application(environ, start_response)

def closed_over(app):
    def call(environ, start_response):
        return app(environ, start_response)
    return functools.partial(call)

def app_factory(global_conf, **local_conf):
    router = api.Router()
    router.resource("thing", "things", controller=Things())
    router.sub_actions("/things/{id}/action", controller=Things())
    return api.API(router, versions=api.Microversions("x", "1.0", "1.3"))

def filter_factory(global_conf, **local_conf):
    return lambda app: closed_over(Filter(app))

def fails(global_conf, **local_conf):
    raise ValueError("it broke")

def dies(global_conf, **local_conf):
    import os
    os._exit(7)

def plain(global_conf, **local_conf):
    return lambda environ, start_response: []
"""
INI = """
[composite:main]
use = egg:wsgisrv#urlmap
/v1 = piped
/ = plain

[pipeline:piped]
pipeline = filter api

[filter:filter]
paste.filter_factory = routed_app:filter_factory

[app:api]
paste.app_factory = routed_app:app_factory

[app:plain]
paste.app_factory = routed_app:plain

[app:fails]
paste.app_factory = routed_app:fails

[app:dies]
paste.app_factory = routed_app:dies
"""


@pytest.fixture
def ini(tmp_path: Path) -> Path:
    (tmp_path / "routed_app.py").write_text(APP)
    path = tmp_path / "api-paste.ini"
    path.write_text(INI)
    return path


def routes(ini: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "wsgisrv", "routes", *more],
        cwd=ini.parent, env={"PYTHONPATH": f"{ROOT}:{ini.parent}", "PATH": ""},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_the_table_has_every_route_behind_maps_and_filters(ini: Path) -> None:
    answer = routes(ini, str(ini))
    assert answer.returncode == 0, answer.stderr
    assert [line.split() for line in answer.stdout.splitlines()] == [
        ["method", "path", "action", "versions", "schema"],
        ["GET", "/v1/things/{id}", "Things.show", "1.0-1.1"],
        ["GET", "/v1/things/{id}", "Things.show", "(show_more)", "1.2-1.3", "result"],
        ["POST", "/v1/things/{id}/action", "Things.paint", "{paint}", "1.0-1.3", "body"],
        ["POST", "/v1/things/{id}/action", "Things.weigh", "{weigh}", "1.1-1.2"],
    ]
    assert "noise on stdout" in answer.stderr


def test_an_app_without_a_paste_file_is_taken_by_its_name(ini: Path) -> None:
    text = APP + "\ndef make(): return app_factory({})\n"
    (ini.parent / "routed_app.py").write_text(text + "\nroot = make()\n")
    for args in (("--app", "routed_app:root"), ("--factory", "routed_app:make")):
        answer = routes(ini, *args)
        assert answer.returncode == 0, answer.stderr
        assert "/things/{id}" in answer.stdout


def test_the_table_has_places_when_asked(ini: Path) -> None:
    lines = routes(ini, str(ini), "--places").stdout.splitlines()
    assert lines[0].split()[-1] == "place"
    assert all(f"{ini.parent}/routed_app.py:" in line for line in lines[1:])


def test_what_is_declared_cannot_make_a_line_of_its_own(ini: Path) -> None:
    more = """
        def is_near(environ, found): return True
        router = api.Router()
        router.connect(
            "/a\\nGET /forged\\x1b[0m/{id}", controller=Things(), action="show", methods=["GET"],
            requirements={"id": "[a-z]{2}"}, conditions={"function": is_near},
        )
        router.sub_actions("/things/{id}/action", controller=Things())
        root = api.API(router, versions=api.Microversions("x", "1.0", "1.2"))
    """
    (ini.parent / "routed_app.py").write_text(APP + textwrap.dedent(more))
    lines = routes(ini, "--app", "routed_app:root").stdout.splitlines()
    assert lines[0].split()[-1] == "condition"
    assert lines[1].split()[:3] == ["GET", "/a\\nGET", "/forged\\x1b[0m/{id:[a-z]{2}}"]
    assert lines[1].endswith("is_near")


def test_json_has_the_place_of_each_declaration_too(ini: Path) -> None:
    rows: list[dict[str, Any]] = json.loads(routes(ini, f"{ini}#piped", "--json").stdout)["routes"]
    assert [row["path"] for row in rows][:1] == ["/things/{id}"]
    assert all(row["place"].startswith(f"{ini.parent}/routed_app.py:") for row in rows)


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (["{ini}#fails"], 78, "[app:fails]"),
        (["{ini}#dies"], 70, "without a word"),
        (["--app", "routed_app:nothing"], 78, "routed_app has no nothing"),
        (["--app", "routed_app:Things"], 78, "routed_app:Things is a class, and no app"),
        (["--app", "routed_app:API", "{ini}"], 2, "one says what is served"),
        (["{ini}#nothing"], 78, "no section"),
        (["/nowhere.ini"], 78, "cannot read the paste file"),
        ([], 2, "no app"),
    ],
)
def test_what_cannot_be_loaded_is_one_line(
    ini: Path, arguments: list[str], code: int, problem: str
) -> None:
    answer = routes(ini, *(text.format(ini=ini) for text in arguments))
    assert answer.returncode == code
    assert answer.stdout == ""
    lines = [line for line in answer.stderr.splitlines() if "noise" not in line]
    assert len(lines) == 1
    assert problem in lines[0]


def test_an_app_without_an_api_is_said_to_have_none(ini: Path) -> None:
    answer = routes(ini, f"{ini}#plain")
    assert (answer.returncode, answer.stdout.split(":")[0]) == (0, "no routes")
