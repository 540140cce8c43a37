"""Options that change live: each that is marked mutable does, at once; the others wait for new workers."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.configured import Configured, configured, get, ports, wait_until
from tests.support.http import Client


def one_server(directory: Path, port: int, **options: object) -> dict[str, dict[str, object]]:
    ini = f"{directory}/api-paste.ini#public"
    return {"wsgisrv": {"bind": f"127.0.0.1:{port}", "paste_config": ini, "workers": 1, **options}}


def fail_reload(service: Configured, wanted: Any) -> str:
    """Reloads with an app that cannot load, and returns what the log has of it."""
    service.write(wanted)
    service.fails("public").touch()
    seen = len(service.server.lines)
    assert service.command("reload")[0] == 1
    service.server.wait_line("reload failed", after=seen)
    service.fails("public").unlink()
    return "\n".join(service.server.lines[seen:])


def test_each_changed_option_is_logged_with_its_values_and_when_it_holds(tmp_path: Path) -> None:
    (port,) = ports(1)
    with configured(tmp_path, one_server(tmp_path, port)) as service:
        service.server.wait_ready()
        changed = {"worker_timeout": 45, "workers": 2, "access_log": "off", "log_level": "warning"}
        service.write(one_server(tmp_path, port, **changed))
        assert service.command("reload")[0] == 0
        lines = [
            match[1]
            for line in service.server.lines
            if (match := re.search(r"INFO wsgisrv\.master: reload: (\[.*)", line))
        ]
        assert lines == [
            "[wsgisrv] workers: 1 -> 2, with the new generation",
            "[wsgisrv] worker_timeout: 60.0 -> 45.0, at once",
            "[wsgisrv] access_log: - -> off, with the new generation",
            "[wsgisrv] log_level: info -> warning, at once",
        ]
        assert "oslo" not in service.server.log


def test_the_log_level_changes_at_once_in_master_and_workers_even_if_the_reload_fails(
    tmp_path: Path,
) -> None:
    (port,) = ports(1)
    with configured(tmp_path, one_server(tmp_path, port, log_level="error")) as service:
        wait_until(lambda: is_served(port), "the service")
        assert "asked to" not in service.server.log
        get(port, "/warn")
        fail_reload(service, one_server(tmp_path, port, log_level="warning"))
        get(port, "/warn")
        service.server.wait_line(r"WARNING named: \[req-\S+\] asked to")
        assert sum("asked to" in line for line in service.server.lines) == 1


def is_served(port: int) -> bool:
    try:
        return bool(get(port))
    except ConnectionRefusedError:
        return False


def test_a_level_that_was_set_by_command_stays_until_the_file_says_another(tmp_path: Path) -> None:
    (port,) = ports(1)
    with configured(tmp_path, one_server(tmp_path, port)) as service:
        service.server.wait_ready()
        assert service.command("log-level", "debug")[0] == 0
        assert service.command("reload")[0] == 0
        service.server.wait_line(r"DEBUG wsgisrv\.master: worker 2 \(pid \d+\) is ready")


def test_worker_timeout_holds_at_once_for_workers_that_serve_already(tmp_path: Path) -> None:
    (port,) = ports(1)
    with configured(tmp_path, one_server(tmp_path, port)) as service:
        (pid,) = service.server.wait_ready()
        fail_reload(service, one_server(tmp_path, port, worker_timeout=1))
        os.kill(pid, signal.SIGSTOP)
        service.server.wait_line(r"worker 1 has not beaten for \d+ s")
        service.server.wait_line(rf"worker 1 \(pid {pid}\) was killed by SIG(ABRT|KILL)")


def test_graceful_timeout_holds_at_once(tmp_path: Path) -> None:
    (port,) = ports(1)
    with configured(tmp_path, one_server(tmp_path, port)) as service:
        service.server.wait_ready()
        fail_reload(service, one_server(tmp_path, port, graceful_timeout=0.2))
        with one_request(port):
            wait_until(
                lambda: service.status()["workers"][0]["oldest_request"], "the request to begin"
            )
            service.server.signal(signal.SIGTERM)
            assert service.server.wait_exit() == 0
        service.server.wait_line("worker 1 did not finish in time")


def one_request(port: int) -> Client:
    client = Client(("127.0.0.1", port))
    client.send(b"GET /slow?60 HTTP/1.1\r\nHost: test\r\n\r\n")
    return client


def test_max_requests_holds_at_once(tmp_path: Path) -> None:
    (port,) = ports(1)
    with configured(tmp_path, one_server(tmp_path, port)) as service:
        service.server.wait_ready()
        fail_reload(service, one_server(tmp_path, port, max_requests=1))
        get(port)
        service.server.wait_line("worker 1: recycled after 1 requests")


@pytest.mark.parametrize(("before", "after"), [(0, 0.05), (30, 0.05)])
def test_blocked_warning_holds_at_once(before: float, after: float, tmp_path: Path) -> None:
    (port,) = ports(1)
    with configured(tmp_path, one_server(tmp_path, port, blocked_warning=before)) as service:
        service.server.wait_ready()
        get(port, "/block?0.6")
        assert "the hub is blocked" not in service.server.log
        fail_reload(service, one_server(tmp_path, port, blocked_warning=after))
        get(port, "/block?0.6")
        service.server.wait_line(r"the hub is blocked, for .* by GET /block\?0\.6")


def test_boot_timeout_holds_at_once(tmp_path: Path) -> None:
    (port,) = ports(1)
    with configured(tmp_path, one_server(tmp_path, port)) as service:
        service.server.wait_ready()
        fail_reload(service, one_server(tmp_path, port, boot_timeout=0.5))
        service.waits("public").touch()
        service.server.signal(signal.SIGTTIN)
        service.server.wait_line("worker 3 was not ready in time")
        service.waits("public").unlink()


def test_what_is_not_mutable_does_not_change_before_the_workers_do(tmp_path: Path) -> None:
    (port,) = ports(1)
    with configured(tmp_path, one_server(tmp_path, port)) as service:
        service.server.wait_ready()
        wanted = one_server(tmp_path, port, access_log="off", workers=2)
        assert "access_log: - -> off, with the new generation" in fail_reload(service, wanted)
        get(port)
        service.server.wait_line(r'^127\.0\.0\.1 "GET / HTTP/1\.1" status: 200 ')
        assert service.status()["workers_wanted"] == 1


def test_what_is_read_at_the_start_is_said_to_wait_for_the_next(tmp_path: Path) -> None:
    (port,) = ports(1)
    with configured(tmp_path, one_server(tmp_path, port)) as service:
        service.server.wait_ready()
        service.conf.write_text(service.conf.read_text() + f"control_socket = {tmp_path}/other\n")
        service.server.signal(signal.SIGHUP)
        service.server.wait_line("generation 2$")
        assert (
            "control_socket" not in service.server.log
        )  # the command line says it, and still does


def test_the_command_line_still_wins_over_a_file_that_changes(tmp_path: Path) -> None:
    (port,) = ports(1)
    with configured(
        tmp_path, one_server(tmp_path, port), args=["--worker-timeout", "50"]
    ) as service:
        service.server.wait_ready()
        service.write(one_server(tmp_path, port, worker_timeout=1))
        assert service.command("reload")[0] == 0
        assert "worker_timeout" not in service.server.log


def test_a_wrong_value_changes_nothing_at_all(tmp_path: Path) -> None:
    (port,) = ports(1)
    with configured(tmp_path, one_server(tmp_path, port, log_level="info")) as service:
        service.server.wait_ready()
        service.write(one_server(tmp_path, port, log_level="debug", worker_timeout="long"))
        code, line = service.command("reload")
        assert (code, "worker_timeout = long: allowed is a number" in line) == (1, True)
        assert "log_level" not in service.server.log


def test_a_group_has_its_own_live_options_and_takes_those_of_all_when_it_gives_them_up(
    tmp_path: Path,
) -> None:
    public, admin = ports(2)
    ini = tmp_path / "api-paste.ini"

    def wanted(own: dict[str, object]) -> dict[str, dict[str, object]]:
        return {
            "wsgisrv": {"servers": "public, admin", "workers": 1, "worker_timeout": 70},
            "wsgisrv_public": {"bind": f"127.0.0.1:{public}", "paste_config": f"{ini}#public"},
            "wsgisrv_admin": {
                "bind": f"127.0.0.1:{admin}", "paste_config": f"{ini}#admin", "workers": 1, **own,
            },
        }  # fmt: skip

    with configured(tmp_path, wanted({})) as service:
        service.server.wait_ready()
        pid = get(admin)["pid"]
        other = get(public)["pid"]
        fail_reload(service, wanted({"worker_timeout": 1}))
        service.server.wait_line(
            r"reload: \[wsgisrv_admin\] worker_timeout: 70\.0 -> 1\.0, at once"
        )
        fail_reload(service, wanted({}))
        service.server.wait_line(
            r"reload: \[wsgisrv_admin\] worker_timeout: 1\.0 -> 70\.0, at once"
        )
        fail_reload(service, wanted({"worker_timeout": 1}))
        for each in (pid, other):
            os.kill(each, signal.SIGSTOP)
        service.server.wait_line(rf"worker \d of admin \(pid {pid}\) was killed by SIG(ABRT|KILL)")
        os.kill(other, signal.SIGCONT)
        assert get(public)["pid"] == other
