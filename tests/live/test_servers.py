"""Several APIs in one service: who serves what, and what is one and what is many of a master with servers."""

from __future__ import annotations

import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import Certificates
from tests.support.configured import Configured, configured, get, ports, two_servers, wait_until
from tests.support.control import wsgisrv
from tests.support.http import Client


def sections(directory: Path, public: int, admin: int, **changed: Any) -> dict[str, dict[str, Any]]:
    """Two servers, one worker for each group.

    Args:
        changed: by section, what stands in it beside the usual.
    """
    return two_servers(directory, f"127.0.0.1:{public}", f"127.0.0.1:{admin}", **changed)


OWN = {"wsgisrv_admin": {"workers": 1}}


def test_one_worker_serves_servers_that_share_it(tmp_path: Path) -> None:
    public, admin = ports(2)
    with configured(tmp_path, sections(tmp_path, public, admin)) as service:
        (pid,) = service.server.wait_ready()
        assert get(public) == {
            "name": "public", "pid": pid, "load": 1, "server": "public", "url_scheme": "http",
        }  # fmt: skip
        told = get(admin)
        assert (told["name"], told["pid"], told["server"]) == ("admin", pid, "admin")


def test_a_server_with_workers_of_its_own_has_them_to_itself(tmp_path: Path) -> None:
    public, admin = ports(2)
    with configured(tmp_path, sections(tmp_path, public, admin, **OWN)) as service:
        pids = service.server.wait_ready()
        assert sorted([get(public)["pid"], get(admin)["pid"]]) == sorted(pids)
        assert (get(public)["load"], get(admin)["load"]) == (1, 1)  # neither loads the other's app


def test_servers_of_one_app_load_it_once_in_each_worker(tmp_path: Path) -> None:
    public, admin = ports(2)
    same = {"paste_config": f"{tmp_path}/api-paste.ini#public"}
    with configured(tmp_path, sections(tmp_path, public, admin, wsgisrv_admin=same)) as service:
        service.server.wait_ready()
        told = [get(port) for port in (public, admin)]
        assert [(each["name"], each["load"], each["server"]) for each in told] == [
            ("public", 1, "public"), ("public", 1, "admin"),
        ]  # fmt: skip


def test_the_ready_line_and_the_status_name_the_servers(tmp_path: Path) -> None:
    public, admin = ports(2)
    with configured(tmp_path, sections(tmp_path, public, admin, **OWN)) as service:
        service.server.wait_line(
            rf"ready: public http://127\.0\.0\.1:{public}, admin http://127\.0\.0\.1:{admin}, hub "
        )
        status = service.status()
        assert [
            (each["name"], each["addresses"], each["workers_wanted"], each["shares_workers"])
            for each in status["servers"]
        ] == [
            ("public", [f"http://127.0.0.1:{public}"], 1, True),
            ("admin", [f"http://127.0.0.1:{admin}"], 1, False),
        ]
        assert sorted(worker["servers"] for worker in status["workers"]) == [["admin"], ["public"]]
        assert status["workers_wanted"] == 2
        _, text = service.command("status")
        assert f"server public: http://127.0.0.1:{public}, 1 shared workers wanted" in text
        assert f"server admin: http://127.0.0.1:{admin}, 1 workers wanted" in text
        assert re.search(r" public$", text, re.MULTILINE)


def test_the_access_log_and_errors_name_the_server(tmp_path: Path) -> None:
    public, admin = ports(2)
    with configured(tmp_path, sections(tmp_path, public, admin)) as service:
        service.server.wait_ready()
        get(admin)
        service.server.wait_line(r'^admin: 127\.0\.0\.1 "GET / HTTP/1\.1" status: 200 ')
        service.server.may_log_traceback = True
        with Client(("127.0.0.1", public)) as client:
            assert client.get("/raise").status == 500
        service.server.wait_line(
            r"ERROR wsgisrv\.app: \[req-\S+\] public: GET /raise HTTP/1\.1 failed"
        )
        service.server.wait_line(r'^public: 127\.0\.0\.1 "GET /raise HTTP/1\.1" status: 500 ')


def test_a_format_of_ones_own_names_the_server_where_it_says_so(tmp_path: Path) -> None:
    public, admin = ports(2)
    changed: dict[str, Any] = {
        "wsgisrv": {"access_log_format": "%(status_code)s at %(server)s"},
        "wsgisrv_admin": {
            "access_log": tmp_path / "admin.log",
            "access_log_format": "plain %(status_code)s",
        },
    }
    with configured(tmp_path, sections(tmp_path, public, admin, **changed)) as service:
        service.server.wait_ready()
        assert (get(public)["name"], get(admin)["name"]) == ("public", "admin")
        service.server.wait_line("^200 at public$")
        wait_until(lambda: (tmp_path / "admin.log").read_text() == "plain 200\n", "the access log")
        assert "plain" not in service.server.log


def test_one_server_alone_has_no_name_in_its_lines(tmp_path: Path) -> None:
    (port,) = ports(1)
    ini = f"{tmp_path}/api-paste.ini#public"
    wanted: dict[str, dict[str, Any]] = {
        "wsgisrv": {"servers": "public", "workers": 1},
        "wsgisrv_public": {"bind": f"127.0.0.1:{port}", "paste_config": ini},
    }
    with configured(tmp_path, wanted) as service:
        service.server.wait_line(rf"ready: http://127\.0\.0\.1:{port}, hub")
        assert get(port)["server"] == "public"
        service.server.wait_line(r'^127\.0\.0\.1 "GET / HTTP/1\.1" status: 200 ')


def test_each_server_has_its_own_limits_and_its_own_pool(tmp_path: Path) -> None:
    public, admin = ports(2)
    changed = {"wsgisrv": {"pool_size": 1}, "wsgisrv_admin": {"max_target_bytes": 9000}}
    with configured(tmp_path, sections(tmp_path, public, admin, **changed)) as service:
        service.server.wait_ready()
        with Client(("127.0.0.1", public)) as busy:
            busy.send(b"GET /slow?60 HTTP/1.1\r\nHost: test\r\n\r\n")
            wait_until(
                lambda: service.status()["workers"][0]["oldest_request"], "the request to begin"
            )
            line = service.status()["workers"][0]["oldest_request"]["line"]
            assert line == "public: GET /slow?60 HTTP/1.1"
            assert get(admin)["name"] == "admin"  # public's only place is taken, admin's is not
            target = "/" + "x" * 8500
            with Client(("127.0.0.1", admin)) as client:
                assert client.get(target).status == 200
            service.server.signal(signal.SIGQUIT)
            service.server.wait_exit()


def test_one_server_speaks_tls_beside_one_that_does_not(tmp_path: Path) -> None:
    public, admin = ports(2)
    certificates = Certificates(tmp_path)
    changed = {"wsgisrv_public": {"tls_certificate": certificates.issue("public.test")}}
    with configured(tmp_path, sections(tmp_path, public, admin, **changed)) as service:
        service.server.wait_line(
            rf"ready: public https://127\.0\.0\.1:{public}, admin http://127\.0\.0\.1:{admin}, "
        )
        assert get(admin)["url_scheme"] == "http"
        with Client(("127.0.0.1", public)) as client:
            context = certificates.trusting()
            client.socket = context.wrap_socket(client.socket, server_hostname="public.test")
            assert client.get().json()["url_scheme"] == "https"


# Groups of workers


def test_a_reload_switches_only_when_the_workers_of_every_group_are_ready(tmp_path: Path) -> None:
    public, admin = ports(2)
    with configured(tmp_path, sections(tmp_path, public, admin, **OWN)) as service:
        old = service.server.wait_ready()
        service.waits("admin").touch()
        seen = len(service.server.lines)
        service.server.signal(signal.SIGHUP)
        wait_until(lambda: sum(has_state(service, "ready")) == 3, "the first group to be ready")
        assert service.status()["generation"] == 1
        assert get(admin)["pid"] in old
        service.waits("admin").unlink()
        new = service.server.wait_ready(after=seen)
        wait_until(lambda: get(admin)["pid"] in new, "the new workers alone")
        assert not set(old) & set(new)


def has_state(service: Configured, state: str) -> list[bool]:
    return [worker["state"] == state for worker in service.status()["workers"]]


def test_a_group_that_cannot_boot_fails_the_reload_and_names_its_server(tmp_path: Path) -> None:
    public, admin = ports(2)
    with configured(tmp_path, sections(tmp_path, public, admin)) as service:
        old = service.server.wait_ready()
        service.fails("admin").touch()
        code, line = service.command("reload")
        assert code == 1
        assert re.match(r"wsgisrv: reload: admin: .*\[app:admin\] .*: the trouble of admin", line)
        assert {get(port)["pid"] for port in (public, admin)} == set(old)


def test_a_server_whose_app_cannot_load_stops_the_start(tmp_path: Path) -> None:
    public, admin = ports(2)
    Path(f"{tmp_path}/flag-admin.fails").touch()
    with configured(tmp_path, sections(tmp_path, public, admin, **OWN)) as service:
        assert service.server.wait_exit() == 78
        (line,) = [line for line in service.server.lines if line.startswith("wsgisrv: ")]
        assert line.startswith(f"wsgisrv: admin: {tmp_path}/api-paste.ini: [app:admin]")


def test_a_reload_brings_a_server_and_takes_another_away(tmp_path: Path) -> None:
    public, admin, third = ports(3)
    with configured(tmp_path, sections(tmp_path, public, admin, **OWN)) as service:
        service.server.wait_ready()
        changed = {
            "wsgisrv": {"servers": "third, public"},
            "wsgisrv_third": {
                "bind": f"127.0.0.1:{third}", "paste_config": f"{tmp_path}/api-paste.ini#third",
                "workers": 1,
            },
        }  # fmt: skip
        wanted = sections(tmp_path, public, admin, **changed)
        del wanted["wsgisrv_admin"]
        service.write(wanted)
        assert service.command("reload") == (0, "generation 2 serves")
        assert (get(third)["name"], get(public)["name"]) == ("third", "public")
        wait_until(lambda: is_refused(admin), "the address of the server that went")
        wait_until(lambda: len(service.children()) == 2, "the old workers to go")


def is_refused(port: int) -> bool:
    try:
        with Client(("127.0.0.1", port)):
            return False
    except ConnectionRefusedError:
        return True


def test_scale_is_about_the_workers_of_the_server_that_is_named(tmp_path: Path) -> None:
    public, admin = ports(2)
    with configured(tmp_path, sections(tmp_path, public, admin, **OWN)) as service:
        service.server.wait_ready()
        assert service.command("scale", "2", "--server", "admin") == (
            0,
            "workers wanted of admin: 2",
        )
        wait_until(lambda: sum(has_state(service, "ready")) == 3, "the new worker")
        wanted = {each["name"]: each["workers_wanted"] for each in service.status()["servers"]}
        assert wanted == {"public": 1, "admin": 2}
        for args, reason in [
            (["2"], "say which server's workers: public, admin"),
            (["2", "--server", "nobody"], "there is no server nobody; there is public, admin"),
            (
                ["256", "--server", "admin"],
                "with 1 of other servers these are more than 256 workers",
            ),
        ]:
            assert service.command("scale", *args) == (2, f"wsgisrv: scale: {reason}")


def test_scale_needs_no_name_where_all_share_their_workers(tmp_path: Path) -> None:
    public, admin = ports(2)
    with configured(tmp_path, sections(tmp_path, public, admin)) as service:
        service.server.wait_ready()
        for args in (["2"], ["2", "--server", "admin"]):
            assert service.command("scale", *args) == (0, "workers wanted of public, admin: 2")
        wait_until(lambda: sum(has_state(service, "ready")) == 2, "the new worker")


def test_ttin_and_ttou_are_about_the_shared_workers(tmp_path: Path) -> None:
    public, admin = ports(2)
    with configured(tmp_path, sections(tmp_path, public, admin, **OWN)) as service:
        service.server.wait_ready()
        service.server.signal(signal.SIGTTIN)
        service.server.wait_line("INFO wsgisrv.master: workers wanted: 2$")
        wanted = {each["name"]: each["workers_wanted"] for each in service.status()["servers"]}
        assert wanted == {"public": 2, "admin": 1}


def test_a_crashing_group_leaves_the_other_alone_and_is_named(tmp_path: Path) -> None:
    public, admin = ports(2)
    with configured(tmp_path, sections(tmp_path, public, admin, **OWN)) as service:
        service.server.wait_ready()
        pid = get(admin)["pid"]
        other = get(public)["pid"]
        os.kill(pid, signal.SIGKILL)
        service.server.wait_line(rf"worker \d of admin \(pid {pid}\) was killed by SIGKILL")
        wait_until(lambda: get(public)["pid"] == other, "public")
        wait_until(lambda: answers(admin), "a new worker of admin's")


def answers(port: int) -> bool:
    with Client(("127.0.0.1", port)) as client:
        return client.get().status == 200


# What is wrong


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        (
            {"wsgisrv": {"servers": "public, admin, third"}},
            "[wsgisrv] servers = public, admin, third: there is no section [wsgisrv_third]",
        ),
        (
            {"wsgisrv_admni": {"bind": "127.0.0.1:1"}},
            (
                "[wsgisrv_admni]: no server of that name in servers = public, admin;"
                " did you mean wsgisrv_admin?"
            ),
        ),
        (
            {"wsgisrv": {"servers": "public, public"}},
            "[wsgisrv] servers = public, public: public is named twice",
        ),
        (
            {"wsgisrv": {"servers": "Public"}},
            (
                "[wsgisrv] servers = Public: a server's name has lower-case letters, digits and _, 32 at"
                " most, a letter first"
            ),
        ),
        (
            {"wsgisrv": {"bind": "127.0.0.1:1"}},
            (
                "[wsgisrv] bind = 127.0.0.1:1: each of several servers has a bind of its own, in its"
                " section"
            ),
        ),
        (
            {"wsgisrv_admin": {"bind": "127.0.0.1:PUBLIC"}},
            "[wsgisrv_admin] bind = 127.0.0.1:PUBLIC: 127.0.0.1:PUBLIC is an address of public, too",
        ),
        (
            {"wsgisrv_admin": {"log_level": "debug"}},
            "[wsgisrv_admin] log_level: is of the whole service, so it stands in [wsgisrv]",
        ),
        (
            {"wsgisrv_admin": {"hub": "poll"}},
            "[wsgisrv_admin] hub = poll: only with workers of its own; [wsgisrv_admin] has no workers",
        ),
        (
            {"wsgisrv_admin": {"pool_size": "many"}},
            "[wsgisrv_admin] pool_size = many: allowed is a whole number from 1 on to 1e+06",
        ),
    ],
)
def test_what_is_wrong_is_one_line_with_file_section_and_key(
    changed: dict[str, dict[str, str]], line: str, tmp_path: Path
) -> None:
    public, admin = ports(2)
    changed = {
        section: {key: value.replace("PUBLIC", str(public)) for key, value in options.items()}
        for section, options in changed.items()
    }
    with configured(tmp_path, sections(tmp_path, public, admin, **changed)) as service:
        assert service.server.wait_exit() == 78
        expected = f"wsgisrv: {service.conf}: {line}".replace("PUBLIC", str(public))
        assert service.server.lines == [expected]


def test_a_server_without_an_address_or_an_app_is_one_line(tmp_path: Path) -> None:
    public, admin = ports(2)
    for key, code in (("bind", 78), ("paste_config", 2)):
        wanted = sections(tmp_path, public, admin)
        del wanted["wsgisrv_admin"][key]
        with configured(tmp_path, wanted) as service:
            assert service.server.wait_exit() == code
            (line,) = service.server.lines
            assert "admin" in line


def test_more_workers_together_than_one_master_has_are_refused(tmp_path: Path) -> None:
    public, admin = ports(2)
    changed = {"wsgisrv": {"workers": 200}, "wsgisrv_admin": {"workers": 100}}
    with configured(tmp_path, sections(tmp_path, public, admin, **changed)) as service:
        line = (
            f"{service.conf}: [wsgisrv] workers = 200: with 100 of [wsgisrv_admin] these are 300; allowed"
            " are 256 of all servers together"
        )
        assert service.server.wait_exit() == 78
        assert service.server.lines == [f"wsgisrv: {line}"]
    done = wsgisrv("check", "--config-file", str(service.conf))
    assert (done.returncode, f"wrong: {line}" in done.stdout) == (78, True)


def test_a_reload_to_more_workers_together_names_file_section_and_key(tmp_path: Path) -> None:
    public, admin = ports(2)
    with configured(tmp_path, sections(tmp_path, public, admin)) as service:
        service.server.wait_ready()
        service.write(sections(tmp_path, public, admin, wsgisrv_admin={"workers": 256}))
        line = (
            f"wsgisrv: reload: admin: {service.conf}: [wsgisrv_admin] workers = 256: with 1 of [wsgisrv]"
            " these are 257; allowed are 256 of all servers together"
        )
        assert service.command("reload") == (1, line)


def test_check_looks_at_every_server(tmp_path: Path) -> None:
    public, admin = ports(2)
    service = Configured(tmp_path)
    service.write(sections(tmp_path, public, admin, **OWN))
    service.fails("admin").touch()
    done = wsgisrv("check", "--config-file", str(service.conf))
    lines = done.stdout.splitlines()
    assert f"address of admin: 127.0.0.1:{admin}, free" in lines
    assert "workers: 2" in lines
    (wrong,) = [line for line in lines if line.startswith("wrong: ")]
    assert wrong.startswith(f"wrong: admin: {service.ini}: [app:admin] ")
    assert done.returncode == 78
    service.fails("admin").unlink()
    done = wsgisrv("check", "--config-file", str(service.conf), "--json")
    answer = json.loads(done.stdout)
    assert (done.returncode, [each["name"] for each in answer["servers"]]) == (
        0, ["public", "admin"],
    )  # fmt: skip


def test_wrong_servers_on_hup_change_nothing(tmp_path: Path) -> None:
    public, admin = ports(2)
    with configured(tmp_path, sections(tmp_path, public, admin)) as service:
        (pid,) = service.server.wait_ready()
        service.write(sections(tmp_path, public, admin, wsgisrv_admin={"bind": "nonsense"}))
        code, line = service.command("reload")
        expected = (
            f"wsgisrv: reload: {service.conf}: [wsgisrv_admin] bind = nonsense: an address is"
        )
        assert (code, line.startswith(expected)) == (1, True)
        assert get(admin)["pid"] == pid
