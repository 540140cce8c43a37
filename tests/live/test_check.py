"""``wsgisrv check``: all that is wrong, at once, with the exit code of serve, and nobody disturbed."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.configured import wait_until
from tests.support.control import wsgisrv
from tests.support.http import DEADLINE
from tests.support.server import ROOT, run

PASTE = "[app:main]\npaste.app_factory = tests.apps.{}:factory\napp = hello\n"


@pytest.fixture
def ini(tmp_path: Path) -> str:
    path = tmp_path / "api-paste.ini"
    path.write_text(PASTE.format("basic"))
    return str(path)


def checked(*args: str, code: int = 0) -> Any:
    """Runs the command with --json and returns its document."""
    done = wsgisrv("check", *args, "--json")
    assert (done.returncode, done.stderr) == (code, "")
    return json.loads(done.stdout)


def free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"


def test_what_would_serve_is_said_with_exit_code_0(ini: str) -> None:
    done = wsgisrv("check", ini, "--bind", "127.0.0.1:0", "--workers", "3", "--cpu-workers", "2")
    assert (done.returncode, done.stderr) == (0, "")
    app, workers, address, last = done.stdout.splitlines()
    assert app.startswith(f"app: {ini}, section main, loaded in ")
    assert workers == "workers: 3, 2 helper processes"
    assert address == "address: 127.0.0.1:0, free"
    assert last == "all is well"


def test_everything_that_is_wrong_is_said_at_once(ini: str, tmp_path: Path) -> None:
    Path(ini).write_text(PASTE.format("fails_to_import"))
    found = checked(
        ini, "--bind", "nonsense", "--bind", f"unix:{ini}", "--tls-certificate", str(tmp_path),
        code=78,
    )  # fmt: skip
    texts = [problem["text"] for problem in found["problems"]]
    assert len(texts) == 4
    assert sum("fails_to_import" in text for text in texts) == 1
    assert not found["ok"]


def test_an_address_in_use_is_said_with_who_has_it_and_the_service_is_not_disturbed(
    ini: str, tmp_path: Path
) -> None:
    path = tmp_path / "api.sock"
    address = free_address()
    with run(
        ["serve", ini, "--bind", address, "--bind", f"unix:{path}", "--workers", "1"]
    ) as server:
        server.wait_ready()
        before = path.stat().st_ino
        found = checked(ini, "--bind", address, "--bind", f"unix:{path}", code=69)
        assert [each["state"] for each in found["addresses"]] == ["in use", "in use"]
        for each in found["addresses"]:
            assert each["owner"].startswith(f"pid {server.pid} (")
            assert each["owner"].endswith("and 1 more")
        assert path.stat().st_ino == before
        log = server.log
    assert "ERROR" not in log


def test_a_port_that_a_service_shares_is_no_error_with_reuse_port(ini: str) -> None:
    address = free_address()
    command = ["serve", ini, "--bind", address, "--workers", "1", "--reuse-port"]
    with run(command) as server:
        server.wait_ready()
        assert checked(ini, "--bind", address, "--reuse-port")["addresses"][0]["state"] == "in use"
        checked(ini, "--bind", address, code=69)


@pytest.mark.parametrize(
    ("args", "code", "text"),
    [
        ([], 2, "nothing to check: name a paste file"),
        (["/nowhere.ini", "--workers", "many"], 2, "--workers many: allowed is a whole number"),
        (["/nowhere.ini", "--config-file", "/nowhere.conf"], 78, "no such configuration file"),
    ],
)
def test_options_that_cannot_be_read_are_one_line(args: list[str], code: int, text: str) -> None:
    done = wsgisrv("check", *args)
    assert (done.returncode, done.stdout) == (code, "")
    (line,) = done.stderr.splitlines()
    assert text in line


def test_an_app_without_a_paste_file_is_loaded_and_named() -> None:
    for flag, target in (
        ("--app", "tests.apps.service:application"), ("--factory", "tests.apps.service:make_app"),
    ):  # fmt: skip
        done = wsgisrv("check", flag, target, "--bind", "127.0.0.1:0")
        assert done.returncode == 0, done.stdout
        assert f"{target}, loaded in " in done.stdout.splitlines()[0]


def test_a_socket_of_systemds_is_expected_or_else_looked_for(ini: str) -> None:
    args = [ini, "--bind", "fd://api"]
    assert checked(*args)["addresses"] == [
        {"address": "fd://api", "state": "systemd hands it over", "owner": ""}
    ]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for name, code, text in (
            ("api", 0, "address: fd://3, free"),
            ("other", 78, "the name of a socket from systemd: other;"),
        ):  # fmt: skip
            script = (
                f"import os; os.dup2({listener.fileno()}, 3); os.environ.update(LISTEN_PID=str(os.getpid()),"
                f" LISTEN_FDS='1', LISTEN_FDNAMES='{name}'); from wsgisrv.cli import main;"
                f" raise SystemExit(main({['check', *args]!r}))"
            )
            done = subprocess.run(
                [sys.executable, "-c", script], pass_fds=[listener.fileno()], cwd=ROOT,
                capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            assert (done.returncode, done.stderr) == (code, "")
            assert text in done.stdout


def test_what_is_wrong_in_a_file_is_said_with_its_place(ini: str, tmp_path: Path) -> None:
    conf = tmp_path / "wsgisrv.conf"
    conf.write_text("[wsgisrv]\nbind = nonsense\ntls_certificate = /nosuch\nwokers = 1\n")
    found = checked(ini, "--config-file", str(conf), code=78)
    places = sorted(problem["text"].partition(" = ")[0] for problem in found["problems"])
    assert places == [f"{conf}: [wsgisrv] bind", f"{conf}: [wsgisrv] tls_certificate"]
    assert found["warnings"] == [f"{conf}: [wsgisrv] wokers: no such option; did you mean workers?"]


def test_an_app_that_never_loads_is_given_up_at_boot_timeout(ini: str, tmp_path: Path) -> None:
    module = tmp_path / "slow_to_load.py"
    module.write_text("import time\ntime.sleep(600)\n")
    Path(ini).write_text("[app:main]\npaste.app_factory = slow_to_load:factory\n")
    done = wsgisrv(
        "check", ini, "--bind", "127.0.0.1:0", "--boot-timeout", "0.5",
        env={"PYTHONPATH": f"{Path(__file__).parents[2]}:{tmp_path}"},
    )  # fmt: skip
    assert done.returncode == 70
    assert "the app was not loaded in 0.5 s (boot_timeout)" in done.stdout


def test_imports_names_what_blocks_and_what_serves_instead(ini: str) -> None:
    Path(ini).write_text(PASTE.format("blocking").replace("app = hello", "app = spins"))
    found = checked(ini, "--bind", "127.0.0.1:0", "--imports")["app"]["imports"]
    said = {(each["module"], each["found"]): each["remedy"] for each in found}
    assert "wsgisrv.blocking.dbapi" in said["sqlite3", "is loaded"]
    sleep = ("tests.apps.blocking", "has native_sleep, the time.sleep() of before the patching")
    assert "import time" in said[sleep]
    kinds = {what for module, what in said if module == "tests.apps.blocking"}
    assert kinds == {
        sleep[1],
        "has NATIVE_LOCK, a lock of before the patching",
        "has NATIVE_SOCKET, a socket of before the patching",
    }


def test_imports_name_a_driver_only_where_it_would_block(ini: str, tmp_path: Path) -> None:
    for name in ("MySQLdb", "psycopg2", "psycopg"):
        pytest.importorskip(name, exc_type=ImportError)
    module = tmp_path / "uses_drivers.py"
    body = "from tests.apps.basic import factory\nimport psycopg, psycopg2, MySQLdb\n"
    Path(ini).write_text(PASTE.format("basic").replace("tests.apps.basic", "uses_drivers"))
    env = {"PYTHONPATH": f"{Path(__file__).parents[2]}:{tmp_path}"}

    def found(*lines: str, **more: str) -> set[tuple[str, str]]:
        module.write_text(body + "".join(f"{line}\n" for line in lines))
        done = wsgisrv(
            "check", ini, "--bind", "127.0.0.1:0", "--imports", "--json", env={**env, **more}
        )
        imports = json.loads(done.stdout)["app"]["imports"]
        return {(one["module"], one["found"]) for one in imports}

    assert found() == {("MySQLdb", "is loaded")}
    assert found("import wsgisrv.blocking.mysql") == set()
    assert found(
        "import wsgisrv.blocking.mysql",
        "from psycopg2 import extensions",
        "extensions.set_wait_callback(None)",
        PSYCOPG_WAIT_FUNC="wait_c",
    ) == {
        ("psycopg2", "is loaded, without a wait callback"),
        ("psycopg", "is loaded, and waits by wait_c()"),
    }


def test_imports_of_an_app_that_blocks_nothing_are_none(ini: str) -> None:
    done = wsgisrv("check", ini, "--bind", "127.0.0.1:0", "--imports")
    assert "imports: nothing that is known to block" in done.stdout.splitlines()


def test_the_process_that_loads_the_app_does_not_outlive_a_check_that_is_killed(
    tmp_path: Path,
) -> None:
    note, go = tmp_path / "pid", tmp_path / "go"
    (tmp_path / "slowly.py").write_text(
        "import os, pathlib, time\n"
        f"pathlib.Path({str(note)!r}).write_text(str(os.getpid()) + chr(10))\n"
        f"while not os.path.exists({str(go)!r}):\n    time.sleep(0.01)\n"
        "def application(environ, start_response): ...\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "wsgisrv", "check", "--app", "slowly:application", "--bind", "127.0.0.1:0"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    wait_until(lambda: note.exists() and note.read_text().endswith("\n"), "the app's module")
    child = os.pidfd_open(int(note.read_text()))
    try:
        process.kill()
        process.wait()
        go.touch()
        assert select.select([child], [], [], DEADLINE)[0], "it goes on"
    finally:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(child, signal.SIGKILL)
        os.close(child)
