"""USR2 and ``wsgisrv upgrade``: the master run anew from disk, or the old one that stays."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.control import (
    answer_of,
    at_end,
    connected,
    line_of,
    wait_status,
    wsgisrv,
)
from tests.support.daemons import (
    Daemon,
    command_of,
    daemon,
    start,
    wait_empty,
    wait_gone,
    wait_text,
)
from tests.support.http import DEADLINE, Client
from tests.support.load import load
from tests.support.server import ROOT, Server, group_of, run

READY = r"upgrade: the new master, pid (\d+), is ready; draining"


def upgraded(service: Daemon) -> int:
    """Upgrades by signal and returns the new master's pid."""
    seen, old = len(service.log), service.pid
    service.signal(signal.SIGUSR2)
    new = int(service.wait_log(READY, after=seen)[1])
    wait_gone(old)
    return new


def test_a_new_master_takes_over_listeners_pid_file_and_control_socket(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with daemon(tmp_path, bind=f"unix:{path}") as service:
        inodes = [os.stat(each).st_ino for each in (path, service.control)]
        for _ in range(2):  # the second master can do it as well
            old = service.pid
            new = upgraded(service)
            assert service.pid == new != old
            assert answer_of(service.control, "status")["pid"] == new
            assert [os.stat(each).st_ino for each in (path, service.control)] == inodes
            with Client(str(path)) as client:
                assert client.get().status == 200
            assert not Path(f"{service.pid_file}.oldbin").exists()
        service.stop()
        left = {each.name for each in tmp_path.iterdir()}
        assert left == {"api-paste.ini", "service.log"}


def test_no_descriptor_is_left_over_by_upgrades(tmp_path: Path) -> None:
    with daemon(tmp_path) as service:

        def descriptors() -> list[int]:
            status = answer_of(service.control, "status")
            pids = [service.pid, *(worker["pid"] for worker in status["workers"])]
            return [len(os.listdir(f"/proc/{pid}/fd")) for pid in pids]

        upgraded(service)
        before = descriptors()
        for _ in range(3):
            upgraded(service)
        assert descriptors() == before


def test_the_old_master_keeps_a_pid_file_of_its_own_while_it_drains(tmp_path: Path) -> None:
    flag = tmp_path / "answer"
    with daemon(tmp_path, "tests.apps.basic:waits") as service, service.connect() as client:
        old = service.pid
        client.send(f"GET /?{flag} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
        wait_status(service.control, lambda found: found["workers"][0]["in_flight"])
        service.signal(signal.SIGUSR2)
        service.wait_log(READY)
        until = time.monotonic() + DEADLINE
        while service.pid == old:
            assert time.monotonic() < until
        assert Path(f"{service.pid_file}.oldbin").read_text() == f"{old}\n"
        flag.touch()
        assert client.response().status == 200
        wait_gone(old)
        assert not Path(f"{service.pid_file}.oldbin").exists()


def test_the_command_waits_until_the_new_master_serves(tmp_path: Path) -> None:
    with daemon(tmp_path) as service:
        old = service.pid
        done = wsgisrv("upgrade", "--json", "--control-socket", service.control)
        assert done.returncode == 0, done.stderr
        new = json.loads(done.stdout)["pid"]
        assert new != old
        found = wait_status(service.control, lambda found: found["pid"] == new)
        assert found["state"] == "serving"


def test_a_socket_that_systemd_gave_is_handed_on(tmp_path: Path) -> None:
    code = (
        "import os, sys\n"
        "os.dup2(int(sys.argv[1]), 3)\n"
        "if 'WSGISRV_HANDOVER' not in os.environ:\n"
        "    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1', LISTEN_FDNAMES='api')\n"
        "os.execv(sys.executable, [sys.executable, '-m', 'wsgisrv', *sys.argv[2:]])\n"
    )
    command = command_of(tmp_path, bind=None)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        fd = listener.fileno()
        with run(["-c", code, str(fd), *command, "--daemon"], pass_fds=[fd], module=()) as server:
            assert server.wait_exit() == 0
        address = listener.getsockname()
    service = Daemon(tmp_path)
    try:
        upgraded(service)
        with Client(address) as client:
            assert client.get().status == 200
    finally:
        service.stop()


# What goes wrong


@contextlib.contextmanager
def on_code(
    directory: Path, *, grace: float | None = None, **options: Any
) -> Iterator[tuple[Server, Path]]:
    """Serves in the foreground, out of a copy of the code that a test may change.

    Args:
        grace: seconds in the place of upgrades.GRACE.
    """
    code = directory / "code"
    shutil.copytree(
        ROOT / "wsgisrv", code / "wsgisrv", ignore=shutil.ignore_patterns("__pycache__")
    )
    (code / "tests").symlink_to(ROOT / "tests")
    if grace is not None:
        upgrades = code / "wsgisrv" / "master" / "upgrades.py"
        before, text, after = upgrades.read_text().partition("\nGRACE = 10.0\n")
        assert text
        upgrades.write_text(f"{before}\nGRACE = {grace}\n{after}")
    command = command_of(directory, log_file=None, **options)
    env = {"PYTHONPATH": str(code), "PYTHONDONTWRITEBYTECODE": "1"}
    with run(command, module=("-P", "-m", "wsgisrv"), env=env) as server:
        server.wait_ready()
        yield server, code / "wsgisrv"


def test_new_code_that_cannot_even_be_read_leaves_the_old_master(tmp_path: Path) -> None:
    with on_code(tmp_path) as (server, code):
        (code / "cli.py").write_text("def main(:\n")
        control = str(tmp_path / "control.sock")
        done = wsgisrv("upgrade", "--control-socket", control)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == "wsgisrv: upgrade: SyntaxError: invalid syntax\n"
        server.wait_line("ERROR .* upgrade failed, the old master stays: SyntaxError")
        found = answer_of(control, "status")
        assert (found["pid"], found["upgrade"]) == (server.pid, "none")
        assert found["last_upgrade"] == "failed: SyntaxError: invalid syntax"
        assert (tmp_path / "service.pid").read_text() == f"{server.pid}\n"
        assert not any("Traceback" in line for line in server.lines)


def test_a_new_master_that_hangs_is_ended_in_time(tmp_path: Path) -> None:
    with on_code(tmp_path, grace=-119.0, boot_timeout=120) as (server, code):  # a second in all
        (code / "cli.py").write_text(
            "import signal\nsignal.signal(15, 1)\nwhile 1: signal.pause()\n"
        )
        server.signal(signal.SIGUSR2)
        server.wait_line(
            "upgrade failed, the old master stays: the new master was not ready in time"
        )
        assert answer_of(str(tmp_path / "control.sock"), "status")["pid"] == server.pid


@pytest.mark.parametrize("app", ["raises", "dies"])
def test_an_app_that_cannot_load_any_more_leaves_the_old_master(app: str, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    with daemon(tmp_path) as service:
        pid = service.pid
        (tmp_path / "api-paste.ini").write_text(
            f"[app:main]\npaste.app_factory = tests.apps.broken:factory\napp = {app}\nflag = {flag}\n"
        )
        flag.touch()
        done = wsgisrv("upgrade", "--control-socket", service.control)
        assert done.returncode == 1
        (line,) = done.stderr.splitlines()
        assert ("the app's own trouble" if app == "raises" else "was killed by SIGKILL") in line
        with service.connect() as client:
            assert client.get().status == 200
        flag.unlink()
        assert upgraded(service) != pid


def test_a_wrong_option_and_a_killed_new_master_leave_the_old_one(tmp_path: Path) -> None:
    conf = tmp_path / "a.conf"
    conf.write_text("")
    with run([*command_of(tmp_path, log_file=None), "--config-file", str(conf)]) as server:
        server.wait_ready()
        conf.write_text("[wsgisrv]\npool_size = none\n")
        server.signal(signal.SIGUSR2)
        server.wait_line(rf"upgrade failed, .*: {conf}: \[wsgisrv\] pool_size = none: allowed is")
        conf.write_text("")
        seen = len(server.lines)
        server.signal(signal.SIGUSR2)
        new = int(server.wait_line(r"upgrade: the new master is pid (\d+)", after=seen)[1])
        os.kill(new, signal.SIGKILL)
        server.wait_line("upgrade failed, .*: the new master was killed by SIGKILL", after=seen)
        assert answer_of(str(tmp_path / "control.sock"), "status")["pid"] == server.pid


def waiting(directory: Path) -> contextlib.AbstractContextManager[Server]:
    """Runs a service whose app waits while it loads as long as ``directory/flag`` is there."""
    command = command_of(directory, "tests.apps.broken:waits", log_file=None)
    with (directory / "api-paste.ini").open("a") as ini:
        ini.write(f"flag = {directory / 'flag'}\n")
    return run(command)


def begin_upgrade(server: Server, directory: Path) -> int:
    """Has such a service begin an upgrade that waits for the flag; returns the new master's pid."""
    server.wait_ready()
    (directory / "flag").touch()
    server.signal(signal.SIGUSR2)
    return int(server.wait_line(r"upgrade: the new master is pid (\d+)")[1])


def test_a_second_upgrade_is_refused_and_a_hup_is_the_new_masters(tmp_path: Path) -> None:
    with waiting(tmp_path) as server:
        new = begin_upgrade(server, tmp_path)
        server.signal(signal.SIGUSR2)
        server.wait_line(f"upgrade refused: an upgrade is under way, new master pid {new}")
        done = wsgisrv("upgrade", "--control-socket", str(tmp_path / "control.sock"))
        assert (done.returncode, done.stderr) == (
            1,
            f"wsgisrv: upgrade: an upgrade is under way, new master pid {new}\n",
        )
        server.signal(signal.SIGHUP)
        answer_of(str(tmp_path / "control.sock"), "status")  # by now it was seen
        (tmp_path / "flag").unlink()
        server.wait_line(rf"ready: .*master pid {new}, generation 2")


def test_a_hup_during_an_upgrade_that_fails_is_the_old_masters(tmp_path: Path) -> None:
    with waiting(tmp_path) as server:
        new = begin_upgrade(server, tmp_path)
        server.signal(signal.SIGHUP)
        answer_of(str(tmp_path / "control.sock"), "status")
        (tmp_path / "flag").unlink()
        os.kill(new, signal.SIGKILL)
        server.wait_line(rf"ready: .*master pid ({server.pid}|{new}), generation 2")


def test_a_stop_during_an_upgrade_ends_both(tmp_path: Path) -> None:
    with waiting(tmp_path) as server:
        new = begin_upgrade(server, tmp_path)
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0
        wait_gone(new)
        assert not group_of(server.pid)
    assert {each.name for each in tmp_path.iterdir()} == {"api-paste.ini", "flag"}


@contextlib.contextmanager
def orphaned(directory: Path) -> Iterator[tuple[Daemon, int]]:
    """A daemon whose old master was killed while the new one's worker boots, and the new master's pid."""
    command = command_of(directory, "tests.apps.broken:waits", bind=f"unix:{directory}/api.sock")
    flag = directory / "flag"
    with (directory / "api-paste.ini").open("a") as ini:
        ini.write(f"flag = {flag}\n")
    service = Daemon(directory)
    assert start(command).returncode == 0
    session = os.getsid(service.pid)
    try:
        flag.touch()
        old = service.pid
        service.signal(signal.SIGUSR2)
        new = int(service.wait_log(r"upgrade: the new master is pid (\d+)")[1])
        os.kill(old, signal.SIGKILL)
        service.wait_log("WARNING .* the old master is gone; taking over")
        yield service, new
        wait_empty(session)
    finally:
        for pid in group_of(session):
            os.kill(pid, signal.SIGKILL)
    assert {each.name for each in directory.iterdir()} == {"api-paste.ini", "service.log", "flag"}
    assert "Traceback" not in service.log


def test_an_old_master_that_is_killed_meanwhile_leaves_all_to_the_new_one(tmp_path: Path) -> None:
    with orphaned(tmp_path) as (service, new):
        assert service.pid == new
        found = wait_status(service.control, lambda found: len(found["workers"]) == 1)
        assert (found["pid"], found["workers"][0]["state"]) == (new, "booting")
        with Client(str(tmp_path / "api.sock")) as client:  # waits, and is not turned away
            client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            (tmp_path / "flag").unlink()
            assert client.response().status == 200
        service.wait_log(rf"ready: .*master pid {new}, generation 1")
        (tmp_path / "flag").touch()
        service.stop()


def test_a_new_master_that_is_left_alone_and_cannot_boot_says_why_itself(tmp_path: Path) -> None:
    with orphaned(tmp_path) as (service, new):
        found = wait_status(service.control, lambda found: len(found["workers"]) == 1)
        os.kill(found["workers"][0]["pid"], signal.SIGKILL)
        wait_gone(new)
        service.wait_log(r"(?m)^wsgisrv: worker 1 \(pid \d+\) was killed by SIGKILL after ")


def test_the_death_of_a_master_in_the_foreground_ends_the_one_that_boots(tmp_path: Path) -> None:
    with waiting(tmp_path) as server:
        new = begin_upgrade(server, tmp_path)
        server.signal(signal.SIGKILL)
        wait_gone(new)
        server.wait_exit()
        wait_empty(server.pid)


def test_a_command_that_comes_while_masters_change_is_carried_out_by_the_new_one(
    tmp_path: Path,
) -> None:
    control = str(tmp_path / "control.sock")
    with waiting(tmp_path) as server:
        new = begin_upgrade(server, tmp_path)
        # The time that a client has for its request is short: the new worker boots by now.
        wait_text(Path(f"/proc/{new}/task/{new}/children"), r"\d")
        with connected(control) as silent:
            wait_status(control, lambda _: True)  # the connection before this one was accepted, too
            (tmp_path / "flag").unlink()
            answer = line_of(silent)
            assert (answer["ok"], answer["again"]) == (False, True)
            assert at_end(silent)
        assert answer_of(control, "status")["pid"] == new


# The listen backlog


def backlog_of(listener: socket.socket) -> int:
    """Returns what listen(2) was told: tcpi_sacked of a socket that listens."""
    return int(
        struct.unpack_from("=8x5II", listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 32))[
            -1
        ]
    )


def test_who_waits_to_be_accepted_is_served_by_the_new_master_with_its_own_backlog(
    tmp_path: Path,
) -> None:
    conf = tmp_path / "wsgisrv.conf"
    conf.write_text("[wsgisrv]\nbacklog = 77\n")
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        fd = listener.fileno()
        command = command_of(tmp_path, bind=f"fd://{fd}", log_file=None)
        running = run([*command, "--config-file", str(conf)], pass_fds=[fd])
        server = stack.enter_context(running)
        (worker,) = server.wait_ready()
        assert backlog_of(listener) == 77
        conf.write_text("[wsgisrv]\nbacklog = 99\n")
        os.kill(worker, signal.SIGSTOP)  # nobody accepts now
        try:
            clients = [stack.enter_context(Client(listener.getsockname())) for _ in range(20)]
            for client in clients:
                client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            seen = len(server.lines)
            server.signal(signal.SIGUSR2)
            server.wait_line(READY, after=seen)
            (new,) = server.wait_ready(after=seen)
            answers = [client.response() for client in clients]
        finally:
            os.kill(worker, signal.SIGCONT)
        assert [(each.status, each.body) for each in answers] == [(200, b"%d" % new)] * 20
        wait_gone(worker)
        assert backlog_of(listener) == 99


# In the foreground


def test_the_process_that_others_wait_for_stays_and_passes_signals_on(tmp_path: Path) -> None:
    with run(command_of(tmp_path, log_file=None)) as server:
        server.wait_ready()
        news = []
        for _ in range(2):
            seen = len(server.lines)
            server.signal(signal.SIGUSR2)
            news.append(int(server.wait_line(READY, after=seen)[1]))
            wait_text(tmp_path / "service.pid", rf"^{news[-1]}\n")
        wait_gone(news[0])
        seen = len(server.lines)
        server.signal(signal.SIGHUP)
        server.wait_line(rf"ready: .*master pid {news[-1]}, generation 2", after=seen)
        assert server.process.poll() is None
        os.kill(news[-1], signal.SIGKILL)
        assert server.wait_exit() == 128 + signal.SIGKILL


# Under load


@pytest.mark.parametrize("kind", ["tcp", "unix"])
def test_no_request_fails_over_reloads_upgrades_and_resizes(kind: str, tmp_path: Path) -> None:
    path = str(tmp_path / "api.sock")
    bind = f"unix:{path}" if kind == "unix" else "127.0.0.1:0"
    with daemon(tmp_path, "tests.apps.basic:hello", bind=bind, workers=2) as service:
        address: Any = path
        if kind == "tcp":
            address = ("127.0.0.1", int(service.wait_log(r"ready: http://127\.0\.0\.1:(\d+)")[1]))
        with load(address, 8) as clients:
            for _ in range(2):
                clients.wait_answers(50)
                upgraded(service)
                for number in (signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU):
                    clients.wait_answers(50)
                    seen = len(service.log)
                    service.signal(number)
                    service.wait_log("ready: |workers wanted", after=seen)
            clients.wait_answers(50)
        assert clients.failures == []
