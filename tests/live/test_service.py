"""A service with a main() of its own: its app, hooks, options and commands."""

from __future__ import annotations

import re
import signal
import socket
from pathlib import Path

import pytest

from tests.support.configured import get, ports, wait_until
from tests.support.http import Client
from tests.support.owned import Owned, owned, owned_sections

APP = "tests.apps.owned_app"
KEEP = {"hooks": [["post_fork", f"{APP}:keep"]]}


def test_it_serves_the_app_that_main_names_with_the_options_of_its_conf(tmp_path: Path) -> None:
    with owned(
        tmp_path, {**KEEP, "app": "other"}, "--greeting", "good day", own={"answer": 7}
    ) as service:
        (pid,) = service.server.wait_ready()
        assert get(service.port) == {
            "name": "other", "pid": pid, "answer": 7, "limit": 5, "greeting": "good day", "workers": 1,
        }  # fmt: skip


def test_main_may_name_an_app_without_a_paste_file(tmp_path: Path) -> None:
    with owned(tmp_path, {"app": "tests.apps.basic:hello"}, paste_config=None) as service:
        service.server.wait_ready()
        with Client(("127.0.0.1", service.port)) as client:
            assert client.get().status == 200
    with owned(tmp_path, {"app": "tests.apps.basic:hello"}) as service:
        service.server.wait_ready()
        assert get(service.port)["name"] == "main"  # what an operator writes wins


def test_run_serves_a_conf_that_main_has_called(tmp_path: Path) -> None:
    with owned(tmp_path, {**KEEP, "run": True}, "--greeting", "hi") as service:
        service.server.wait_ready()
        assert get(service.port)["greeting"] == "hi"


def test_the_files_of_a_directory_are_the_services_and_the_servers(tmp_path: Path) -> None:
    more = tmp_path / "more"
    more.mkdir()
    (more / "a.conf").write_text("[owned]\nanswer = 11\n[wsgisrv]\nworkers = 2\n")
    with owned(
        tmp_path, KEEP, "--config-dir", str(more), "--config-dir", str(tmp_path / "more")
    ) as service:
        assert len(service.server.wait_ready()) == 2
        assert get(service.port)["answer"] == 11


def test_what_main_gives_is_a_default_and_the_command_line_wins(tmp_path: Path) -> None:
    declared = {**KEEP, "defaults": {"graceful_timeout": 9, "workers": 3, "bind": ["127.0.0.1:1"]}}
    with owned(tmp_path, declared, "--workers", "2", workers=1) as service:
        assert len(service.server.wait_ready()) == 2
        assert service.status()["addresses"] == [f"http://127.0.0.1:{service.port}"]


def test_an_address_of_mains_that_cannot_be_bound_is_told_as_its(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        taken = f"127.0.0.1:{holder.getsockname()[1]}"
        declared = {"defaults": {"bind": [taken], "bind_timeout": 0}}
        with owned(tmp_path, declared, bind=None) as service:
            assert service.server.wait_exit() == 69
            line = f"main(): [wsgisrv] bind = {taken}: the address is in use by another process"
            assert service.server.lines[-1].endswith(f": {line}")


def test_hooks_are_called_in_the_worker_in_their_order(tmp_path: Path) -> None:
    hooks = [
        ["post_fork", f"{APP}:say_post_fork"], ["ready", f"{APP}:say_ready"],
        ["draining", f"{APP}:say_draining"], ["worker_exit", f"{APP}:say_exit"],
    ]  # fmt: skip
    with owned(tmp_path, {"hooks": hooks}) as service:
        service.server.wait_ready()
        service.server.wait_line("ready of worker 1")
        service.server.signal(signal.SIGTERM)
        assert service.server.wait_exit() == 0
        said = re.findall(r"WARNING owned: (.*)", service.server.log)
        assert said == [
            "post_fork of worker 1, patched: True", "the app is loaded", "ready of worker 1 at 1",
            "draining begins", "draining of worker 1, stopping: True", "worker_exit of worker 1",
        ]  # fmt: skip


def test_a_post_fork_hook_that_fails_stops_the_start_in_a_line(tmp_path: Path) -> None:
    with owned(tmp_path, {"hooks": [["post_fork", f"{APP}:fail"]]}) as service:
        assert service.server.wait_exit() == 78
        assert service.server.lines[-1] == (
            f"wsgisrv: hook post_fork = {APP}:fail failed: RuntimeError: the trouble of a hook"
        )


def test_another_hook_that_fails_is_in_the_log_and_the_worker_goes_on(tmp_path: Path) -> None:
    with owned(
        tmp_path, {"hooks": [["ready", f"{APP}:fail"], ["ready", f"{APP}:say_ready"]]}
    ) as service:
        service.server.may_log_traceback = True
        service.server.wait_line(
            r"ERROR wsgisrv\.worker: hook ready = .*:fail failed: RuntimeError"
        )
        service.server.wait_line("ready of worker 1")
        assert get(service.port)["name"] == "main"


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("tests.apps.nowhere:hook", "there is no module tests.apps.nowhere"),
        (f"{APP}:nothing", f"{APP} has no nothing"),
    ],
)
def test_a_hook_that_is_not_there_is_a_line(target: str, reason: str, tmp_path: Path) -> None:
    with owned(tmp_path, {"hooks": [["ready", target]]}) as service:
        assert service.server.wait_exit() == 78
        assert service.server.lines[-1] == f"wsgisrv: hook ready = {target}: {reason}"


def test_a_main_that_has_patched_its_process_is_told_so(tmp_path: Path) -> None:
    with owned(tmp_path, {"patch": True}) as service:
        assert service.server.wait_exit() == 2
        assert "take it out, each worker patches its own process" in service.server.lines[-1]


# Several APIs


def test_each_api_that_main_adds_has_its_own_address(tmp_path: Path) -> None:
    first, second = ports(2)
    declared = {
        "app": "",
        "add": {
            "public": ["main", {"bind": [f"127.0.0.1:{first}"]}],
            "admin": ["other", {"bind": [f"127.0.0.1:{second}"], "workers": 1}],
        },
    }
    with owned(tmp_path, declared, bind=None) as service:
        assert len(service.server.wait_ready()) == 2
        assert (get(first)["name"], get(second)["name"]) == ("main", "other")


def test_servers_in_the_configuration_chooses_among_those_that_main_adds(tmp_path: Path) -> None:
    first, second = ports(2)
    declared = {
        "app": "",
        "add": {
            "public": ["main", {"bind": [f"127.0.0.1:{first}"]}],
            "admin": ["other", {"bind": [f"127.0.0.1:{second}"]}],
        },
    }
    with owned(tmp_path, declared, bind=None, servers="admin") as service:
        service.server.wait_ready()
        assert service.status()["addresses"] == [f"http://127.0.0.1:{second}"]
        assert get(second)["name"] == "other"


# Options of its own


def test_a_reload_reads_the_services_own_options_anew(tmp_path: Path) -> None:
    with owned(tmp_path, KEEP) as service:
        service.server.wait_ready()
        service.write(owned_sections(service, {"answer": 8, "limit": 9}))
        assert service.command("reload") == (0, "generation 2 serves")
        wait_until(lambda: get(service.port)["answer"] == 8, "the new generation")
        assert get(service.port)["limit"] == 9


def test_what_is_mutable_changes_in_workers_that_run_even_if_the_new_ones_cannot(
    tmp_path: Path,
) -> None:
    with owned(tmp_path, KEEP) as service:
        (pid,) = service.server.wait_ready()
        Path(f"{service.flag}.fails").touch()
        service.write(owned_sections(service, {"answer": 8, "limit": 9}))
        code, _ = service.command("reload")
        assert code == 1
        wait_until(lambda: get(service.port)["answer"] == 8, "the option to change")
        told = get(service.port)
        assert (told["pid"], told["limit"]) == (pid, 5)


def test_a_wrong_value_of_the_services_own_changes_nothing(tmp_path: Path) -> None:
    with owned(tmp_path, KEEP) as service:
        service.server.wait_ready()
        service.write(owned_sections(service, {"answer": "much", "limit": 9}))
        code, line = service.command("reload")
        assert code == 1
        assert line.startswith(f"wsgisrv: reload: {service.conf}: [owned] answer = much: ")
        assert get(service.port)["answer"] == 42


def test_a_wrong_value_of_the_services_own_stops_the_start_in_a_line(tmp_path: Path) -> None:
    with owned(tmp_path, KEEP, own={"limit": 101}) as service:
        assert service.server.wait_exit() == 78
        (line,) = service.server.lines
        assert line.startswith(f"wsgisrv: {service.conf}: [owned] limit = 101: ")


# Commands


def test_the_services_command_speaks_to_the_running_service(tmp_path: Path) -> None:
    with owned(tmp_path) as service:
        service.server.wait_ready()
        done = service.call("status", "--config-file", str(service.conf))
        assert (done.returncode, done.stderr) == (0, "")
        assert f"http://127.0.0.1:{service.port}" in done.stdout
        done = service.call("stop", "--config-file", str(service.conf))
        assert done.returncode == 0
        assert service.server.wait_exit() == 0


def test_a_command_of_its_own_gets_the_conf_and_what_stands_behind_it(tmp_path: Path) -> None:
    service = Owned(tmp_path, {})
    service.write(owned_sections(service, {"answer": 9}))
    done = service.call("count", "--config-file", str(service.conf), "a", "b")
    assert (done.returncode, done.stdout, done.stderr) == (0, "2 of 9\n", "")
    assert service.call("count").returncode == 3


def test_check_says_what_the_service_would_run(tmp_path: Path) -> None:
    service = Owned(tmp_path, KEEP)
    service.write(owned_sections(service))
    done = service.call("check", "--config-file", str(service.conf))
    assert (done.returncode, "workers: 1" in done.stdout) == (0, True), done
    assert f"127.0.0.1:{service.port}, free" in done.stdout


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["nothing"], "no command 'nothing'; there are serve, check, status, "),
        (["--nothing"], "unrecognized arguments: --nothing; see "),
        (["--workers", "many"], "argument --workers: Invalid Integer(min=0, max=256) value: many"),
        (["--config-file", "/nowhere.conf"], "/nowhere.conf: no such configuration file"),
    ],
)
def test_a_wrong_command_line_is_a_line(args: list[str], line: str, tmp_path: Path) -> None:
    done = Owned(tmp_path, {}).call(*args)
    assert done.returncode in (2, 78)
    (said,) = done.stderr.splitlines()
    assert said.startswith(f"wsgisrv: {line}")


def test_help_lists_the_commands_and_serve_help_the_options_of_both(tmp_path: Path) -> None:
    service = Owned(tmp_path, {})
    assert "count what is given" in service.call("--help").stdout
    said = service.call("serve", "--help").stdout
    assert "--greeting" in said
    assert "--worker-timeout" in said
    assert service.call("--version").stdout.strip() == "7.1"
