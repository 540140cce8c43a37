"""The admin listener: who may ask it, what it shows and never shows, and that nothing depends on it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import stat
import time
from pathlib import Path

import pytest

from tests.support.admin import Admin, administered, free_port, value
from tests.support.control import (
    answer_of,
    kill_master,
    operated,
    refusal_of,
    wait_status,
    wsgisrv,
)
from tests.support.http import DEADLINE, Client
from tests.support.server import ROOT, Server, group_of, run, serve, wait_gone

PATHS = ("/", "/metrics", "/history.json", "/status.json", "/stacks.json")
SECRET = "tok3n-that-nobody-may-see"  # noqa: S105 -- nobody's


def admin_pid(server: Server, path: str) -> int:
    """Returns the pid of the process that serves it: neither master nor worker."""
    workers = {worker["pid"] for worker in answer_of(path, "status")["workers"]}
    (found,) = set(group_of(server.pid)) - {server.pid, *workers}
    return found


def test_it_is_off_by_default_and_its_paths_are_the_apps(tmp_path: Path) -> None:
    with operated("tests.apps.basic:hello", tmp_path, workers=1) as (server, path):
        assert answer_of(path, "status")["admin"] == []
        assert set(group_of(server.pid)) == {server.pid, *server.wait_ready()}


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("0.0.0.0:9180", "other machines could reach it; allowed is 127.0.0.1:PORT, [::1]:PORT or"),
        ("[::]:9180", "other machines could reach it"),
        ("192.0.2.1:9180", "other machines could reach it"),
        ("unix:here", "the path of a unix socket is absolute"),
        ("fd://7", "allowed is 127.0.0.1:PORT"),
        ("nonsense", "an address is host:port"),
    ],
)
def test_a_public_address_or_none_is_refused_in_one_line(address: str, reason: str) -> None:
    with serve("tests.apps.basic:hello", wait=False, admin_bind=address) as server:
        assert server.wait_exit() == 78
        (line,) = server.lines
        assert line.startswith(f"wsgisrv: [wsgisrv] admin_bind = {address}: ")
        assert reason in line


def test_check_says_so_too(tmp_path: Path) -> None:
    ini = tmp_path / "api-paste.ini"
    ini.write_text("[app:main]\npaste.app_factory = tests.apps.basic:factory\napp = hello\n")
    command = ["check", str(ini), "--bind", "127.0.0.1:0", "--admin-bind", "0.0.0.0:9180", "--json"]
    done = wsgisrv(*command)
    assert done.returncode == 78
    assert "other machines could reach it" in done.stdout


def test_an_address_in_use_is_one_line(tmp_path: Path) -> None:
    with administered("tests.apps.basic:hello", tmp_path, workers=1) as (_, admin, _path):
        taken = f"127.0.0.1:{admin.address[1]}"
        with serve("tests.apps.basic:hello", wait=False, admin_bind=taken) as second:
            assert second.wait_exit() == 69
            text = f"[wsgisrv] admin_bind = {taken}: the address is in use by another process"
            assert second.lines[-1].endswith(text)


def test_told_so_it_serves_other_machines(tmp_path: Path) -> None:
    port = free_port()
    with serve(
        "tests.apps.basic:hello", workers=1, admin_bind=f"0.0.0.0:{port}", args=["--admin-public"]
    ):
        assert Admin(("127.0.0.1", port)).get("/").status == 200


def test_a_unix_socket_is_its_users_alone_and_gone_with_the_service(tmp_path: Path) -> None:
    path = str(tmp_path / "admin.sock")
    with serve("tests.apps.basic:hello", workers=1, admin_bind=f"unix:{path}"):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        admin = Admin(path)
        assert admin.get("/", host="anything").status == 200
        assert value(admin.wait_metrics(lambda found: found), "wsgisrv_workers_wanted") == 1
    assert not os.path.exists(path)


def test_only_own_names_and_only_reading(tmp_path: Path) -> None:
    with administered(
        "tests.apps.basic:hello", tmp_path, workers=1, admin_hosts="metrics.example"
    ) as (server, admin, _):
        port = admin.address[1]
        for host in (
            "localhost",
            f"localhost:{port}",
            "127.0.0.1",
            "[::1]:80",
            "Metrics.Example:1",
        ):
            assert admin.get("/history.json", host=host).status == 200, host
        for host in ("evil.example", f"evil.example:{port}", "localhost.evil.example", ""):
            for path in PATHS:
                refused = admin.get(path, host=host)
                assert refused.status == 421, (host, path)
                assert b"wsgisrv_" not in refused.body
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            refused = admin.get("/metrics", method=method)
            assert (refused.status, refused["allow"]) == (405, "GET, HEAD")
        assert admin.get("/", method="HEAD").body == b""
        elsewhere = "Sec-Fetch-Site: cross-site"
        assert admin.get("/stacks.json", elsewhere).status == 403
        assert admin.get("/", elsewhere).status == 200
        found = admin.get("/elsewhere/../etc")
        assert found.status == 404
        assert b"elsewhere" not in found.body
        assert admin.get("/history.json?since=-1").status == 400
        page = admin.get("/")
        assert "default-src 'none'" in page["content-security-policy"]
        assert "'unsafe-inline'" not in page["content-security-policy"]
        assert page["x-frame-options"] == "DENY"
        assert b"http://" not in page.body
        assert b"https://" not in page.body
        with server.connect() as client:
            assert client.get("/metrics").body == b"hello"
            assert client.get("/stacks.json").body == b"hello"


def test_no_header_body_or_query_is_ever_shown(tmp_path: Path) -> None:
    with (
        administered("tests.apps.metered:routed", tmp_path, workers=1) as (server, admin, path),
        server.connect() as running,
        server.connect() as reading,
    ):
        head = f"Host: test\r\nX-Auth-Token: {SECRET}\r\nCookie: session={SECRET}\r\n"
        running.send(f"GET /things/1?sleep=5&key={SECRET} HTTP/1.1\r\n{head}\r\n".encode())
        long = f"POST /things/2 HTTP/1.1\r\n{head}Content-Length: 500\r\n\r\n{SECRET}"
        reading.send(long.encode())
        wait_status(path, lambda found: found["workers"][0]["in_flight"] == 2)
        with server.connect() as client:
            client.send(f"GET /{SECRET} HTTP/1.1\r\nX-{SECRET}: {SECRET}\r\n\r\n".encode())
            assert client.response().status == 400
        admin.wait_metrics(lambda found: value(found, "wsgisrv_refused_total"))
        answers = {path: admin.get(path) for path in PATHS}
        assert {answer.status for answer in answers.values()} == {200}
        assert b"/things/1?\\u2026" in answers["/stacks.json"].body
        assert b"in routed" in answers["/stacks.json"].body
        assert b"/things/2" in answers["/status.json"].body
        for where, answer in answers.items():
            assert SECRET.encode() not in answer.body, where
        reading.send(b"x" * (500 - len(SECRET)))
        assert reading.response().status == 200
        assert running.response().status == 200


def test_it_answers_while_every_worker_is_blocked(tmp_path: Path) -> None:
    with (
        administered("tests.apps.blocking:spins", tmp_path, workers=1) as (server, admin, path),
        server.connect() as client,
    ):
        client.send(b"GET /?4 HTTP/1.1\r\nHost: test\r\n\r\n")
        wait_status(path, lambda found: found["workers"][0]["hub_lag"] > 0.5)
        began = time.monotonic()
        assert admin.get("/").status == 200
        assert value(admin.metrics(), "wsgisrv_hub_lag_worst_seconds") > 0.5
        assert time.monotonic() - began < 2
        stacks = admin.get("/stacks.json").json()["workers"]
        assert "in spins" in str(stacks[0]["stacks"])
        assert client.response().status == 200


def test_it_comes_again_when_it_dies_and_leaves_when_the_master_does(tmp_path: Path) -> None:
    with administered("tests.apps.basic:hello", tmp_path, workers=1) as (server, admin, path):
        with server.connect() as client:
            assert client.get().status == 200
        url = f"http://127.0.0.1:{admin.address[1]}"
        server.wait_line(f"status page and metrics: {url}$")
        assert f"admin: {url}\n" in wsgisrv("status", "--control-socket", path).stdout
        admin.wait_metrics(lambda found: value(found, "wsgisrv_requests_total") == 1)
        first = admin_pid(server, path)
        os.kill(first, signal.SIGKILL)
        server.wait_line(r"the admin process was killed by SIGKILL; the next is spawned in")
        # The listener is open meanwhile, and what was counted is not lost.
        assert value(admin.metrics(), "wsgisrv_requests_total") == 1
        answer_of(path, "reload")
        admin.wait_metrics(lambda found: value(found, "wsgisrv_generation") == 2)
        second = admin_pid(server, path)
        assert second != first
        kill_master(server)
        wait_gone(second)


def test_an_upgrade_takes_the_address_along(tmp_path: Path) -> None:
    with administered("tests.apps.basic:hello", tmp_path, workers=1) as (_, admin, path):
        answer_of(path, "upgrade")
        until = time.monotonic() + DEADLINE
        while True:
            with contextlib.suppress(OSError, AssertionError):
                found = admin.metrics()
                if value(found, "wsgisrv_workers", state="ready") == 1:
                    break
            assert time.monotonic() < until
            select.select([], [], [], 0.05)
        with Client(admin.address) as client:
            assert client.get("/", "Host: localhost").status in (200, 421)


def test_without_prometheus_client_the_page_works_and_metrics_say_what_is_missing(
    tmp_path: Path,
) -> None:
    broken = tmp_path / "prometheus_client"
    broken.mkdir()
    (broken / "__init__.py").write_text("raise ImportError('as if it was not there')\n")
    port = free_port()
    ini = tmp_path / "api-paste.ini"
    ini.write_text("[app:main]\npaste.app_factory = tests.apps.basic:factory\napp = hello\n")
    command = ["serve", str(ini), "--bind", "127.0.0.1:0", "--workers", "1"]
    command += ["--admin-bind", f"127.0.0.1:{port}"]
    with run(command, env={"PYTHONPATH": f"{tmp_path}:{ROOT}"}) as server:
        server.wait_ready()
        admin = Admin(("127.0.0.1", port))
        assert admin.get("/").status == 200
        missing = admin.get("/metrics")
        assert missing.status == 503
        assert missing.body == b"metrics need prometheus_client: pip install 'wsgisrv[metrics]'\n"


def test_top_without_a_master_is_one_line(tmp_path: Path) -> None:
    code, line = refusal_of("top", "--control-socket", str(tmp_path / "none.sock"))
    assert code == 69
    assert line.endswith("no such socket: is the service running?")
