"""The control socket and its commands against a running service."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.control import (
    answer_of,
    at_end,
    connected,
    kill_master,
    line_of,
    operated,
    refusal_of,
    wait_status,
    wsgisrv,
)
from tests.support.daemons import open_directory
from tests.support.server import ROOT, run, serve
from wsgisrv.cli import COMMANDS
from wsgisrv.master.control_server import MOST_CLIENTS
from wsgisrv.master.signals import STRANGE, name_of

PID = "tests.apps.basic:pid"
NOBODY = 65534

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


# The socket


def test_only_its_owner_may_open_the_socket_and_it_is_gone_at_exit(tmp_path: Path) -> None:
    with operated(PID, tmp_path, workers=1) as (server, path):
        found = os.stat(path)
        assert stat.S_ISSOCK(found.st_mode)
        assert stat.S_IMODE(found.st_mode) == 0o600
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0
        assert not os.path.exists(path)


def test_the_socket_of_a_master_that_was_killed_is_replaced(tmp_path: Path) -> None:
    with operated(PID, tmp_path, workers=1) as (server, path):
        kill_master(server)
        assert refusal_of("status", "--control-socket", path) == (
            69,
            f"{path}: nobody answers: the master that made it is gone",
        )
    with operated(PID, tmp_path, workers=1) as (server, path):
        assert answer_of(path, "status")["pid"] == server.pid


def test_a_worker_that_outlives_its_master_does_not_hold_the_socket(tmp_path: Path) -> None:
    with (
        operated("tests.apps.basic:waits", tmp_path, workers=1) as (server, path),
        server.connect() as client,
    ):
        flag = tmp_path / "answer"
        client.send(f"GET /?{flag} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
        wait_status(path, in_flight)
        with connected(path) as waiting:
            server.signal(signal.SIGKILL)
            assert at_end(waiting)
            assert refusal_of("status", "--control-socket", path) == (
                69,
                f"{path}: nobody answers: the master that made it is gone",
            )
        flag.touch()
        assert client.response().status == 200
        kill_master(server)


def test_the_socket_of_a_live_master_is_refused(tmp_path: Path) -> None:
    with operated(PID, tmp_path, workers=1) as (first, path):
        ini = tmp_path / "api-paste.ini"
        ini.write_text("[app:main]\npaste.app_factory = tests.apps.basic:factory\napp = pid\n")
        command = ["serve", str(ini), "--bind", "127.0.0.1:0", "--control-socket", path]
        with run(command) as second:
            assert second.wait_exit() == 69
            assert second.lines == [
                f"wsgisrv: [wsgisrv] control_socket = {path}: another master answers there"
            ]
        assert answer_of(path, "status")["pid"] == first.pid


def test_a_path_that_cannot_be_is_one_line(tmp_path: Path) -> None:
    ini = tmp_path / "api-paste.ini"
    ini.write_text("[app:main]\npaste.app_factory = tests.apps.basic:factory\napp = pid\n")
    for path, code in (
        ("relative.sock", 78),
        (str(tmp_path / "no" / "directory.sock"), 71),
        ("/" + "x" * 200, 71),
        (str(ini), 78),
    ):
        command = ["serve", str(ini), "--bind", "127.0.0.1:0", "--control-socket", path]
        with run(command) as server:
            assert server.wait_exit() == code
            (line,) = server.lines
            assert line.startswith(f"wsgisrv: [wsgisrv] control_socket = {path}: ")


def test_a_service_is_found_without_being_named(tmp_path: Path) -> None:
    env = {"XDG_RUNTIME_DIR": str(tmp_path)}
    assert wsgisrv("status", env=env).returncode == 69
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
        with serve(PID, workers=1) as first:
            directory = tmp_path / "wsgisrv"
            assert stat.S_IMODE(directory.stat().st_mode) == 0o700
            found = json.loads(wsgisrv("status", "--json", env=env).stdout)
            assert found["pid"] == first.pid
            with serve(PID, workers=1):
                done = wsgisrv("status", env=env)
                assert done.returncode == 2
                assert "several services run: say --control-socket with " in done.stderr
            kill_master(first)
        with serve(PID, workers=1) as second:
            assert [path.name for path in directory.iterdir()] == [f"control-{second.pid}.sock"]


def test_a_directory_that_others_may_enter_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "wsgisrv").mkdir(mode=0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
        with serve(PID, workers=1) as server:
            server.wait_line("no control socket: .* must be a directory that only this user")
            assert not list((tmp_path / "wsgisrv").iterdir())


def test_off_makes_no_socket(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
        with serve(PID, workers=1, control_socket="off"):
            assert not list(tmp_path.iterdir())
    conf = tmp_path / "a.conf"
    conf.write_text("[wsgisrv]\ncontrol_socket = off\n")
    code, line = refusal_of("status", "--config-file", str(conf))
    assert (code, line) == (78, "[wsgisrv] control_socket = off: the service takes no commands")


# Who may ask


@needs_root
def test_another_user_is_refused_and_the_service_is_not_touched() -> None:
    with open_directory() as top, operated(PID, top, workers=1) as (server, path):
        code, line = refused_as_nobody(path)
        assert (code, line) == (
            77,
            f"{path}: not permitted; the master's own user and root are",
        )
        os.chmod(path, 0o666)  # noqa: S103 -- somebody has opened it for all: the master still looks who asks
        code, line = refused_as_nobody(path)
        assert (code, line) == (
            77,
            f"user {NOBODY} is not permitted; the master's own user and root are",
        )
        server.wait_line(f"WARNING .* control socket: user {NOBODY} is not permitted")
        assert answer_of(path, "status")["workers_wanted"] == 1


def refused_as_nobody(path: str) -> tuple[int, str]:
    """Asks for a stop as another user: the module is loaded before the user is changed."""
    code = (
        "import os, sys, wsgisrv.cli\n"
        f"os.setgid({NOBODY}); os.setuid({NOBODY})\n"
        "sys.exit(wsgisrv.cli.main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "stop", "--control-socket", path],
        capture_output=True, text=True, cwd=ROOT, check=False,
    )  # fmt: skip
    (line,) = done.stderr.splitlines()
    return done.returncode, line.removeprefix("wsgisrv: ")


# Wrong orders


def test_a_signal_that_means_nothing_gets_a_line_and_touches_nothing(tmp_path: Path) -> None:
    with operated(PID, tmp_path, workers=2) as (server, path):
        pids = server.wait_ready()
        for number in STRANGE:
            server.signal(number)
            server.wait_line(
                f"WARNING .* {re.escape(name_of(number))}: a signal without a meaning here; nothing"
            )
        assert [worker["pid"] for worker in answer_of(path, "status")["workers"]] == pids


def test_a_wrong_command_is_one_line_and_touches_nothing(tmp_path: Path) -> None:
    with operated(PID, tmp_path, workers=1) as (server, path):
        for command, error in (
            (["explode"], "no command 'explode'; there are serve, "),
            (["status", "now"], "unrecognized arguments: now"),
            (["scale"], "the following arguments are required"),
            (["log-level"], "the following arguments are required"),
            (["stop", "--later"], "unrecognized arguments: --later"),
            (["status", "--timeout", "soon"], "argument --timeout"),
        ):
            at = ["--control-socket", path] if command[0] in COMMANDS else []
            code, line = refusal_of(*command, *at)
            assert (code, line[: len(error)]) == (2, error)
        assert [w["pid"] for w in answer_of(path, "status")["workers"]] == server.wait_ready()


# Clients that do not behave


def test_a_client_that_stalls_or_leaves_delays_nobody(tmp_path: Path) -> None:
    with (
        operated(PID, tmp_path, workers=1) as (server, path),
        connected(path) as silent,
        connected(path) as half,
    ):
        half.sendall(b'{"command": ')
        with connected(path) as leaver:
            leaver.sendall(b'{"command": "reload"}\n')
        server.wait_line("ready: .* generation 2$")
        assert answer_of(path, "status")["generation"] == 2
        silent.sendall(b'{"command": "status"}\n')
        assert line_of(silent)["ok"]
        assert at_end(silent)


def test_connections_are_bounded_in_number_and_their_requests_in_length(tmp_path: Path) -> None:
    with operated(PID, tmp_path, workers=1) as (_, path):
        with connected(path) as long:
            long.sendall(b"x" * 5000)
            assert line_of(long)["exit_code"] == 2
        with contextlib.ExitStack() as stack:
            for _ in range(MOST_CLIENTS):
                stack.enter_context(connected(path))
            last = stack.enter_context(connected(path))
            assert line_of(last)["error"] == f"{MOST_CLIENTS} control connections are open already"
        assert answer_of(path, "status")["ok"]


@pytest.mark.parametrize(
    ("request_line", "error"),
    [
        (b"GET / HTTP/1.1", "a request is one JSON object"),
        (b"[]", "a request is one JSON object"),
        (b"\xff\xfe", "a request is one JSON object"),
        (b"[" * 4000, "a request is one JSON object"),
        (b"{}", "no such command; there are status,"),
        (b'{"command": ["status"]}', "no such command"),
        (b'{"command": "scale"}', "scale: workers are a whole number from 1 to 256"),
        (b'{"command": "scale", "workers": 0}', "scale: workers are"),
        (b'{"command": "scale", "workers": 257}', "scale: workers are"),
        (b'{"command": "scale", "workers": true}', "scale: workers are"),
        (b'{"command": "scale", "workers": "4"}', "scale: workers are"),
        (b'{"command": "stop", "now": 1}', "stop: now is true or false"),
        (b'{"command": "log-level", "level": "loud"}', "log-level: levels are debug, info"),
        (b'{"command": "log-level", "level": "info", "logger": "a\\nb"}', "log-level: a logger"),
        (b'{"command": "log-level", "level": "info", "logger": 3}', "log-level: a logger"),
    ],
)
def test_a_wrong_request_is_answered_with_one_line(
    request_line: bytes, error: str, tmp_path: Path
) -> None:
    with operated(PID, tmp_path, workers=1) as (server, path):
        with connected(path) as client:
            client.sendall(request_line + b"\n")
            answer = line_of(client)
        assert (answer["ok"], answer["exit_code"]) == (False, 2)
        assert answer["error"].startswith(error)
        assert [found["pid"] for found in answer_of(path, "status")["workers"]] == (
            server.wait_ready()
        )


# The commands


def test_status_says_how_the_service_and_each_worker_stand(tmp_path: Path) -> None:
    with operated("tests.apps.basic:slow", tmp_path, workers=2) as (server, path):
        pids = server.wait_ready()
        with server.connect() as client:
            client.send(b"GET /?30 HTTP/1.1\r\nHost: test\r\n\r\n")
            found = wait_status(path, in_flight)
        assert (found["pid"], found["generation"], found["workers_wanted"]) == (server.pid, 1, 2)
        assert found["addresses"] == [f"http://127.0.0.1:{server.address[1]}"]
        assert [worker["pid"] for worker in found["workers"]] == pids
        for worker in found["workers"]:
            assert (worker["state"], worker["generation"]) == ("ready", 1)
            assert worker["rss_bytes"] > 10 * 1024**2
            assert worker["last_death"] is None
        busy = [worker for worker in found["workers"] if worker["in_flight"]]
        assert [worker["oldest_request"]["line"] for worker in busy] == ["GET /?30 HTTP/1.1"]
        done = wsgisrv("status", "--control-socket", path)
        assert f"master pid {server.pid}, serving, up for " in done.stdout
        assert all(str(pid) in done.stdout for pid in pids)
        assert wsgisrv("stop", "--now", "--control-socket", path).returncode == 0


def test_status_says_how_the_worker_before_died(tmp_path: Path) -> None:
    with operated(PID, tmp_path, workers=1, log_level="debug") as (server, path):
        (pid,) = server.wait_ready()
        os.kill(pid, signal.SIGKILL)
        server.wait_line(r"worker 2 \(pid \d+\) is ready")
        (worker,) = answer_of(path, "status")["workers"]
        assert worker["last_death"]["reason"].startswith(
            f"worker 1 (pid {pid}) was killed by SIGKILL after "
        )


def test_reload_waits_until_the_new_generation_serves(tmp_path: Path) -> None:
    with operated(PID, tmp_path, workers=1) as (server, path):
        (old,) = server.wait_ready()
        assert answer_of(path, "reload")["generation"] == 2
        with server.connect() as client:
            assert int(client.get().body) != old
        assert answer_of(path, "status")["last_reload"] == "generation 2 serves"


def test_reload_exits_1_with_the_reason_when_the_new_generation_cannot_boot(
    tmp_path: Path,
) -> None:
    flag = tmp_path / "broken"
    ini = tmp_path / "api-paste.ini"
    ini.write_text(
        f"[app:main]\npaste.app_factory = tests.apps.broken:factory\napp = raises\nflag = {flag}\n"
    )
    path = str(tmp_path / "control.sock")
    command = ["serve", str(ini), "--bind", "127.0.0.1:0", "--workers", "1"]
    with run([*command, "--control-socket", path]) as server:
        server.wait_ready()
        flag.touch()
        code, line = refusal_of("reload", "--control-socket", path)
        assert code == 1
        assert line.startswith(f"reload: {ini}: [app:main]")
        assert "the app's own trouble" in line
        found = answer_of(path, "status")
        assert (found["generation"], found["last_reload"][:19]) == (1, "generation 2 failed")


def test_reload_exits_1_when_a_setting_is_wrong(tmp_path: Path) -> None:
    conf = tmp_path / "wsgisrv.conf"
    path = str(tmp_path / "control.sock")
    conf.write_text(f"[wsgisrv]\nworkers = 1\ncontrol_socket = {path}\n")
    with serve(PID, args=["--config-file", str(conf)]):
        conf.write_text(f"[wsgisrv]\nworkers = many\ncontrol_socket = {path}\n")
        code, line = refusal_of("reload", "--control-socket", path)
        assert code == 1
        assert line.startswith(f"reload: {conf}: [wsgisrv] workers = many: allowed is")


def test_stop_waits_until_the_service_is_gone(tmp_path: Path) -> None:
    flag = tmp_path / "answer"
    with operated("tests.apps.basic:waits", tmp_path, workers=1) as (server, path):
        with server.connect() as client, concurrent.futures.ThreadPoolExecutor() as pool:
            client.send(f"GET /?{flag} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
            wait_status(path, in_flight)
            stop = pool.submit(wsgisrv, "stop", "--control-socket", path)
            wait_status(path, lambda found: found["state"] == "stopping")
            assert not stop.done()
            flag.touch()
            done = stop.result()
            assert (done.returncode, done.stdout) == (0, f"stopped (master pid {server.pid})\n")
            assert client.response().status == 200
        assert server.wait_exit() == 0
        assert not os.path.exists(path)


def in_flight(found: Any) -> int:
    """Returns how many requests run."""
    return sum(worker["in_flight"] for worker in found["workers"])


def test_a_stop_that_takes_longer_than_it_may_is_said_so(tmp_path: Path) -> None:
    with operated("tests.apps.basic:slow", tmp_path, workers=1) as (server, path):
        with server.connect() as client:
            client.send(b"GET /?60 HTTP/1.1\r\nHost: test\r\n\r\n")
            wait_status(path, in_flight)
            assert refusal_of("stop", "--timeout", "0.2", "--control-socket", path) == (
                69,
                "the master does not answer in time",
            )
            assert answer_of(path, "status")["state"] == "stopping"
            assert wsgisrv("stop", "--now", "--control-socket", path).returncode == 0
        assert server.wait_exit() == 0


def test_scale_changes_the_number_of_workers(tmp_path: Path) -> None:
    with operated(PID, tmp_path, workers=1, log_level="debug") as (server, path):
        assert answer_of(path, "scale", "3")["workers"] == 3
        server.wait_line(r"worker 2 \(pid \d+\) is ready")
        server.wait_line(r"worker 3 \(pid \d+\) is ready")
        assert len(answer_of(path, "status")["workers"]) == 3
        answer_of(path, "scale", "1")
        wait_status(path, lambda found: len(found["workers"]) == 1)


@pytest.mark.parametrize("number", ["0", "257", "-1", "4.5", "many", "", "99999999999999999999"])
def test_a_wrong_number_is_refused_before_anybody_is_asked(number: str) -> None:
    code, line = refusal_of("scale", "--control-socket", "/nowhere", "--", number)
    assert code == 2
    assert "a whole number from 1 to 256" in line


def test_the_log_level_changes_in_master_and_workers_and_those_to_come(tmp_path: Path) -> None:
    with operated(PID, tmp_path, workers=1) as (server, path):
        answer_of(path, "log-level", "debug")
        seen = len(server.lines)
        answer_of(path, "reload")
        server.wait_line(r"DEBUG wsgisrv\.master: worker 2 \(pid \d+\) is ready", after=seen)
        server.wait_line(r"DEBUG wsgisrv\.worker: draining \d+ connections", after=seen)
        done = wsgisrv("log-level", "error", "wsgisrv.master", "--control-socket", path)
        assert done.stdout == "log level of wsgisrv.master: error\n"
        assert refusal_of("log-level", "loud", "--control-socket", path)[0] == 2


def test_logs_reopen_lets_go_of_a_rotated_file(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    with operated(PID, tmp_path, workers=1, access_log=log) as (_, path):
        log.rename(tmp_path / "access.log.1")
        answer_of(path, "logs-reopen")
        wait_status(path, lambda _: log.exists())


def test_a_master_that_does_not_answer_is_one_line(tmp_path: Path) -> None:
    with operated(PID, tmp_path, workers=1) as (server, path):
        server.signal(signal.SIGSTOP)
        try:
            assert refusal_of("status", "--timeout", "0.2", "--control-socket", path) == (
                69,
                "the master does not answer in time",
            )
        finally:
            server.signal(signal.SIGCONT)
        assert answer_of(path, "status")["ok"]


def test_no_such_socket_is_one_line() -> None:
    assert refusal_of("status", "--control-socket", "/nowhere/control.sock") == (
        69,
        "/nowhere/control.sock: no such socket: is the service running?",
    )
