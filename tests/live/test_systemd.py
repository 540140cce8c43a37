"""What systemd sees: notifications, its watchdog, its sockets, its units; and PID 1 of a container."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.control import answer_of, wait_status, wsgisrv
from tests.support.daemons import command_of, wait_gone, wait_text
from tests.support.http import DEADLINE
from tests.support.server import ROOT, run
from tests.support.units import complaints


class Systemd:
    """The other end of NOTIFY_SOCKET."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.settimeout(DEADLINE)
        self._socket.bind(str(path))
        self.env = {"NOTIFY_SOCKET": str(path)}

    def heard(self) -> dict[str, str]:
        """Returns the next notification."""
        lines = self._socket.recv(4096).decode().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def wait(self, name: str) -> dict[str, str]:
        """Returns the next notification with such a field."""
        while name not in (found := self.heard()):
            pass
        return found

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def systemd(tmp_path: Path) -> Systemd:
    return Systemd(tmp_path / "notify")


def test_a_reload_and_a_stop_are_told(systemd: Systemd, tmp_path: Path) -> None:
    with run(command_of(tmp_path, log_file=None), env=systemd.env) as server:
        found = systemd.heard()
        assert found["READY"] == "1"
        assert re.fullmatch(r"serving on http://\S+ with 1 workers", found["STATUS"])
        server.signal(signal.SIGHUP)
        assert int(systemd.heard()["MONOTONIC_USEC"]) > 0
        assert systemd.heard()["READY"] == "1"
        server.signal(signal.SIGTERM)
        assert systemd.heard()["STOPPING"] == "1"
        assert server.wait_exit() == 0
    systemd.close()


def test_an_upgrade_names_the_new_main_process_before_the_old_one_ends(
    systemd: Systemd, tmp_path: Path
) -> None:
    env = {**systemd.env, "WATCHDOG_USEC": "2000000"}
    with run(command_of(tmp_path, log_file=None), env=env) as server:
        systemd.wait("READY")
        server.signal(signal.SIGUSR2)
        assert "upgrading" in systemd.wait("RELOADING")["STATUS"]
        found = systemd.wait("MAINPID")
        assert found["READY"] == "1"
        new = int(found["MAINPID"])
        assert server.process.wait(DEADLINE) == 0  # nobody waits for it: systemd knows the other
        systemd.wait("WATCHDOG")
        os.kill(new, signal.SIGTERM)
        systemd.wait("STOPPING")
        wait_gone(new)
    systemd.close()


def test_an_upgrade_that_fails_is_told_as_an_end_of_the_reload(
    systemd: Systemd, tmp_path: Path
) -> None:
    with run(command_of(tmp_path, log_file=None), env=systemd.env) as server:
        systemd.wait("READY")
        (tmp_path / "api-paste.ini").write_text("[app:main]\n")
        server.signal(signal.SIGUSR2)
        systemd.wait("RELOADING")
        assert "upgrade failed" in systemd.wait("READY")["STATUS"]
        assert server.process.poll() is None
    systemd.close()


def test_the_watchdog_is_fed_only_while_a_worker_beats(systemd: Systemd, tmp_path: Path) -> None:
    env = {**systemd.env, "WATCHDOG_USEC": "500000"}
    with run(command_of(tmp_path, log_file=None), env=env) as server:
        (worker,) = server.wait_ready()
        systemd.wait("WATCHDOG")
        os.kill(worker, signal.SIGSTOP)
        systemd._socket.settimeout(2.5)  # five intervals of silence
        with contextlib.suppress(TimeoutError):
            for _ in range(20):
                systemd.heard()
            pytest.fail("the watchdog is fed all the same")
        os.kill(worker, signal.SIGCONT)
        systemd._socket.settimeout(DEADLINE)
        systemd.wait("WATCHDOG")
    systemd.close()


def test_another_processs_watchdog_is_not_fed(systemd: Systemd, tmp_path: Path) -> None:
    env = {**systemd.env, "WATCHDOG_USEC": "500000", "WATCHDOG_PID": "1"}
    with run(command_of(tmp_path, log_file=None), env=env) as server:
        systemd.wait("READY")
        server.signal(signal.SIGTERM)
        while "STOPPING" not in (found := systemd.heard()):
            assert "WATCHDOG" not in found
        server.wait_exit()
    systemd.close()


# Sockets

_ACTIVATE = (
    "import os, sys\n"
    "for number, fd in enumerate(sys.argv[1].split(',')): os.dup2(int(fd), 3 + number)\n"
    "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='2', LISTEN_FDNAMES='api:admin')\n"
    "os.execv(sys.executable, [sys.executable, '-m', 'wsgisrv', *sys.argv[2:]])\n"
)


@pytest.mark.parametrize(("bind", "names"), [(None, ["api", "admin"]), ("fd://admin", ["admin"])])
def test_sockets_from_systemd_are_chosen_and_shown_by_name(
    bind: str | None, names: list[str], tmp_path: Path
) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        fds = [os.dup(each.fileno()) for each in (one, two)]
        high = [fd if fd > 10 else os.dup2(fd, fd + 100) for fd in fds]
        try:
            given = ",".join(map(str, high))
            command = command_of(tmp_path, log_file=None, bind=bind)
            code = ["-c", _ACTIVATE, given, *command]
            with run(code, pass_fds=high, module=()) as server:
                server.wait_ready()
                found = answer_of(str(tmp_path / "control.sock"), "status")
                assert found["names"] == names
                assert len(found["addresses"]) == len(names)
                text = wsgisrv("status", "--control-socket", str(tmp_path / "control.sock")).stdout
                assert f"({names[-1]})" in text
        finally:
            for fd in {*fds, *high}:
                os.close(fd)


def test_a_name_that_no_socket_has_is_one_line(tmp_path: Path) -> None:
    done = wsgisrv(*command_of(tmp_path, log_file=None, bind="fd://api"))
    assert done.returncode == 78
    (line,) = done.stderr.splitlines()
    assert "bind fd://api: " in line


# Units


def test_the_units_are_what_systemd_understands(tmp_path: Path) -> None:
    unit = (ROOT / "etc" / "wsgisrv.service").read_text()
    (tmp_path / "wsgisrv.service").write_text(
        unit.replace("/opt/service/bin/wsgisrv", sys.executable)
    )
    shutil.copy(ROOT / "etc" / "wsgisrv.socket", tmp_path)
    assert complaints(tmp_path / "wsgisrv.service", tmp_path / "wsgisrv.socket") == []


# PID 1


def test_as_pid_1_it_reaps_strangers_and_survives_an_upgrade(tmp_path: Path) -> None:
    inside = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
    if subprocess.run([*inside, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this process may make no pid namespace")
    command = [*inside, sys.executable, "-m", "wsgisrv", *command_of(tmp_path, proc_name="boxed")]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(ROOT)})
    try:
        control, log = str(tmp_path / "control.sock"), tmp_path / "service.log"
        wait_text(log, r"ready: .*master pid 1, generation 1")
        first = _child_of(process.pid)
        # An orphan in the same namespace: PID 1 is its parent when it ends.
        orphan = "import os, sys\nif os.fork(): os._exit(0)\nprint(os.getpid(), flush=True)\n"
        enter = ["nsenter", f"--target={first}", "--pid", sys.executable, "-c", orphan]
        subprocess.run(enter, check=True, capture_output=True)
        wait_status(control, lambda _: not _zombies_under(first))
        done = wsgisrv("upgrade", "--json", "--control-socket", control)
        assert done.returncode == 0, done.stderr
        new = wait_status(control, lambda found: found["pid"] != 1)["pid"]
        assert process.poll() is None
        seen = len(log.read_text())
        os.kill(first, signal.SIGHUP)  # to PID 1, which passes it on
        wait_text(log, rf"ready: .*master pid {new}, generation 2", after=seen)
        os.kill(first, signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
    finally:
        process.kill()
        process.wait()


def _child_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])


def _zombies_under(pid: int) -> list[int]:
    found = []
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        try:
            fields = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[0] == "Z":
            found.append(int(child))
    return found
