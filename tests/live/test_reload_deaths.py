"""SIGKILL of any process at any state of a reload: somebody serves, and in the end nobody is left over."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.configured import Configured, configured, get, ports, wait_until
from tests.support.http import DEADLINE, Client
from tests.support.server import group_of, wait_gone


def sections(directory: Path, public: int, admin: int) -> dict[str, dict[str, Any]]:
    """Two servers with a worker each: one of a new generation may be ready while the other boots."""
    ini = directory / "api-paste.ini"
    return {
        "wsgisrv": {"servers": "public, admin", "workers": 1},
        "wsgisrv_public": {"bind": f"127.0.0.1:{public}", "paste_config": f"{ini}#public"},
        "wsgisrv_admin": {
            "bind": f"127.0.0.1:{admin}", "paste_config": f"{ini}#admin", "workers": 1,
        },
    }  # fmt: skip


def begin_reload(service: Configured) -> dict[tuple[str, int], int]:
    """Reloads to where public's new worker is ready and admin's boots for as long as its file is there.

    Returns:
        The pids, by server and generation.
    """
    service.waits("admin").touch()
    service.server.signal(signal.SIGHUP)
    found: dict[tuple[str, int], int] = {}

    def is_there() -> bool:
        workers = service.status()["workers"]
        found.update({(each["servers"][0], each["generation"]): each["pid"] for each in workers})
        ready = [each for each in workers if each["state"] == "ready"]
        return len(workers) == 4 and len(ready) == 3

    wait_until(is_there, "the new generation to be ready but for one")
    return found


@pytest.mark.parametrize("victim", ["public", "admin"])
def test_a_new_worker_that_is_killed_fails_the_reload_and_the_old_ones_serve(
    victim: str, tmp_path: Path
) -> None:
    public, admin = ports(2)
    with configured(tmp_path, sections(tmp_path, public, admin)) as service:
        old = service.server.wait_ready()
        pids = begin_reload(service)
        os.kill(pids[victim, 2], signal.SIGKILL)
        service.server.wait_line(
            "reload failed, generation 1 stays: worker .* was killed by SIGKILL"
        )
        wait_until(lambda: service.children() == set(old), "the new workers to go")
        assert {get(port)["pid"] for port in (public, admin)} == set(old)
        service.waits("admin").unlink()
        assert service.command("reload") == (0, "generation 3 serves")


@pytest.mark.parametrize("victim", ["public", "admin"])
def test_an_old_worker_that_is_killed_is_replaced_and_the_reload_goes_on(
    victim: str, tmp_path: Path
) -> None:
    public, admin = ports(2)
    with configured(tmp_path, sections(tmp_path, public, admin)) as service:
        service.server.wait_ready()
        pids = begin_reload(service)
        seen = len(service.server.lines)
        os.kill(pids[victim, 1], signal.SIGKILL)
        service.server.wait_line(rf"worker \d.* \(pid {pids[victim, 1]}\) was killed by SIGKILL")
        service.waits("admin").unlink()
        new = service.server.wait_ready(after=seen)
        wait_until(lambda: service.children() == set(new), "the old workers to go")
        assert {get(port)["pid"] for port in (public, admin)} == set(new)


def test_an_old_worker_that_is_killed_while_it_drains_is_not_replaced(tmp_path: Path) -> None:
    public, admin = ports(2)
    with configured(tmp_path, sections(tmp_path, public, admin)) as service:
        service.server.wait_ready()
        old = get(public)["pid"]
        with Client(("127.0.0.1", public)) as client:
            client.send(b"GET /slow?60 HTTP/1.1\r\nHost: test\r\n\r\n")
            wait_until(
                lambda: any(each["oldest_request"] for each in service.status()["workers"]),
                "the request to begin",
            )
            seen = len(service.server.lines)
            assert service.command("reload")[0] == 0
            new = service.server.wait_ready(after=seen)
            os.kill(old, signal.SIGKILL)
            service.server.wait_line(rf"WARNING .*\(pid {old}\) was killed by SIGKILL")
        wait_until(lambda: service.children() == set(new), "the right number of workers")
        assert {get(port)["pid"] for port in (public, admin)} == set(new)


def test_workers_of_both_generations_end_when_the_master_is_killed_during_a_reload(
    tmp_path: Path,
) -> None:
    public, admin = ports(2)
    with configured(tmp_path, sections(tmp_path, public, admin)) as service:
        service.server.wait_ready()
        pids = begin_reload(service)
        service.server.signal(signal.SIGKILL)
        for pid in pids.values():  # the one that boots, too, whose app never comes to an end
            wait_gone(pid)
        service.server.wait_line("the master is gone; this worker did not boot")
        assert group_of(service.server.pid) == []


def test_a_worker_that_drains_ends_when_the_master_is_killed(tmp_path: Path) -> None:
    public, admin = ports(2)
    with configured(tmp_path, sections(tmp_path, public, admin)) as service:
        service.server.wait_ready()
        with Client(("127.0.0.1", public)) as client:
            flag = tmp_path / "answer"
            client.send(f"GET /until?{flag} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
            wait_until(
                lambda: any(each["oldest_request"] for each in service.status()["workers"]),
                "the request to begin",
            )
            assert service.command("reload")[0] == 0
            workers = service.children()
            service.server.signal(signal.SIGKILL)
            assert service.server.process.wait(DEADLINE) == -signal.SIGKILL
            flag.touch()
            assert client.response().status == 200
        for pid in workers:
            wait_gone(pid)
