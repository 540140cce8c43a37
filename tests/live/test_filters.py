"""A stack of the shipped filters in front of an app, in a worker."""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest

from tests.support.server import Server, run

INI = """
[composite:main]
use = egg:wsgisrv#urlmap
/ = api
/static = files

[pipeline:api]
pipeline = request_id debug catch_errors size_limit rate_limit gzip app

[filter:debug]
use = egg:wsgisrv#debug

[filter:request_id]
use = egg:wsgisrv#request_id

[filter:catch_errors]
use = egg:wsgisrv#catch_errors

[filter:size_limit]
use = egg:wsgisrv#size_limit
max_request_body_size = 1000

[filter:rate_limit]
use = egg:wsgisrv#rate_limit
limits = 8/hour

[filter:gzip]
use = egg:wsgisrv#gzip

[app:app]
use = egg:wsgisrv#app
object = tests.apps.filtered:application

[app:files]
use = egg:wsgisrv#static
root = %(here)s/files
"""


@contextlib.contextmanager
def serving(directory: Path, text: str = INI, **options: str) -> Iterator[Server]:
    ini = directory / "api-paste.ini"
    ini.write_text(text)
    (directory / "files").mkdir()
    (directory / "files" / "a.txt").write_text("a file" * 20_000)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fd = listener.fileno()
        flags = [part for name, value in options.items() for part in (f"--{name}", value)]
        command = ["serve", str(ini), "--bind", f"fd://{fd}", "--workers", "1", *flags]
        address = listener.getsockname()
        with run(command, pass_fds=[fd], address=address, then=listener.close) as server:
            server.wait_ready()
            yield server


def test_a_stack_of_filters_does_in_a_worker_what_each_does_alone(tmp_path: Path) -> None:
    options = {"log-level": "debug", "access-log": "off"}
    with serving(tmp_path, **options) as server, server.connect() as client:
        server.may_log_traceback = True
        hello = client.get("/?token=hunter2", "Authorization: hunter2")
        request_id = hello["x-openstack-request-id"]
        assert (hello.status, hello.body) == (200, b"hello")
        assert hello["ratelimit"].startswith('"hour";r=7;t=')
        server.wait_line(rf"{request_id} > GET /\?token=\*\*\* from 127\.0\.0\.1")
        server.wait_line(rf"{request_id} < 200 OK")

        failed = client.get("/fail")
        error = json.loads(failed.body)["errors"][0]
        assert (failed.status, error["request_id"]) == (500, failed["x-openstack-request-id"])
        server.wait_line(rf"ERROR wsgisrv\.app: {error['request_id']} GET '/fail' failed")
        server.wait_line("RuntimeError: the app is broken")

        text = client.get("/long", "Accept-Encoding: gzip")
        assert text["transfer-encoding"] == "chunked"
        assert gzip.decompress(text.body) == b"a long text " * 100_000

        client.send(b"POST /read HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.send(b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n")
        assert client.response("POST").status == 413

    assert "hunter2" not in server.log


def test_who_asks_too_often_is_told_when_to_come_again(tmp_path: Path) -> None:
    with serving(tmp_path) as server, server.connect() as client:
        answers = [client.get() for _ in range(9)]
        assert [answer.status for answer in answers] == [200] * 8 + [429]
        assert 0 < int(answers[-1]["retry-after"]) <= 3600
        file = client.get("/static/a.txt")
        assert file.body == b"a file" * 20_000
        again = client.get("/static/a.txt", f"If-None-Match: {file['etag']}")
        assert again.status == 304
        assert client.get("/static/../api-paste.ini").status in (400, 404, 429)


def test_a_body_that_breaks_off_is_the_servers_to_answer_and_no_error_of_the_apps(
    tmp_path: Path,
) -> None:
    with serving(tmp_path) as server, server.connect() as client:
        client.send(b"POST /read HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
        assert client.response("POST").status == 400
    assert "failed" not in server.log


def test_a_response_that_fails_on_its_way_is_broken_off(tmp_path: Path) -> None:
    with serving(tmp_path) as server, server.connect() as client:
        server.may_log_traceback = True
        with pytest.raises(ConnectionResetError):
            client.get("/half")
        server.wait_line(r"ERROR wsgisrv\.app: req-\S+ GET '/half' broke off: RuntimeError")


OSLOS = """
[pipeline:main]
pipeline = cors basic_auth service

[filter:cors]
use = egg:oslo.middleware#cors
allowed_origin = http://ui.example.com
allow_methods = GET,DELETE

[filter:basic_auth]
use = egg:oslo.middleware#basic_auth

[app:service]
use = egg:wsgisrv#app
factory = tests.apps.service:make_guarded
users = %(here)s/users
"""


def test_cors_and_basic_auth_of_oslo_middleware_work_in_a_worker(tmp_path: Path) -> None:
    users = tmp_path / "users"
    users.write_bytes(b"ann:" + bcrypt.hashpw(b"secret", bcrypt.gensalt(4)))
    login = "Authorization: Basic " + base64.b64encode(b"ann:secret").decode()
    wrong = "Authorization: Basic " + base64.b64encode(b"ann:wrong").decode()
    origin = "Origin: http://ui.example.com"
    with serving(tmp_path, OSLOS) as server, server.connect() as client:
        preflight = client.get(
            "/", origin, "Access-Control-Request-Method: DELETE", method="OPTIONS"
        )
        assert preflight.status == 200
        assert preflight["access-control-allow-origin"] == "http://ui.example.com"
        assert "DELETE" in preflight["access-control-allow-methods"]
        for refused in (client.get("/", origin), client.get("/", origin, wrong)):
            assert refused.status == 401
            # A page may read why it was refused.
            assert refused["access-control-allow-origin"] == "http://ui.example.com"
        let_in = client.get("/", login, origin)
        assert let_in.status == 200
        assert let_in.json()["environ"]["HTTP_X_USER_NAME"] == "ann"
        other = client.get("/", login, "Origin: http://evil.example.com")
        assert "access-control-allow-origin" not in other
