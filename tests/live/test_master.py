"""The master: binds, forks, supervises, reloads and stops, with real processes."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.http import DEADLINE
from tests.support.server import ROOT, Server, run, serve, wait_gone

HELLO = "tests.apps.basic:hello"
PID = "tests.apps.basic:pid"


def ini_with(directory: Path, *lines: str) -> str:
    path = directory / "api-paste.ini"
    path.write_text("\n".join(["[app:main]", *lines, ""]))
    return str(path)


def test_the_master_never_maps_eventlet_or_greenlet_or_the_app() -> None:
    with serve(HELLO, workers=2) as server:
        maps = Path(f"/proc/{server.pid}/maps").read_text()
        assert "greenlet" not in maps
        workers = [Path(f"/proc/{pid}/maps").read_text() for pid in server.wait_ready()]
        assert all("greenlet" in maps for maps in workers)


def test_importing_the_master_imports_nothing_that_a_worker_must_patch_first() -> None:
    code = (
        "import sys, wsgisrv.cli, wsgisrv.master.supervisor, wsgisrv.master.listeners\n"
        "print([m for m in ('eventlet', 'greenlet', 'webob', 'routes') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_one_worker_for_each_core_by_default() -> None:
    with serve(HELLO) as server:
        assert len(server.wait_ready()) == len(os.sched_getaffinity(0))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_graceful_stop_lets_a_running_request_finish(number: signal.Signals) -> None:
    with serve("tests.apps.basic:slow", workers=1) as server, server.connect() as client:
        client.send(b"GET /?1 HTTP/1.1\r\nHost: test\r\n\r\n")
        with server.connect() as other:
            other.get("/?0")  # the first request runs by now
        server.signal(number)
        response = client.response()
        assert response.status == 200
        assert response["connection"] == "close"
        assert server.wait_exit() == 0


@pytest.mark.parametrize("numbers", [(signal.SIGQUIT,), (signal.SIGINT, signal.SIGINT)])
def test_a_stop_now_cuts_running_requests(numbers: tuple[signal.Signals, ...]) -> None:
    with serve("tests.apps.basic:slow", workers=1) as server, server.connect() as client:
        client.send(b"GET /?60 HTTP/1.1\r\nHost: test\r\n\r\n")
        with server.connect() as other:
            other.get("/?0")
        for number in numbers:
            seen = len(server.lines)
            server.signal(number)
            server.wait_line(f"{number.name}: stopping", after=seen)
        assert server.wait_exit() == 0


def test_a_request_that_outlasts_graceful_timeout_is_cut() -> None:
    with serve("tests.apps.basic:slow", workers=1, graceful_timeout=0.5) as server:
        with server.connect() as client:
            client.send(b"GET /?60 HTTP/1.1\r\nHost: test\r\n\r\n")
            with server.connect() as other:
                other.get("/?0")
            server.signal(signal.SIGTERM)
            assert server.wait_exit() == 0
        server.wait_line("WARNING wsgisrv.master: worker 1 did not finish in time")


def test_idle_connections_do_not_hold_up_a_graceful_stop() -> None:
    with serve(HELLO, workers=1) as server, server.connect() as client:
        assert client.get().status == 200
        server.signal(signal.SIGTERM)
        client.assert_eof()
        assert server.wait_exit() == 0


def test_a_connection_that_was_just_accepted_is_still_answered_during_a_graceful_stop() -> None:
    with serve(HELLO, workers=1, log_level="debug") as server, server.connect() as client:
        with server.connect() as other:
            assert other.get().status == 200  # the connection before it was accepted by now
        server.signal(signal.SIGTERM)
        server.wait_line(r"DEBUG wsgisrv\.worker: draining \d connections")
        response = client.get()
        assert (response.status, response["connection"]) == (200, "close")
        assert server.wait_exit() == 0


def test_a_killed_worker_is_replaced_and_named_with_its_signal() -> None:
    with serve(PID, workers=1) as server:
        (old,) = server.wait_ready()
        os.kill(old, signal.SIGKILL)
        server.wait_line(rf"worker 1 \(pid {old}\) was killed by SIGKILL after ")
        with server.connect() as client:
            assert int(client.get().body) != old


def test_hup_replaces_every_worker_and_serves_all_the_while() -> None:
    with serve(PID, workers=2) as server:
        old = server.wait_ready()
        seen = len(server.lines)
        server.signal(signal.SIGHUP)
        new = server.wait_ready(after=seen)
        assert len(new) == 2
        assert not set(old) & set(new)
        with server.connect() as client:
            assert int(client.get().body) in old + new
        for pid in old:
            wait_gone(pid)
        with server.connect() as client:
            assert int(client.get().body) in new


def test_a_new_generation_that_cannot_boot_leaves_the_old_one_serving(tmp_path: Path) -> None:
    flag = tmp_path / "broken"
    ini = ini_with(
        tmp_path, "paste.app_factory = tests.apps.broken:factory", "app = raises", f"flag = {flag}"
    )
    with listening() as listener, run_on(listener, "serve", ini, "--workers", "2") as server:
        old = server.wait_ready()
        flag.touch()
        server.signal(signal.SIGHUP)
        server.wait_line(
            r"ERROR wsgisrv\.master: reload failed, generation 1 stays: .*\[app:main\]"
            r" paste\.app_factory = .*: RuntimeError: the app's own trouble"
        )
        with server.connect() as client:
            assert int(client.get().body) in old
        flag.unlink()
        seen = len(server.lines)
        server.signal(signal.SIGHUP)
        assert not set(server.wait_ready(after=seen)) & set(old)


def test_a_second_hup_during_a_reload_is_queued() -> None:
    with serve(PID, workers=1) as server:
        server.wait_ready()
        seen = len(server.lines)
        server.signal(signal.SIGHUP)
        server.wait_line("reload: starting generation 2", after=seen)
        server.signal(signal.SIGHUP)
        server.wait_line(r"ready: .* generation 3$", after=seen)


def test_a_wrong_setting_on_hup_changes_nothing(tmp_path: Path) -> None:
    conf = tmp_path / "wsgisrv.conf"
    conf.write_text("[wsgisrv]\nworkers = 1\n")
    with serve(PID, args=["--config-file", str(conf)]) as server:
        (old,) = server.wait_ready()
        conf.write_text("[wsgisrv]\nworkers = many\n")
        server.signal(signal.SIGHUP)
        server.wait_line(rf"reload: {conf}: \[wsgisrv\] workers = many: allowed is a whole number")
        with server.connect() as client:
            assert int(client.get().body) == old


def test_hup_takes_the_new_number_of_workers(tmp_path: Path) -> None:
    conf = tmp_path / "wsgisrv.conf"
    conf.write_text("[wsgisrv]\nworkers = 1\n")
    with serve(PID, args=["--config-file", str(conf)]) as server:
        conf.write_text("[wsgisrv]\nworkers = 3\n")
        seen = len(server.lines)
        server.signal(signal.SIGHUP)
        assert len(server.wait_ready(after=seen)) == 3


def test_ttin_adds_a_worker_and_ttou_takes_it_away_again() -> None:
    with serve(PID, workers=1, log_level="debug") as server:
        (first,) = server.wait_ready()
        server.signal(signal.SIGTTIN)
        second = int(server.wait_line(r"worker 2 \(pid (\d+)\) is ready")[1])
        server.signal(signal.SIGTTOU)
        wait_gone(second)
        server.signal(signal.SIGTTOU)  # never below one
        server.wait_line("workers wanted: 1")
        with server.connect() as client:
            assert int(client.get().body) == first


def test_workers_drain_and_exit_when_the_master_is_killed() -> None:
    with serve("tests.apps.basic:slow", workers=2) as server, server.connect() as client:
        workers = server.wait_ready()
        client.send(b"GET /?0.5 HTTP/1.1\r\nHost: test\r\n\r\n")
        with server.connect() as other:
            other.get("/?0")
        server.signal(signal.SIGKILL)
        assert client.response().status == 200
        for pid in workers:
            wait_gone(pid)
        server.wait_line("the master is gone; draining")


def test_a_worker_that_stands_still_is_aborted_and_replaced() -> None:
    with serve(PID, workers=1, worker_timeout=1) as server:
        (old,) = server.wait_ready()
        os.kill(old, signal.SIGSTOP)
        server.wait_line(r"worker 1 has not beaten for \d+ s")
        # A process that is stopped does not die of SIGABRT, as one that ignores it would not.
        server.wait_line(rf"worker 1 \(pid {old}\) was killed by SIGKILL")
        with server.connect() as client:
            assert int(client.get().body) != old


@pytest.mark.parametrize(
    ("app", "reason"),
    [
        ("raises", r"RuntimeError: the app's own trouble \(.*/tests/apps/broken\.py:\d+\)"),
        ("exits", r"the app called sys\.exit\(None\)"),
        ("none", r"made None, which is not a WSGI callable"),
    ],
)
def test_an_app_that_cannot_load_stops_the_start_with_one_line(
    app: str, reason: str, tmp_path: Path
) -> None:
    ini = ini_with(tmp_path, "paste.app_factory = tests.apps.broken:factory", f"app = {app}")
    with listening() as listener, run_on(listener, "serve", ini, "--workers", "2") as server:
        assert server.wait_exit() == 78
        assert len(server.lines) == 1
        assert server.lines[0].startswith(f"wsgisrv: {ini}: [")
        server.wait_line(reason)


def test_workers_that_die_while_booting_stop_the_start_with_70(tmp_path: Path) -> None:
    ini = ini_with(tmp_path, "paste.app_factory = tests.apps.broken:factory", "app = dies")
    with listening() as listener, run_on(listener, "serve", ini, "--workers", "2") as server:
        assert server.wait_exit() == 70
        (line,) = server.lines
        assert "was killed by SIGKILL" in line


def test_a_unix_socket_is_served_and_its_file_removed(tmp_path: Path) -> None:
    path = str(tmp_path / "api.sock")
    ini = ini_with(tmp_path, "paste.app_factory = tests.apps.basic:factory", "app = echo")
    command = ["serve", ini, "--bind", f"unix:{path}", "--workers", "1"]
    with run(command, address=path) as server:
        server.wait_line(f"ready: unix:{path}, ")
        with server.connect() as client:
            environ = client.get().json()["environ"]
        assert (environ["REMOTE_ADDR"], environ["SERVER_NAME"]) == ("", "localhost")
    assert not os.path.exists(path)


def test_ipv6_is_served(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        probe.listen()
        ini = ini_with(tmp_path, "paste.app_factory = tests.apps.basic:factory", "app = echo")
        with run_on(probe, "serve", ini, "--workers", "1") as server:
            server.wait_line(r"ready: http://\[::1\]:")
            with server.connect() as client:
                assert client.get().json()["environ"]["REMOTE_ADDR"] == "::1"


def test_sockets_from_systemd_take_the_place_of_the_default(tmp_path: Path) -> None:
    ini = ini_with(tmp_path, "paste.app_factory = tests.apps.basic:factory", "app = hello")
    code = (
        "import os, sys\n"
        "os.dup2(int(sys.argv[1]), 3)\n"
        "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1')\n"
        "os.execv(sys.executable, [sys.executable, '-m', 'wsgisrv', *sys.argv[2:]])\n"
    )
    with listening() as listener:
        fd = listener.fileno()
        command = ["-c", code, str(fd), "serve", ini, "--workers", "1"]
        with run(command, pass_fds=[fd], address=listener.getsockname(), module=()) as server:
            server.wait_line(rf"ready: http://127\.0\.0\.1:{server.address[1]}, hub")
            with server.connect() as client:
                assert client.get().body == b"hello"


def listening() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


def run_on(listener: socket.socket, *command: str) -> contextlib.AbstractContextManager[Server]:
    """Runs a command that serves on ``listener``."""
    fd = listener.fileno()
    return run([*command, "--bind", f"fd://{fd}"], pass_fds=[fd], address=listener.getsockname())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_a_stop_ends_the_wait_for_an_address_that_is_in_use(
    number: signal.Signals, tmp_path: Path
) -> None:
    ini = ini_with(tmp_path, "paste.app_factory = tests.apps.basic:factory", "app = hello")
    with listening() as holder:
        taken = f"127.0.0.1:{holder.getsockname()[1]}"
        ready = tmp_path / "s"
        # The unix socket is bound first: its file shows that the wait for the other has begun.
        command = [
            "serve",
            ini,
            "--bind",
            f"unix:{ready}",
            "--bind",
            taken,
            "--bind-timeout",
            "600",
        ]
        with run(command) as server:
            wait_for(ready)
            server.signal(number)
            assert server.wait_exit() == 0
        assert not ready.exists()


def wait_for(path: Path) -> None:
    """Waits until the file is there."""
    until = time.monotonic() + DEADLINE
    while not path.exists():
        assert time.monotonic() < until
        select.select([], [], [], 0.01)
