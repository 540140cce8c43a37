"""The service in the background, with a pid file, as another user, and with its log in a file."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import resource
import select
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.control import answer_of, wsgisrv
from tests.support.daemons import (
    Daemon,
    command_of,
    daemon,
    open_directory,
    readable_by_all,
    start,
    wait_empty,
    wait_gone,
    wait_text,
)
from tests.support.http import DEADLINE
from tests.support.server import ROOT, group_of, run

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


# Into the background


def test_the_command_returns_when_the_service_is_ready_and_leaves_no_stream_behind(
    tmp_path: Path,
) -> None:
    with daemon(tmp_path) as service:  # its pipes are at their end, else the command would not be
        assert "ready: " in service.log
        with service.connect() as client:
            assert client.get().status == 200
        assert os.getsid(service.pid) not in (service.pid, os.getsid(0))
        streams = [os.readlink(f"/proc/{service.pid}/fd/{number}") for number in (0, 1, 2)]
        assert streams == ["/dev/null", str(service.log_file), str(service.log_file)]
        service.stop()
        assert not service.pid_file.exists()
        assert not Path(service.control).exists()


def test_without_a_log_file_nothing_is_written_anywhere(tmp_path: Path) -> None:
    done = start(command_of(tmp_path, log_file=None))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    pid = Daemon(tmp_path).pid
    assert os.readlink(f"/proc/{pid}/fd/2") == "/dev/null"
    os.kill(pid, signal.SIGTERM)
    wait_gone(pid)


@pytest.mark.parametrize(
    ("app", "code", "reason"),
    [
        ("tests.apps.broken:raises", 78, "RuntimeError: the app's own trouble"),
        ("tests.apps.broken:dies", 70, "was killed by SIGKILL"),
    ],
)
def test_a_service_that_cannot_start_is_the_commands_own_error(
    app: str, code: int, reason: str, tmp_path: Path
) -> None:
    done = start(command_of(tmp_path, app))
    assert done.returncode == code
    (line,) = done.stderr.splitlines()
    assert line.startswith("wsgisrv: ")
    assert reason in line
    assert sorted(path.name for path in tmp_path.iterdir()) == ["api-paste.ini", "service.log"]


def test_a_wrong_option_is_said_before_anything_goes_into_the_background(tmp_path: Path) -> None:
    done = start([*command_of(tmp_path), "--umask", "many"])
    assert done.returncode == 2
    assert "--umask" in done.stderr
    assert not (tmp_path / "service.log").exists()


def test_an_address_in_use_is_the_commands_own_error(tmp_path: Path) -> None:
    with daemon(tmp_path) as service:
        address = service.wait_log(r"ready: http://(127\.0\.0\.1:\d+),")[1]
        other = tmp_path / "other"
        other.mkdir()
        done = start([*command_of(other, bind=address), "--bind-timeout", "0"])
        assert (done.returncode, done.stderr) == (
            69,
            f"wsgisrv: bind {address}: the address is in use by another process\n",
        )


def test_a_command_that_is_killed_while_it_waits_takes_the_service_with_it(tmp_path: Path) -> None:
    command = command_of(tmp_path, "tests.apps.broken:sleeps")
    waiting = subprocess.Popen(
        [sys.executable, "-m", "wsgisrv", *command, "--daemon"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    wait_text(tmp_path / "service.pid", r"\d+\n")
    pid = Daemon(tmp_path).pid
    session = os.getsid(pid)
    waiting.kill()
    waiting.wait()
    wait_gone(pid)
    assert not group_of(session)
    assert not (tmp_path / "service.pid").exists()


# The pid file


def test_the_pid_file_of_a_live_service_is_refused_and_left_alone(tmp_path: Path) -> None:
    with daemon(tmp_path) as service:
        pid = service.pid
        command = [*command_of(tmp_path, log_file=None), "--control-socket", "off"]
        for run_again in (start(command), wsgisrv(*command)):
            assert run_again.returncode == 69
            assert run_again.stderr == (
                f"wsgisrv: [wsgisrv] pid_file = {service.pid_file}: a live process holds it,"
                f" pid {pid}\n"
            )
        assert service.pid == pid
        assert answer_of(service.control, "status")["pid"] == pid


def test_the_pid_file_of_a_killed_master_is_replaced(tmp_path: Path) -> None:
    with daemon(tmp_path) as service:
        pid, session = service.pid, service.session
        service.signal(signal.SIGKILL)
        wait_gone(pid)
        wait_empty(session)
        assert service.pid == pid  # still there
        with daemon(tmp_path) as second:
            assert second.pid != pid


def test_the_pid_file_works_in_the_foreground(tmp_path: Path) -> None:
    path = tmp_path / "service.pid"
    with run(command_of(tmp_path, log_file=None)) as server:
        server.wait_ready()
        assert path.read_text() == f"{server.pid}\n"
        assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert not path.exists()


def test_a_pid_file_of_another_program_that_runs_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "service.pid"
    path.write_text(f"{os.getpid()}\n")
    done = wsgisrv(*command_of(tmp_path, log_file=None))
    assert done.returncode == 69
    assert f"a live process holds it, pid {os.getpid()}" in done.stderr
    assert path.read_text() == f"{os.getpid()}\n"


@pytest.mark.parametrize(
    ("content", "reason"), [("not a pid\n", "holds no pid"), (None, "is no regular file")]
)
def test_what_is_no_pid_file_is_not_overwritten(
    content: str | None, reason: str, tmp_path: Path
) -> None:
    path = tmp_path / "service.pid"
    if content is None:
        path.mkdir()
    else:
        path.write_text(content)
    done = wsgisrv(*command_of(tmp_path, log_file=None))
    assert done.returncode == 78
    assert reason in done.stderr
    assert path.is_dir() if content is None else path.read_text() == content
    assert sorted(each.name for each in tmp_path.iterdir()) == ["api-paste.ini", "service.pid"]


@contextlib.contextmanager
def full_disk() -> Iterator[Path]:
    """A file system of a few pages, all of them taken."""
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", directory],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            pytest.skip(f"cannot mount a tmpfs here: {done.stderr.strip()}")
        try:
            yield Path(directory)
        finally:
            subprocess.run(["umount", "-l", directory], check=True)


def fill(directory: Path) -> None:
    """Takes all that is left, also in the last page of each file that is there."""
    for path in (directory / "ballast", *directory.iterdir()):
        for size in (1024, 1):
            with path.open("ab", buffering=0) as file, contextlib.suppress(OSError):
                while True:
                    file.write(b"\n" * size)


@needs_root
def test_a_full_disk_for_the_pid_file_is_one_line_and_nothing_is_left(tmp_path: Path) -> None:
    with full_disk() as disk:
        fill(disk)
        path = disk / "service.pid"
        for run_it in (start, lambda command: wsgisrv(*command)):
            done = run_it(command_of(tmp_path, pid_file=path, log_file=None))
            assert done.returncode == 71
            assert done.stderr == (
                f"wsgisrv: [wsgisrv] pid_file = {path}: No space left on device\n"
            )
        assert [each.name for each in disk.iterdir()] == ["ballast"]
        assert [each.name for each in tmp_path.iterdir()] == ["api-paste.ini"]


@needs_root
def test_a_full_disk_for_the_logs_never_stops_serving(tmp_path: Path) -> None:
    with full_disk() as disk:
        log, access = disk / "service.log", disk / "access.log"
        with daemon(tmp_path, log_file=log, access_log=access) as service:
            service.log_file = log
            with service.connect() as client:
                assert client.get().status == 200
                fill(disk)
                for _ in range(3):
                    assert client.get().status == 200
            seen = len(log.read_text())
            assert wsgisrv("scale", "2", "--control-socket", service.control).returncode == 0
            assert len(log.read_text()) == seen
            (disk / "ballast").unlink()
            assert wsgisrv("scale", "1", "--control-socket", service.control).returncode == 0
            wait_text(log, r"\d+ lines of this log could not be written", after=seen)


# The log


def test_usr1_and_logs_reopen_let_a_rotated_log_go_in_master_and_workers(tmp_path: Path) -> None:
    with daemon(tmp_path) as service:
        with service.connect():
            pass  # the port stands in the log that will be renamed
        for by_command in (False, True):
            old = service.log_file.rename(tmp_path / f"old.{by_command}")
            if by_command:
                assert wsgisrv("logs-reopen", "--control-socket", service.control).returncode == 0
            else:
                service.signal(signal.SIGUSR1)
            service.wait_log("log files reopened")
            (worker,) = answer_of(service.control, "status")["workers"]
            for pid in (service.pid, worker["pid"]):
                wait_no_fd(pid, old)
        with service.connect() as client:
            client.get("/seen")
        service.wait_log('"GET /seen HTTP/1.1" status: 200')


def wait_no_fd(pid: int, path: Path) -> None:
    """Waits until the process has let the file go."""
    until = time.monotonic() + DEADLINE
    while True:
        open_files = {
            os.readlink(each) for each in Path(f"/proc/{pid}/fd").iterdir() if each.is_symlink()
        }
        if str(path) not in open_files:
            return
        assert time.monotonic() < until, open_files
        select.select([], [], [], 0.02)


def test_a_log_file_in_the_foreground_leaves_stderr_to_what_ends_the_start(tmp_path: Path) -> None:
    with run(command_of(tmp_path)) as server:
        wait_text(tmp_path / "service.log", "ready: ")
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0
        assert server.lines == []
    with run(command_of(tmp_path, "tests.apps.broken:raises")) as server:
        assert server.wait_exit() == 78
        (line,) = server.lines
        assert "the app's own trouble" in line


# Who and where the process is


@needs_root
def test_master_and_workers_become_the_user_and_keep_what_was_opened() -> None:
    nobody = pwd.getpwnam("nobody")
    with open_directory() as top:
        home = top / "nobodys"
        home.mkdir()
        os.chown(home, nobody.pw_uid, nobody.pw_gid)
        log = home / "access.log"
        within = readable_by_all()
        with daemon(home, within=within, user="nobody", access_log=log) as service:
            with service.connect():
                pass  # the port stands in the log that will be renamed
            (worker,) = answer_of(service.control, "status")["workers"]
            for pid in (service.pid, worker["pid"]):
                assert ids_of(pid) == ({nobody.pw_uid}, {nobody.pw_gid})
            for path in (service.pid_file, service.log_file, log, service.control):
                assert os.stat(path).st_uid == nobody.pw_uid
            old = service.log_file.rename(home / "old")
            service.signal(signal.SIGUSR1)
            service.wait_log("log files reopened")
            assert old.exists()
            with service.connect() as client:
                assert client.get().status == 200
            service.stop()
        assert not service.pid_file.exists()
        assert not Path(service.control).exists()


@needs_root
def test_files_in_a_directory_of_roots_are_opened_before_and_the_pid_file_is_emptied() -> None:
    with open_directory() as top:
        within = readable_by_all()
        with daemon(top, within=within, user="nobody", group="nogroup") as service:
            pid, control = service.pid, service.control
            assert answer_of(control, "status")["pid"] == pid
            service.stop()
        assert service.pid_file.read_text() == ""
        with daemon(top, within=within, user="nobody", group="nogroup") as second:
            assert second.pid != pid


@needs_root
def test_a_log_that_the_user_could_lead_elsewhere_is_not_opened_as_root() -> None:
    nobody = pwd.getpwnam("nobody")
    with open_directory() as top:
        home, secret = top / "nobodys", top / "secret"
        home.mkdir()
        os.chown(home, nobody.pw_uid, nobody.pw_gid)
        secret.write_text("")
        secret.chmod(0o600)
        (home / "service.log").symlink_to(secret)
        done = start(command_of(home, user="nobody"))
        assert (done.returncode, done.stderr) == (
            71,
            f"wsgisrv: [wsgisrv] log_file = {home}/service.log: Permission denied\n",
        )
        assert (secret.stat().st_uid, secret.read_text()) == (0, "")


@pytest.mark.parametrize("option", ["user", "group"])
def test_an_unknown_user_or_group_is_refused(option: str, tmp_path: Path) -> None:
    done = start(command_of(tmp_path, **{option: "no-such-one"}))
    assert (done.returncode, done.stderr) == (
        78,
        f"wsgisrv: [wsgisrv] {option} = no-such-one: there is no such {option}\n",
    )


def ids_of(pid: int) -> tuple[set[int], set[int]]:
    """Returns every uid and gid that a process has, groups included."""
    fields = dict(
        line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines()
    )
    uids = {int(part) for part in fields["Uid"].split()}
    gids = {int(part) for part in (fields["Gid"] + fields["Groups"]).split()}
    return uids, gids


def test_umask_directory_and_nofile_are_as_the_options_say(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    conf = tmp_path / "a.conf"
    conf.write_text(f"[wsgisrv]\nchdir = {work}\numask = 027\nnofile = 500\nlog_file = here.log\n")
    command = [*command_of(tmp_path, log_file=None), "--config-file", "a.conf"]
    done = start(command, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    service = Daemon(tmp_path)
    try:
        log = work / "here.log"
        assert stat.S_IMODE(log.stat().st_mode) == 0o640
        wait_text(log, r"nofile: 500 files \(the soft limit was \d+\)")
        wait_text(log, "WARNING .* nofile: 500 files are fewer than max_connections")
        assert os.readlink(f"/proc/{service.pid}/cwd") == str(work)
        status = Path(f"/proc/{service.pid}/status").read_text()
        assert "Umask:\t0027" in status
        assert resource.prlimit(service.pid, resource.RLIMIT_NOFILE)[0] == 500
        assert wsgisrv("reload", "--control-socket", service.control).returncode == 0
    finally:
        service.stop()


def test_the_soft_limit_of_files_is_raised_to_the_hard_one(tmp_path: Path) -> None:
    code = (
        "import os, resource, sys\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (300, 4000))\n"
        "os.execv(sys.executable, [sys.executable, '-m', 'wsgisrv', *sys.argv[1:]])\n"
    )
    with run(["-c", code, *command_of(tmp_path, log_file=None)], module=()) as server:
        server.wait_line(r"nofile: 4000 files \(the soft limit was 300\)")
        (worker,) = server.wait_ready()
        for pid in (server.pid, worker):
            assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (4000, 4000)


def test_processes_are_shown_by_name_kind_generation_and_state(tmp_path: Path) -> None:
    with run(command_of(tmp_path, log_file=None, proc_name="books")) as server:
        (worker,) = server.wait_ready()
        wait_title(server.pid, "books: master, generation 1, serving")
        wait_title(worker, "books: worker 1, generation 1, ready")
        server.signal(signal.SIGHUP)
        wait_title(server.pid, "books: master, generation 2, serving")


def test_the_name_in_front_stays_that_of_the_start_after_a_reload(tmp_path: Path) -> None:
    conf = tmp_path / "wsgisrv.conf"
    conf.write_text("[wsgisrv]\nproc_name = books\n")
    command = [*command_of(tmp_path, log_file=None), "--config-file", str(conf)]
    with run(command) as server:
        server.wait_ready()
        conf.write_text("[wsgisrv]\nproc_name = papers\n")
        seen = len(server.lines)
        server.signal(signal.SIGHUP)
        server.wait_line(r"reload: \[wsgisrv\] proc_name: books -> papers, at the next start")
        (worker,) = server.wait_ready(after=seen)
        wait_title(server.pid, "books: master, generation 2, serving")
        wait_title(worker, "books: worker 2, generation 2, ready")


def wait_title(pid: int, title: str) -> None:
    until = time.monotonic() + DEADLINE
    while True:
        found = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").decode()
        if found == title:
            return
        assert time.monotonic() < until, found
        select.select([], [], [], 0.02)


def test_a_title_without_setproctitle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "setproctitle.py").write_text("raise ImportError\n")
    command = command_of(tmp_path, log_file=None, proc_name="books")
    done = wsgisrv(*command, env={"PYTHONPATH": f"{tmp_path}:{ROOT}"})
    assert done.returncode == 78
    assert done.stderr == (
        "wsgisrv: [wsgisrv] proc_name = books: setproctitle is not installed;"
        " pip install 'wsgisrv[proctitle]'\n"
    )


def test_status_is_the_same_for_a_daemon(tmp_path: Path) -> None:
    with daemon(tmp_path) as service:
        done = wsgisrv("status", "--json", "--control-socket", service.control)
        assert json.loads(done.stdout)["pid"] == service.pid
