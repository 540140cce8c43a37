"""Every literal block of the README: run as it stands there, or said why not.

What a reader would put his own in place of (addresses, paths, his service's modules) is replaced here, too,
and what a block leaves out is added; nothing else of it is changed. ``wsgisrv serve`` is checked rather than
served where serving is shown elsewhere: ``check`` takes the same words and loads the same app.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from sqlalchemy.engine import make_url
from websockets.sync.client import unix_connect

from tests.support.certificates import Certificates, split
from tests.support.configured import ports, wait_until
from tests.support.http import DEADLINE, Client
from tests.support.readme import block_of, blocks
from tests.support.server import ROOT, run

ELSEWHERE = {
    "from webob import exc": "unit/api/test_readme_example.py::test_the_api_of_the_readme_does",
    "import contextlib\n\nimport sqlalchemy": (
        "unit/api/test_readme_example.py::test_the_orders_of_the_readme_do"
    ),
    "from stock import app_factory": "unit/api/test_readme_example.py::test_the_api_of_the_readme_does",
    "pip install -e '.[test]'": "live/test_new_project.py::test_it_serves_at_once",
    "import sys": "live/test_readme_service.py::test_the_service_of_the_readme_does",
    "import logging": "live/test_readme_service.py::test_the_service_of_the_readme_does",
    "from wsgisrv.compat.oslo_service import service": (
        "live/test_readme_service.py::test_the_changed_imports_of_the_readme_are_there"
    ),
    "[app:main]": "live/test_placement.py::placed",
    "wsgisrv serve --workers 4 --bind": (
        "live/test_readme_service.py::test_the_command_of_the_readme_for_gunicorns_users"
    ),
}
"""By the block's first words, which other test runs it."""

NOT_RUN = {
    "tools/serve     #": "installs environments of its own; .ci/run runs tools/test, and the demo is below",
    "gunicorn -k eventlet": "what is left behind: gunicorn has that worker no more",
    "import eventlet\neventlet.monkey_patch()\n\nfrom oslo_service": "what is left behind",
}
"""By the block's first words, why no test runs it."""

HERE = {
    "demo": "$ curl http://127.0.0.1:8080/",
    "smuggling": "$ curl -s -o /dev/null",
    "composite": "[composite:main]\nuse = egg:wsgisrv#urlmap",
    "commands": "wsgisrv serve api-paste.ini     ",
    "websocket": "from wsgisrv.websocket import",
    "pserve": "[server:main]",
    "servers": "[wsgisrv]\nservers = public, admin",
    "tls": "wsgisrv serve api-paste.ini --bind 0.0.0.0:8443",
    "threads": "from wsgisrv.blocking import in_thread",
    "processes": "from wsgisrv.blocking import in_process",
    "formats": "oslo       192.0.2.1",
    "logging": "# logging.toml",
    "traces": "OTEL_EXPORTER_OTLP_ENDPOINT",
    "filters": "[pipeline:main]\npipeline = healthcheck request_id",
    "app": "[app:api]\nuse = egg:wsgisrv#app",
    "eventlet before": "import eventlet\neventlet.monkey_patch()\nfrom eventlet import wsgi",
    "eventlet after": "import eventlet\neventlet.monkey_patch()\nfrom wsgisrv.compat",
    "mysql": "mysql+wsgisrv://",
    "config": "$ wsgisrv config",
    "healthcheck": "[pipeline:main]\npipeline = healthcheck auth api",
    "admin": "wsgisrv serve api-paste.ini --admin-bind",
    "backdoor": "$ nc -U",
}
"""By the block's first words, what it is called below."""


def test_every_block_is_run_or_said_why_not() -> None:
    known = [*ELSEWHERE, *NOT_RUN, *HERE.values()]
    for block in blocks():
        assert len([first for first in known if block.text.startswith(first)]) == 1, block
    for first in known:
        assert block_of(first)
    for where in ELSEWHERE.values():
        path, _, name = where.partition("::")
        assert f"def {name}" in (ROOT / "tests" / path).read_text()
    text = Path(__file__).read_text()
    for name in HERE:
        assert f'text_of("{name}")' in text


def text_of(name: str) -> str:
    return block_of(HERE[name])


def in_words(command: str, *, replaced: Mapping[str, str]) -> list[str]:
    """Returns a command line's words, of ``check`` in place of ``serve``."""
    for old, new in replaced.items():
        assert old in command, (old, command)
        command = command.replace(old, new)
    program, *words = shlex.split(command, comments=True)
    assert program == "wsgisrv"
    return ["check" if word == "serve" else word for word in words]


def call(
    directory: Path, *args: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs python in ``directory``, to its end."""
    environ = {**os.environ, "PYTHONPATH": f"{ROOT}:{directory}", **(env or {})}
    return subprocess.run(
        [sys.executable, *args], cwd=directory, env=environ,
        capture_output=True, text=True, timeout=DEADLINE, check=False,
    )  # fmt: skip


def check(directory: Path, words: Sequence[str], env: Mapping[str, str] | None = None) -> str:
    """Runs ``wsgisrv check`` where nothing but what is given may be wrong, and returns what it says."""
    (port,) = ports(1)
    bound = {"OS_WSGISRV__BIND": f"127.0.0.1:{port}", **(env or {})}
    done = call(directory, "-m", "wsgisrv", *words, env=bound)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A directory with the service ``yourservice`` and a paste file of its own."""
    package = tmp_path / "yourservice"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "api.py").write_text(APP.format("api"))
    (package / "versions.py").write_text(APP.format("versions"))
    (package / "wsgi.py").write_text(
        f"{APP.format('wsgi')}\n\ndef make_app():\n    return application\n"
    )
    (package / "auth.py").write_text(FILTER)
    (tmp_path / "api-paste.ini").write_text(text_of("composite"))
    return tmp_path


APP = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [" ".join(["{}", *environ.get("passed", [])]).encode()]


def app_factory(global_conf, **local_conf):
    return application
"""
FILTER = """
def filter_factory(global_conf, **local_conf):
    def with_filter(app):
        def passing(environ, start_response):
            environ.setdefault("passed", []).append("auth")
            return app(environ, start_response)
        return passing
    return with_filter
"""
STAND_IN = "[filter:auth]\npaste.filter_factory = yourservice.auth:filter_factory\n"
API = "[app:api]\npaste.app_factory = yourservice.api:app_factory\n"


# The demo


def test_the_demo_answers_as_the_session_shows(tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("there is no curl")
    (port,) = ports(1)
    url = f"sqlite:///{tmp_path}/shelf.sqlite"
    command = ["demo", "--bind", f"127.0.0.1:{port}", "--workers", "1", "--database", url]
    session = text_of("demo") + "\n\n" + text_of("smuggling")
    shown = re.search(r'"id":"([0-9a-f-]{36})"', session)
    assert shown is not None
    with run(command) as server:
        server.wait_ready()
        id_made = shown[1]
        for each in session.replace("\\\n", " ").split("$ ")[1:]:
            words, expected = each.replace(shown[1], id_made).split("\n", 1)
            said = subprocess.run(
                shlex.split(words.replace(":8080/", f":{port}/")),
                capture_output=True, text=True, timeout=DEADLINE, check=True,
            ).stdout.strip()  # fmt: skip
            if made := re.match(r'{"id":"([^"]+)","title"', said):
                expected = expected.replace(id_made, made[1])
                id_made = made[1]
            pattern = re.sub(r"(\\ )?\\\.\\\.\\\.(,?\\ )?", ".*", re.escape(expected.strip()))
            assert re.fullmatch(pattern, said), (words, said)


# Serving an app


def test_the_composite_serves_two_apps_one_behind_a_filter(place: Path) -> None:
    address = f"{place}/s"
    command = ["serve", f"{place}/api-paste.ini", "--bind", f"unix:{address}", "--workers", "1"]
    with run(command, address=address, env={"PYTHONPATH": f"{ROOT}:{place}"}) as server:
        server.wait_ready()
        with server.connect() as client:
            assert client.get("/").body == b"versions"
            assert client.get("/v1/things").body == b"api auth"


def test_each_command_would_serve(place: Path) -> None:
    conf = place / "wsgisrv.conf"
    conf.write_text("[wsgisrv]\npaste_config = api-paste.ini\n")
    (port,) = ports(1)
    replaced = {
        "0.0.0.0:8774": f"127.0.0.1:{port}",
        "/run/service.sock": f"{place}/service.sock",
        "/etc/service/wsgisrv.conf": str(conf),
    }
    for line in text_of("commands").splitlines():
        here = {old: new for old, new in replaced.items() if old in line}
        assert "workers: " in check(place, in_words(line, replaced=here))


def test_the_commands_for_tls_and_for_admins_would_serve(place: Path) -> None:
    chain, key = split(Certificates(place / "tls").issue("api.test"))
    port, admin = ports(2)
    replaced = {
        "0.0.0.0:8443": f"127.0.0.1:{port}",
        "/etc/ssl/api.crt": str(chain),
        "/etc/ssl/api.key": str(key),
    }
    assert str(chain) in check(place, in_words(text_of("tls"), replaced=replaced))
    check(place, in_words(text_of("admin"), replaced={":9180": f":{admin}"}))


def test_the_chat_tells_everybody(tmp_path: Path) -> None:
    (tmp_path / "chatting.py").write_text(text_of("websocket"))
    address = f"{tmp_path}/s"
    command = ["serve", "--app", "chatting:app", "--bind", f"unix:{address}", "--workers", "1"]
    with run(command, address=address, env={"PYTHONPATH": f"{ROOT}:{tmp_path}"}) as server:
        server.wait_ready()
        with (
            unix_connect(address, "ws://chat/") as one,
            unix_connect(address, "ws://chat/") as other,
        ):
            one.send("begin")
            assert one.recv(DEADLINE) == "begin"
            other.send("hello")
            assert one.recv(DEADLINE) == "hello"
            heard = other.recv(DEADLINE)  # the first word, too, if it was a member by then
            assert (other.recv(DEADLINE) if heard == "begin" else heard) == "hello"


def test_pserve_serves_with_four_workers(place: Path) -> None:
    (port,) = ports(1)
    section = text_of("pserve").replace("0.0.0.0:8080", f"127.0.0.1:{port}")
    (place / "service.ini").write_text(f"{API.replace('api]', 'main]')}\n{section}\n")
    module = ("-c", "from pyramid.scripts.pserve import main; main()")
    environ = {"PYTHONPATH": f"{ROOT}:{place}"}
    with run([f"{place}/service.ini"], module=module, env=environ) as server:
        assert len(server.wait_ready()) == 4
        with Client(("127.0.0.1", port)) as client:
            assert client.get().body == b"api"


def test_two_servers_have_what_their_sections_say(place: Path) -> None:
    chain, key = split(Certificates(place / "tls").issue("api.test"))
    (port,) = ports(1)
    conf = text_of("servers")
    for old, new in {
        "/etc/service/": f"{place}/",
        "0.0.0.0:8774": f"127.0.0.1:{port}",
        "/etc/ssl/api.crt": str(chain),
        "/etc/ssl/api.key": str(key),
        "/run/service/": f"{place}/",
        "workers = 8": "workers = 2",
    }.items():
        assert old in conf
        conf = conf.replace(old, new)
    (place / "wsgisrv.conf").write_text(conf)
    ini = place / "api-paste.ini"
    ini.write_text(f"{ini.read_text()}\n[app:admin]\nuse = versions\n")
    command = ["serve", "--config-file", f"{place}/wsgisrv.conf"]
    with run(command, env={"PYTHONPATH": f"{ROOT}:{place}"}) as server:
        assert len(server.wait_ready()) == 3
        server.wait_line(
            rf"ready: public https://127\.0\.0\.1:{port}, admin unix:{place}/admin\.sock"
        )
        with Client(f"{place}/admin.sock") as client:
            assert client.get().body == b"versions"


# Code


def test_blocking_calls_are_made(tmp_path: Path) -> None:
    before = (
        "def query(statement, limit):\n    return [statement, limit]\n"
        "def render(rows):\n    return len(rows)\n"
    )
    code = "\n".join([before, text_of("threads"), text_of("processes")])
    (tmp_path / "calls.py").write_text(code)
    done = call(tmp_path, "-c", "import calls; print(calls.rows, calls.report, calls.resize('p'))")
    assert (done.stdout, done.stderr) == ("['SELECT ...', 5] 2 None\n", "")


@pytest.mark.parametrize("when", ["before", "after"])
def test_eventlets_server_and_ours_take_the_same_call(when: str, tmp_path: Path) -> None:
    block = text_of("eventlet before") if when == "before" else text_of("eventlet after")
    (port,) = ports(1)
    head, _, serving = block.replace('("0.0.0.0", 8080)', f'("127.0.0.1", {port})').rpartition("\n")
    code = (
        f"{head}\n{APP.format(when)}\napp, pool = application, eventlet.GreenPool(10)\n{serving}\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )

    def answers() -> bool:
        assert process.poll() is None
        with contextlib.suppress(ConnectionRefusedError), Client(("127.0.0.1", port)) as client:
            return client.get().body == when.encode()
        return False

    try:
        wait_until(answers, "an answer")
    finally:
        process.kill()
        process.wait()


def test_the_mysql_url_is_taken_with_its_times() -> None:
    pytest.importorskip("MySQLdb")
    url = make_url(text_of("mysql"))
    _, given = url.get_dialect()().create_connect_args(url)
    assert {given["host"], given["user"], given["db"]} == {"db", "service", "shelf"}
    assert (given["query_timeout"], given["connect_timeout"]) == (20, 3)


# Configuration


def test_config_says_what_the_session_shows(place: Path) -> None:
    command, *expected = text_of("config").splitlines()
    conf = place / "wsgisrv.conf"
    conf.write_text("[wsgisrv]\nbind = 0.0.0.0:8774\n")
    replaced = {"$ ": "", "/etc/service/wsgisrv.conf": str(conf)}
    done = call(place, "-m", "wsgisrv", *in_words(command, replaced=replaced))
    said = done.stdout.replace(str(conf), "/etc/service/wsgisrv.conf")
    assert [line.split() for line in said.splitlines()] == [line.split() for line in expected]


@pytest.mark.parametrize("name", ["filters", "healthcheck"])
def test_the_pipelines_load(name: str, place: Path) -> None:
    block = text_of("filters") if name == "filters" else text_of("healthcheck")
    block = block.replace("/run/service/disabled", str(place / "disabled"))
    (pipeline,) = re.findall("^pipeline = (.*)$", block, re.MULTILINE)
    more = [
        f"[filter:{each}]\nuse = egg:wsgisrv#{each}\n"
        for each in pipeline.split()
        if each not in ("auth", "api") and f"[filter:{each}]" not in block
    ]
    (place / "api-paste.ini").write_text("\n".join([block, "", *more, STAND_IN, API]))
    check(place, ["check", "api-paste.ini"])


def test_an_app_without_a_factory_and_a_choice_of_pipelines_load(place: Path) -> None:
    names = ("request_id", "catch_errors")
    filters = [f"[filter:{name}]\nuse = egg:wsgisrv#{name}\n" for name in names]
    block = text_of("app").partition("       # or factory")
    text = "\n".join([block[0], block[2].partition("\n")[2], ""])
    stand_in = STAND_IN.replace("auth]", "authtoken]")
    (place / "api-paste.ini").write_text("\n".join([text, *filters, stand_in]))
    address = f"{place}/s"
    command = ["serve", f"{place}/api-paste.ini", "--bind", f"unix:{address}", "--workers", "1"]
    with run(command, address=address, env={"PYTHONPATH": f"{ROOT}:{place}"}) as server:
        server.wait_ready()
        with server.connect() as client:
            assert client.get().body == b"wsgi auth"


# Logs and traces


@pytest.mark.parametrize("name", ["oslo", "combined", "json"])
def test_a_line_of_the_access_log_has_the_fields_that_are_shown(name: str, place: Path) -> None:
    shown = re.search(rf"^{name} +(\S.*(?:\n +.*)*)", text_of("formats"), re.MULTILINE)
    assert shown is not None
    expected = re.sub(r"\n +", "", shown[1])
    address = f"{place}/s"
    command = ["serve", f"{place}/api-paste.ini", "--bind", f"unix:{address}", "--workers", "1"]
    with run(
        [*command, "--access-log-format", name], address=address,
        env={"PYTHONPATH": f"{ROOT}:{place}"},
    ) as server:  # fmt: skip
        server.wait_ready()
        with server.connect() as client:
            client.send(b"GET /v1/books HTTP/1.1\r\nHost: api:8080\r\nUser-Agent: curl/8.5\r\n\r\n")
            assert client.response().status == 200
        line = server.wait_line(r"^.*/v1/books.*$")[0]
    if name == "json":
        assert list(json.loads(line)) == list(json.loads(expected))
        return
    month = r"(?<=\d/)[A-Z][a-z]{2}(?=/\d)"
    shapes = [
        re.sub(r"\d+(\.\d+)*", "0", re.sub(month, "Mon", each)).partition(" ")[2]
        for each in (line, expected)
    ]
    assert shapes[0] == shapes[1]


def test_workers_log_as_the_file_says(place: Path) -> None:
    log = place / "app.log"
    conf = text_of("logging").replace("/var/log/service/app.log", str(log))
    (place / "logging.toml").write_text(conf)
    module = place / "yourservice" / "wsgi.py"
    module.write_text(
        "import logging\n"
        + module.read_text().replace(
            "    start_response", '    logging.getLogger("yours").info("said")\n    start_response'
        )
    )
    address = f"{place}/s"
    command = ["serve", "--app", "yourservice.wsgi:application", "--bind", f"unix:{address}"]
    more = ["--workers", "1", "--log-config", f"{place}/logging.toml"]
    with run([*command, *more], address=address, env={"PYTHONPATH": f"{ROOT}:{place}"}) as server:
        server.wait_ready()
        with server.connect() as client:
            assert client.get().status == 200
        assert re.search(r"INFO yours \[req-[0-9a-f-]{36}\] said", log.read_text())


def test_the_command_with_traces_would_serve(place: Path) -> None:
    *variables, _ = text_of("traces").partition(" wsgisrv")[0].split(" "), ""
    env = dict(each.split("=", 1) for each in variables[0])
    assert list(env) == ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_SERVICE_NAME"]
    command = "wsgisrv" + text_of("traces").partition(" wsgisrv")[2]
    check(place, in_words(command, replaced={"...": "api-paste.ini"}), env)


def test_the_console_says_what_the_session_shows(place: Path) -> None:
    command, *shown = text_of("backdoor").splitlines()
    door = re.sub(r"\d+", "N", Path(command.split()[-1]).name)
    args = ["serve", f"{place}/api-paste.ini", "--bind", f"unix:{place}/s", "--workers", "1"]
    environ = {"PYTHONPATH": f"{ROOT}:{place}"}
    doors = place / "doors"
    with run([*args, "--backdoor", str(doors)], env=environ) as server:
        server.wait_ready()
        (path,) = doors.iterdir()
        assert re.sub(r"\d+", "N", path.name) == door
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(DEADLINE)
            sock.connect(str(path))
            said = _read_to(sock, ">>> ")
            sock.sendall(f"{shown[1].removeprefix('>>> ')}\n".encode())
            said += shown[1].removeprefix(">>> ") + "\n" + _read_to(sock, ">>> ")
    expected = "\n".join([*shown, ">>> "])
    assert re.sub(r"\d+", "N", said) == re.sub(r"\d+", "N", expected)


def _read_to(sock: socket.socket, end: str) -> str:
    said = ""
    while not said.endswith(end):
        piece = sock.recv(4096).decode()
        assert piece, said
        said += piece
    return said
