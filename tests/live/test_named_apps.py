"""Apps without a paste file: imported in workers only, after the patching, by command line and by file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.configured import Sections, configured, get, ports
from tests.support.control import wsgisrv
from tests.support.server import run

SERVED = """
import os, time
from eventlet.patcher import is_monkey_patched

SLEEP = time.sleep
PATCHED = is_monkey_patched("time")

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [b'{"pid": %d, "patched": %s, "sleep": "%s", "server": "%s"}' % (
        os.getpid(), str(PATCHED).lower().encode(), SLEEP.__module__.encode(),
        environ.get("wsgisrv.server", "").encode(),
    )]

def make():
    return app
"""


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "served_by_name.py").write_text(SERVED)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("flag", ["--app=served_by_name:app", "--factory=served_by_name:make"])
def test_an_app_is_imported_in_the_worker_after_the_patching(flag: str, directory: Path) -> None:
    (port,) = ports(1)
    with run(["serve", flag, "--bind", f"127.0.0.1:{port}", "--workers", "1"]) as server:
        workers = server.wait_ready()
        told = get(port)
        assert [told["pid"]] == workers
        assert (told["patched"], told["sleep"]) == (True, "eventlet.greenthread")
        maps = Path(f"/proc/{server.pid}/maps").read_text()
        assert "greenlet" not in maps


def test_servers_have_apps_of_their_own_beside_a_paste_file(directory: Path) -> None:
    named, pasted = ports(2)
    ini = directory / "api-paste.ini"
    sections: Sections = {
        "wsgisrv": {"servers": "named, public", "workers": 1, "paste_config": f"{ini}#public"},
        "wsgisrv_named": {"bind": f"127.0.0.1:{named}", "factory": "served_by_name:make"},
        "wsgisrv_public": {"bind": f"127.0.0.1:{pasted}"},
    }
    with configured(directory, sections) as service:
        service.server.wait_ready()
        assert get(named)["server"] == "named"
        assert get(pasted)["name"] == "public"


@pytest.mark.parametrize(
    ("args", "code", "line"),
    [
        (["--app", "nosuch:app"], 78, "[wsgisrv] app = nosuch:app: there is no module nosuch"),
        (
            ["--app", "served_by_name:nosuch"], 78,
            "[wsgisrv] app = served_by_name:nosuch: served_by_name has no nosuch",
        ),
        (
            ["--app", "served_by_name:PATCHED"], 78,
            "[wsgisrv] app = served_by_name:PATCHED: it is bool, which cannot be called",
        ),
        (["--factory", "builtins:dict"], 78, "[wsgisrv] factory = builtins:dict: it made {}, which is not a"),
        (["--factory", "served_by_name:app"], 78, "[wsgisrv] factory = served_by_name:app: TypeError: app()"),
        (["--app", "served_by_name"], 2, "--app served_by_name: allowed is module:name"),
        (["--app", "broken_by_name:app"], 78, "[wsgisrv] app = broken_by_name:app: RuntimeError: no"),
        (["--app", "a:b", "--factory", "a:b"], 2, "--app: not together with --factory; one says what is"),
        (["a.ini", "--app", "a:b"], 2, "PASTE_INI[#APP]: not together with --app; one says what is served"),
    ],
)  # fmt: skip
def test_an_app_that_cannot_be_served_is_one_line(
    args: list[str], code: int, line: str, directory: Path
) -> None:
    (directory / "broken_by_name.py").write_text("raise RuntimeError('no')\n")
    done = wsgisrv("serve", *args, "--bind", "127.0.0.1:0", "--workers", "1")
    assert (done.returncode, done.stdout) == (code, "")
    (said,) = done.stderr.splitlines()
    assert said.startswith(f"wsgisrv: {line}")


def test_a_directory_of_paste_files_is_served(directory: Path) -> None:
    pastes = directory / "paste.d"
    pastes.mkdir()
    (pastes / "10-app.ini").write_text(
        "[app:api]\nuse = egg:wsgisrv#app\nobject = served_by_name:app\n[composite:main]\n"
        "use = egg:wsgisrv#urlmap\n/ = nowhere\n"
    )
    (pastes / "20-site.ini").write_text("[composite:main]\n/ = api\n")
    (port,) = ports(1)
    env = {"PYTHONPATH": f"{Path(__file__).parents[2]}:{directory}"}
    command = ["serve", "paste.d/", "--bind", f"127.0.0.1:{port}", "--workers", "1"]
    with run(command, env=env) as server:
        server.wait_ready()
        assert get(port)["patched"]
