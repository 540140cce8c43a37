"""USR2 of a service with several servers, and what an upgrade makes of the options of its listeners."""

from __future__ import annotations

import os
import pwd
import random
import signal
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.support.configured import Configured, configured, get, ports, two_servers, wait_until
from tests.support.control import answer_of, wait_status, wsgisrv
from tests.support.daemons import (
    Daemon,
    command_of,
    daemon,
    open_directory,
    readable_by_all,
    wait_gone,
)
from tests.support.http import Client
from tests.support.load import load
from tests.support.server import run
from tests.support.server import wait_gone as wait_process_gone

READY = r"upgrade: the new master, pid (\d+), is ready; draining"


def servers(directory: Path, public: int, path: Path, **changed: Any) -> dict[str, dict[str, Any]]:
    """Two servers: public on a port, with the shared worker, and admin on a unix socket with its own.

    Args:
        changed: by section, what stands in it beside the usual.
    """
    own = {"workers": 1, "unix_mode": "0600", **changed.pop("wsgisrv_admin", {})}
    return two_servers(
        directory, f"127.0.0.1:{public}", f"unix:{path}", wsgisrv_admin=own, **changed
    )


def told(address: Any) -> Any:
    """What tests.apps.named says of itself."""
    with Client(address) as client:
        return client.get().json()


def upgrade(service: Configured) -> int:
    """Upgrades by USR2 and returns the new master's pid."""
    seen, old = len(service.server.lines), service.status()["pid"]
    os.kill(old, signal.SIGUSR2)
    new = int(service.server.wait_line(READY, after=seen)[1])
    wait_until(lambda: service.status()["pid"] == new, "the new master to take commands")
    if old != service.server.pid:  # which stays as a stand-in
        wait_gone(old)
    return new


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_master_takes_over_every_server_and_no_request_fails(tmp_path: Path) -> None:
    (public,) = ports(1)
    path = tmp_path / "admin.sock"
    with configured(tmp_path, servers(tmp_path, public, path)) as service:
        old = service.server.wait_ready()
        inode = path.stat().st_ino
        with load(("127.0.0.1", public), 4) as publics, load(str(path), 4) as admins:
            masters = set()
            for _ in range(2):
                for clients in (publics, admins):
                    clients.wait_answers(20)
                masters.add(upgrade(service))
            for clients in (publics, admins):
                clients.wait_answers(20)
        assert publics.failures + admins.failures == []
        assert len(masters) == 2
        for pid in old:
            wait_process_gone(pid)
        pids = {told(("127.0.0.1", public))["pid"], told(str(path))["pid"]}
        assert len(pids) == 2
        assert not pids & set(old)
        assert (path.stat().st_ino, mode_of(path)) == (inode, 0o600)
        found = {each["name"]: each["shares_workers"] for each in service.status()["servers"]}
        assert found == {"public": True, "admin": False}
        assert service.command("reload") == (0, "generation 2 serves")
        assert service.command("scale", "2", "--server", "admin")[0] == 0
    assert not path.exists()


def test_an_upgrade_brings_a_server_and_takes_another_away(tmp_path: Path) -> None:
    public, third = ports(2)
    path = tmp_path / "admin.sock"
    with configured(tmp_path, servers(tmp_path, public, path)) as service:
        service.server.wait_ready()
        wanted = servers(tmp_path, public, path)
        del wanted["wsgisrv_admin"]
        wanted["wsgisrv"]["servers"] = "third, public"
        wanted["wsgisrv_third"] = {
            "bind": f"127.0.0.1:{third}", "paste_config": f"{tmp_path}/api-paste.ini#third",
        }  # fmt: skip
        service.write(wanted)
        upgrade(service)
        assert (get(third)["name"], get(public)["name"]) == ("third", "public")
        wait_until(lambda: not path.exists(), "the socket of the server that went")


def test_a_server_that_cannot_boot_keeps_the_old_master_and_is_named(tmp_path: Path) -> None:
    (public,) = ports(1)
    path = tmp_path / "admin.sock"
    with configured(tmp_path, servers(tmp_path, public, path)) as service:
        old = service.server.wait_ready()
        service.fails("admin").touch()
        service.write(servers(tmp_path, public, path, wsgisrv_admin={"unix_mode": "0666"}))
        code, line = service.command("upgrade")
        assert (code, line.startswith("wsgisrv: upgrade: admin: ")) == (1, True)
        assert {told(("127.0.0.1", public))["pid"], told(str(path))["pid"]} == set(old)
        assert (service.status()["pid"], mode_of(path)) == (service.server.pid, 0o600)
        service.fails("admin").unlink()
        upgrade(service)
        wait_until(lambda: mode_of(path) == 0o666, "the mode that the new master wants")


# Options of listeners


def test_options_go_back_to_their_defaults_with_the_new_master_and_not_before(
    tmp_path: Path,
) -> None:
    (port,) = ports(1)
    path = tmp_path / "api.sock"
    conf = tmp_path / "wsgisrv.conf"
    conf.write_text(
        "[wsgisrv]\nunix_mode = 0606\ntcp_keepidle = 77\ntcp_keepintvl = 7\ntcp_keepcnt = 3\n"
        "backlog = 7\n"
    )
    binds = {"bind": f"127.0.0.1:{port}"}
    command = command_of(tmp_path, "tests.apps.sockets:keepalive", log_file=None, **binds)
    more = ["--bind", f"unix:{path}", "--config-file", str(conf)]

    def keepalive() -> Any:
        with Client(("127.0.0.1", port)) as client:
            return client.get().json()[0]

    with socket.socket() as fresh:
        system = [
            fresh.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        ]
    with run([*command, *more]) as server:
        server.wait_ready()
        control = str(tmp_path / "control.sock")
        changed = "[wsgisrv]\nunix_owner = no_one\n"
        conf.write_text(changed)
        done = wsgisrv("upgrade", "--control-socket", control)
        assert (done.returncode, done.stderr) == (
            1,
            f"wsgisrv: upgrade: {conf}: [wsgisrv] unix_owner = no_one: there is no user no_one\n",
        )  # fmt: skip
        assert (mode_of(path), keepalive()) == (0o606, [1, 77, 7, 3])
        conf.write_text("")
        assert wsgisrv("upgrade", "--control-socket", control).returncode == 0
        wait_status(control, lambda found: found["pid"] != server.pid)
        wait_until(lambda: mode_of(path) == 0o660, "the default mode")
        wait_until(lambda: keepalive() == [1, 600, *system], "the system's probes")
    assert not path.exists()


# As another user


def low_port() -> int:
    """A free port that only root may bind; not the next one, which another run may take as well."""
    for port in random.sample(range(600, 1024), 20):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    pytest.skip("no port below 1024 is free")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("whose", ["nobodys", "roots"])
def test_a_master_that_gave_up_root_is_upgraded_with_all_that_root_opened(whose: str) -> None:
    nobody, port = pwd.getpwnam("nobody"), low_port()
    with open_directory() as home:
        if whose == "nobodys":
            os.chown(home, nobody.pw_uid, nobody.pw_gid)
        path, conf = home / "admin.sock", home / "wsgisrv.conf"
        conf.write_text(
            f"[wsgisrv]\nservers = public, admin\n[wsgisrv_public]\nbind = 127.0.0.1:{port}\n"
            f"[wsgisrv_admin]\nbind = unix:{path}\nworkers = 1\n"
        )
        options: dict[str, Any] = {"bind": None, "config_file": conf, "user": "nobody"}
        with daemon(home, within=readable_by_all(), **options) as service:
            for _ in range(2):
                upgrade_daemon(service)
                assert uids_of(service.pid) == {nobody.pw_uid}
                assert (path.stat().st_uid, mode_of(path)) == (nobody.pw_uid, 0o660)
                pids = set()
                for address in (("127.0.0.1", port), str(path)):
                    with Client(address) as client:
                        pids.add(int(client.get().body))
                assert len(pids) == 2
                assert all(uids_of(pid) == {nobody.pw_uid} for pid in pids)
            assert wsgisrv("reload", "--control-socket", service.control).returncode == 0
            pid = service.pid
            assert answer_of(service.control, "status")["pid"] == pid
            service.stop()
        if whose == "nobodys":
            assert not path.exists()
            assert not service.pid_file.exists()
        else:
            assert service.pid_file.read_text() == ""
            assert not list(home.glob("service.pid?*"))


def upgrade_daemon(service: Daemon) -> None:
    seen, old = len(service.log), service.pid
    service.signal(signal.SIGUSR2)
    service.wait_log(READY, after=seen)
    wait_gone(old)
    wait_until(lambda: service.pid != old, "the new master's pid file")


def uids_of(pid: int) -> set[int]:
    status = Path(f"/proc/{pid}/status").read_text()
    return {int(uid) for uid in status.partition("Uid:")[2].partition("\n")[0].split()}
