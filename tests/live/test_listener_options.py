"""Listeners of a real server: unix sockets, IPv6, a shared port, TCP keep-alive."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from tests.support.http import Client
from tests.support.server import Server, run, serve


@contextlib.contextmanager
def bound_by_itself(directory: Path, bind: str, *args: str, app: str = "pid") -> Iterator[Server]:
    """A server that binds ``bind`` itself, with one worker."""
    ini = directory / "api-paste.ini"
    ini.write_text(f"[app:main]\npaste.app_factory = tests.apps.basic:factory\napp = {app}\n")
    command = ["serve", str(ini), "--bind", bind, "--workers", "1", *args]
    with run(command) as server:
        yield server


def port_of(server: Server, host: str) -> int:
    return int(server.wait_line(rf"ready: http://{host}:(\d+), ")[1])


def test_a_unix_socket_serves_with_the_mode_that_was_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "s"
    args = ["--unix-mode", "606", "--unix-owner", f"{os.getuid()}:{os.getgid()}"]
    with bound_by_itself(tmp_path, f"unix:{path}", *args, app="echo") as server:
        server.wait_ready()
        assert stat.S_IMODE(path.stat().st_mode) == 0o606
        with Client(str(path)) as client:
            environ = client.get().json()["environ"]
        assert environ["REMOTE_ADDR"] == ""
    assert not path.exists()


def test_a_wrong_owner_is_one_line(tmp_path: Path) -> None:
    args = ["--unix-owner", "no_one"]
    with bound_by_itself(tmp_path, f"unix:{tmp_path}/s", *args) as server:
        assert server.wait_exit() == 78
        assert server.lines == ["wsgisrv: [wsgisrv] unix_owner = no_one: there is no user no_one"]


def test_ipv6_is_served_and_named_in_the_environ(tmp_path: Path) -> None:
    with bound_by_itself(tmp_path, "[::1]:0", app="echo") as server:
        port = port_of(server, r"\[::1\]")
        with Client(("::1", port)) as client:
            environ = client.get().json()["environ"]
            assert environ["REMOTE_ADDR"] == environ["SERVER_NAME"] == "::1"
            assert environ["REMOTE_PORT"] == str(client.socket.getsockname()[1])
            assert environ["SERVER_PORT"] == str(port)
        server.wait_line(r'^::1 "GET / HTTP/1.1" status: 200 ')


def test_two_masters_share_a_port_and_the_one_that_stays_serves_on(tmp_path: Path) -> None:
    with bound_by_itself(tmp_path, "127.0.0.1:0", "--reuse-port") as first:
        port = port_of(first, "127.0.0.1")
        with bound_by_itself(tmp_path, f"127.0.0.1:{port}", "--reuse-port") as second:
            pids = {str(pid) for server in (first, second) for pid in server.wait_ready()}
            seen = set[str]()
            while seen != pids:
                with Client(("127.0.0.1", port)) as client:
                    seen.add(client.get().body.decode())
        with Client(("127.0.0.1", port)) as client:
            assert client.get().body.decode() in {str(pid) for pid in first.wait_ready()}


def test_the_kernel_probes_idle_clients_as_the_options_say() -> None:
    app = "tests.apps.sockets:keepalive"
    with (
        serve(app, workers=1, tcp_keepidle=77, tcp_keepintvl=7, tcp_keepcnt=3) as server,
        server.connect() as client,
    ):
        assert client.get().json() == [[1, 77, 7, 3]]


def test_the_kernel_probes_idle_clients_after_ten_minutes_by_default_and_never_if_told() -> None:
    with serve("tests.apps.sockets:keepalive", workers=1) as server, server.connect() as client:
        assert client.get().json()[0][:2] == [1, 600]
    with (
        serve("tests.apps.sockets:keepalive", workers=1, tcp_keepidle=0) as server,
        server.connect() as client,
    ):
        assert client.get().json()[0][0] == 0
