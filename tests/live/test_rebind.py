"""A reload to other addresses: what stays is never closed, what comes is open first, what goes goes last."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import socket
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.control import wsgisrv
from tests.support.http import DEADLINE, Client
from tests.support.server import Server, run


class Rebound:
    """A server whose configuration file a test writes anew."""

    def __init__(self, directory: Path, app: str) -> None:
        self.conf = directory / "wsgisrv.conf"
        self.control = directory / "control.sock"
        self.flag = directory / "broken"
        self.ini = directory / "api-paste.ini"
        self.ini.write_text(
            "[app:main]\npaste.app_factory = tests.apps.broken:factory\n"
            f"app = {app}\nflag = {self.flag}\n"
        )
        self.server: Server

    def write(self, *binds: str, **options: object) -> None:
        lines = [f"bind = {bind}" for bind in binds]
        lines += [f"{name} = {value}" for name, value in options.items()]
        head = ["[wsgisrv]", f"paste_config = {self.ini}", f"control_socket = {self.control}"]
        self.conf.write_text("\n".join([*head, "workers = 1", *lines, ""]))

    def reload(self, *binds: str, **options: object) -> tuple[int, str]:
        """Returns the exit code and the line of ``wsgisrv reload``."""
        self.write(*binds, **options)
        done = wsgisrv("reload", "--control-socket", str(self.control))
        return done.returncode, (done.stdout + done.stderr).strip()

    def descriptors(self) -> set[str]:
        """Returns the sockets that the master has open."""
        found = set()
        for entry in Path(f"/proc/{self.server.pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.add(os.readlink(entry))
        return {each for each in found if each.startswith("socket:")}


@contextlib.contextmanager
def rebound(
    directory: Path, *binds: str, app: str = "raises", **options: object
) -> Iterator[Rebound]:
    """A service whose app fails, as ``app`` says, while ``flag`` is there."""
    service = Rebound(directory, app)
    service.write(*binds, **options)
    with run(["serve", "--config-file", str(service.conf)]) as service.server:
        service.server.wait_ready()
        yield service


def ports(count: int) -> list[int]:
    """Returns ports that nobody has, all different."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def pid_at(address: object) -> int:
    with Client(address) as client:
        return int(client.get().body)


def wait_refused(address: object) -> None:
    """Waits until nobody listens there any more."""
    until = time.monotonic() + DEADLINE
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    while True:
        with socket.socket(family) as client:
            try:
                client.connect(address)  # type: ignore[arg-type]
            except (ConnectionRefusedError, FileNotFoundError):
                return
        assert time.monotonic() < until, f"somebody still listens on {address}"
        select.select([], [], [], 0.01)


def test_a_reload_binds_what_is_new_and_leaves_what_is_gone(tmp_path: Path) -> None:
    first, second = ports(2)
    with rebound(tmp_path, f"127.0.0.1:{first}") as service:
        old = pid_at(("127.0.0.1", first))
        assert service.reload(f"127.0.0.1:{second}")[0] == 0
        assert pid_at(("127.0.0.1", second)) != old
        wait_refused(("127.0.0.1", first))
        service.server.wait_line(rf"ready: http://127\.0\.0\.1:{second}, .* generation 2$")
        service.server.wait_line(rf"no longer listening on http://127\.0\.0\.1:{first}$")


def test_connections_that_wait_in_a_listener_that_goes_are_answered(tmp_path: Path) -> None:
    first, second = ports(2)
    with rebound(tmp_path, f"127.0.0.1:{first}") as service, contextlib.ExitStack() as stack:
        (worker,) = service.server.wait_ready()
        os.kill(worker, signal.SIGSTOP)  # nobody accepts now
        try:
            clients = [stack.enter_context(Client(("127.0.0.1", first))) for _ in range(20)]
            for client in clients:
                client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
            assert service.reload(f"127.0.0.1:{second}")[0] == 0
            service.server.wait_line("no longer listening")
        finally:
            os.kill(worker, signal.SIGCONT)
        assert [client.response().body for client in clients] == [b"%d" % worker] * 20


def test_an_address_that_stays_serves_every_connection_through_many_reloads(tmp_path: Path) -> None:
    stays, other = ports(2)
    with rebound(tmp_path, f"127.0.0.1:{stays}") as service:
        for number in range(4):
            extra = [f"127.0.0.1:{other}"] if number % 2 else []
            seen = len(service.server.lines)
            service.write(*extra, f"127.0.0.1:{stays}")
            service.server.signal(signal.SIGHUP)
            until = time.monotonic() + DEADLINE
            while not any("ready: " in line for line in service.server.lines[seen:]):
                assert time.monotonic() < until
                assert pid_at(("127.0.0.1", stays))
        assert f"no longer listening on http://127.0.0.1:{stays}" not in service.server.log


def test_an_address_that_is_taken_fails_the_reload_and_leaves_all_as_it_was(tmp_path: Path) -> None:
    (port,) = ports(1)
    path = tmp_path / "new.sock"
    with (
        rebound(tmp_path, f"127.0.0.1:{port}") as service,
        socket.create_server(("127.0.0.1", 0)) as holder,
    ):
        taken = f"127.0.0.1:{holder.getsockname()[1]}"
        before = service.descriptors()
        wanted = (f"127.0.0.1:{port}", f"unix:{path}", taken)
        code, line = service.reload(*wanted, bind_timeout=0)
        assert code == 1
        where = f"{service.conf}: [wsgisrv] bind = {taken}"
        assert line == f"wsgisrv: reload: {where}: the address is in use by another process"
        failed = f"reload failed, generation 1 stays: {where}: "
        service.server.wait_line(rf"ERROR .*: {re.escape(failed)}")
        assert not path.exists()
        assert pid_at(("127.0.0.1", port)) == service.server.wait_ready()[0]
        wait_descriptors(service, before)


def test_an_address_that_becomes_free_during_a_reload_is_bound(tmp_path: Path) -> None:
    (port,) = ports(1)
    with (
        rebound(tmp_path, f"127.0.0.1:{port}") as service,
        socket.create_server(("127.0.0.1", 0)) as holder,
    ):
        address = holder.getsockname()
        service.write(f"127.0.0.1:{address[1]}", bind_timeout=60)
        seen = len(service.server.lines)
        service.server.signal(signal.SIGHUP)
        assert wsgisrv("status", "--control-socket", str(service.control)).returncode == 0
        assert pid_at(("127.0.0.1", port))  # the old generation serves meanwhile
        holder.close()
        service.server.wait_ready(after=seen)
        assert pid_at(address)


def test_a_reload_overtakes_one_that_waits_for_its_address(tmp_path: Path) -> None:
    first, second = ports(2)
    with (
        rebound(tmp_path, f"127.0.0.1:{first}") as service,
        socket.create_server(("127.0.0.1", 0)) as holder,
    ):
        service.write(f"127.0.0.1:{holder.getsockname()[1]}", bind_timeout=600)
        service.server.signal(signal.SIGHUP)
        assert service.reload(f"127.0.0.1:{second}")[0] == 0
        assert pid_at(("127.0.0.1", second))


def test_a_stop_ends_a_reload_that_waits_for_its_address(tmp_path: Path) -> None:
    (port,) = ports(1)
    with (
        rebound(tmp_path, f"127.0.0.1:{port}") as service,
        socket.create_server(("127.0.0.1", 0)) as holder,
    ):
        service.write(f"127.0.0.1:{holder.getsockname()[1]}", bind_timeout=600)
        service.server.signal(signal.SIGHUP)
        service.server.signal(signal.SIGTERM)
        assert service.server.wait_exit() == 0


def test_the_listeners_of_a_generation_that_cannot_boot_are_closed(tmp_path: Path) -> None:
    first, second = ports(2)
    path = tmp_path / "new.sock"
    with rebound(tmp_path, f"127.0.0.1:{first}", backlog=100) as service:
        before = service.descriptors()
        service.flag.touch()
        code, line = service.reload(f"127.0.0.1:{second}", f"unix:{path}")
        assert (code, "the app's own trouble" in line) == (1, True)
        wait_refused(("127.0.0.1", second))
        assert not path.exists()
        assert pid_at(("127.0.0.1", first)) == service.server.wait_ready()[0]
        wait_descriptors(service, before)
        service.flag.unlink()
        assert service.reload(f"127.0.0.1:{second}", f"unix:{path}")[0] == 0
        assert pid_at(str(path)) == pid_at(("127.0.0.1", second))
        wait_refused(("127.0.0.1", first))
    assert not path.exists()


def wait_descriptors(service: Rebound, wanted: set[str]) -> None:
    """Waits until the master's sockets are those, its workers' channels and control clients aside."""
    until = time.monotonic() + DEADLINE
    while not service.descriptors() <= wanted:
        assert time.monotonic() < until, service.descriptors() - wanted
        select.select([], [], [], 0.01)


def test_a_worker_that_replaces_another_during_a_reload_does_not_hold_what_is_new(
    tmp_path: Path,
) -> None:
    first, second = ports(2)
    with rebound(tmp_path, f"127.0.0.1:{first}", app="waits") as service:
        (old,) = service.server.wait_ready()
        service.flag.touch()
        service.write(f"127.0.0.1:{first}", f"127.0.0.1:{second}")
        service.server.signal(signal.SIGHUP)
        (new,) = wait_children(service, lambda pids: len(pids) == 2) - {old}
        os.kill(old, signal.SIGKILL)
        (replacement,) = wait_children(service, lambda pids: len(pids - {old}) == 2) - {old, new}
        os.kill(new, signal.SIGKILL)
        service.server.wait_line("reload failed, generation 1 stays: ")
        wait_refused(("127.0.0.1", second))
        service.flag.unlink()
        assert pid_at(("127.0.0.1", first)) == replacement


def wait_children(service: Rebound, holds: Callable[[set[int]], bool]) -> set[int]:
    """Waits until the master's children are as ``holds`` wants them, and returns them."""
    path = Path(f"/proc/{service.server.pid}/task/{service.server.pid}/children")
    until = time.monotonic() + DEADLINE
    while not holds(pids := {int(pid) for pid in path.read_text().split()}):
        assert time.monotonic() < until, pids
        select.select([], [], [], 0.01)
    return pids


def test_back_and_forth_in_one_breath_ends_where_it_was_told(tmp_path: Path) -> None:
    first, second = ports(2)
    with rebound(tmp_path, f"127.0.0.1:{first}") as service:
        for _ in range(3):
            service.write(f"127.0.0.1:{second}")
            service.server.signal(signal.SIGHUP)
            assert service.reload(f"127.0.0.1:{first}")[0] == 0
        wait_refused(("127.0.0.1", second))
        assert pid_at(("127.0.0.1", first))


def test_a_wildcard_takes_the_place_of_one_address_without_a_pause(tmp_path: Path) -> None:
    (port,) = ports(1)
    with rebound(tmp_path, f"127.0.0.1:{port}") as service:
        assert service.reload(f"0.0.0.0:{port}")[0] == 0
        assert pid_at(("127.0.0.2", port))
        code, line = service.reload(f"127.0.0.1:{port}", bind_timeout=0)
        expected = (
            f"wsgisrv: reload: {service.conf}: [wsgisrv] bind = 127.0.0.1:{port}: this service"
        )
        assert (code, line.startswith(expected)) == (1, True)
        assert pid_at(("127.0.0.2", port))


def test_modes_of_unix_sockets_change_with_a_reload_and_not_with_one_that_fails(
    tmp_path: Path,
) -> None:
    path = tmp_path / "s"
    with rebound(tmp_path, f"unix:{path}", unix_mode="0600") as service:
        assert service.reload(f"unix:{path}", unix_mode="0666")[0] == 0
        assert stat.S_IMODE(path.stat().st_mode) == 0o666
        service.flag.touch()
        assert service.reload(f"unix:{path}", unix_mode="0640")[0] == 1
        until = time.monotonic() + DEADLINE
        while stat.S_IMODE(path.stat().st_mode) != 0o666:
            assert time.monotonic() < until
            select.select([], [], [], 0.01)
        assert pid_at(str(path))


def test_a_unix_sockets_file_that_was_removed_is_back_after_a_reload(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with rebound(tmp_path, f"unix:{path}") as service:
        path.unlink()
        assert service.reload(f"unix:{path}")[0] == 0
        assert pid_at(str(path))
    assert not path.exists()


@pytest.mark.parametrize("bind", ["nonsense", "fd://0"])
def test_a_wrong_address_changes_nothing(bind: str, tmp_path: Path) -> None:
    (port,) = ports(1)
    with rebound(tmp_path, f"127.0.0.1:{port}") as service:
        code, line = service.reload(bind)
        expected = f"wsgisrv: reload: {service.conf}: [wsgisrv] bind = {bind}: "
        assert (code, line.startswith(expected)) == (1, True)
        assert pid_at(("127.0.0.1", port)) == service.server.wait_ready()[0]


def test_what_is_found_wrong_in_a_reload_names_file_section_and_key(tmp_path: Path) -> None:
    (port,) = ports(1)
    bind = f"127.0.0.1:{port}"
    certificate = tmp_path / "none.pem"
    certificate.write_text("nothing")
    (tmp_path / "file").touch()
    wrong: dict[str, tuple[dict[str, object], str]] = {
        f"tls_certificate = {certificate}": (
            {"tls_certificate": certificate},
            "no PEM certificate with its private key; allowed is CHAIN or CHAIN:KEY",
        ),
        "tls_certificate = /nowhere": (
            {"tls_certificate": "/nowhere"},
            "No such file or directory",
        ),
        "unix_owner = nobody-here": (
            {"unix_owner": "nobody-here", "bind": f"unix:{tmp_path}/s"},
            "there is no user nobody-here",
        ),
        f"bind = unix:{tmp_path}/file": (
            {"bind": f"unix:{tmp_path}/file"},
            "the file is there and is no socket",
        ),
        "access_log_format = %(nothing)s": (
            {"access_log_format": "%(nothing)s"},
            "'nothing'; allowed are oslo, combined, json, and text with %(NAME)s of ",
        ),
    }
    with rebound(tmp_path, bind) as service:
        for given, (options, reason) in wrong.items():
            code, line = service.reload(bind, **options)
            expected = f"wsgisrv: reload: {service.conf}: [wsgisrv] {given}: {reason}"
            assert (code, line[: len(expected)]) == (1, expected)
        assert pid_at(("127.0.0.1", port)) == service.server.wait_ready()[0]
