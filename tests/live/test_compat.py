"""``wsgisrv.compat.wsgi.server`` in a process that eventlet has patched."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import Certificates
from tests.support.corpus import FOLLOWER, OPTIONS, cases
from tests.support.embedded import KILLED, LOGGED, RETURNED, embedded
from tests.support.http import Client
from tests.support.server import Server


def logged(server: Server, request_line: str, status: int, *, after: int = 0) -> None:
    server.wait_line(LOGGED % (request_line, status), after=after)


# Serving


def test_a_connection_carries_many_requests_and_its_environ_is_eventlets() -> None:
    with embedded(environ={"given": "by the caller"}) as server, server.connect() as client:
        for _ in range(3):
            response = client.get("/a%40b?c=d", "x-FOO: 1", "x-FOO: 2", "x_foo: 3")
            assert response.status == 200
            assert "connection" not in response
            assert response["content-type"] == "application/json"
            assert response.json() == {
                "PATH_INFO": "/a@b", "RAW_PATH_INFO": "/a%40b", "QUERY_STRING": "c=d",
                "SERVER_NAME": "127.0.0.1", "REMOTE_ADDR": "127.0.0.1",
                "CONTENT_TYPE": "text/plain", "wsgi.url_scheme": "http", "wsgi.multiprocess": False,
                "headers_raw": [["Host", "test"], ["x-FOO", "1"], ["x-FOO", "2"], ["x_foo", "3"]],
                "HTTP_X_FOO": "1,2", "given": "by the caller",
            }  # fmt: skip
            logged(server, r"GET /a%40b\?c=d HTTP/1\.1", 200)


@pytest.mark.parametrize(
    ("options", "request_fields", "wanted"),
    [
        ({"keepalive": False}, (), {"connection": "close"}),
        ({"keepalive": 0}, ("Connection: keep-alive",), {"connection": "close"}),
        (
            {"keepalive": 7.5},
            ("Connection: keep-alive",),
            {"connection": "keep-alive", "keep-alive": "timeout=7"},
        ),
        ({}, ("Connection: keep-alive",), {"connection": "keep-alive"}),
    ],
)
def test_keepalive_decides_whether_a_connection_stays(
    options: dict[str, Any], request_fields: tuple[str, ...], wanted: dict[str, str]
) -> None:
    with embedded(**options) as server, server.connect() as client:
        response = client.get("/", *request_fields)
        assert {name: response[name] for name in wanted} == wanted
        if wanted["connection"] == "close":
            client.assert_eof()
        else:
            assert client.get().status == 200


def test_http10_is_all_that_is_spoken_when_asked_for() -> None:
    with embedded(max_http_version="HTTP/1.0") as server, server.connect() as client:
        client.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
        said = client.raw_until_eof()
        assert said.startswith(b"HTTP/1.0 200 OK\r\n")
        assert b"\r\nConnection: close\r\n" in said


def test_a_unix_socket_is_called_unix() -> None:
    with embedded(unix=True) as server, server.connect() as client:
        seen = client.get().json()
        assert (seen["SERVER_NAME"], seen["REMOTE_ADDR"]) == ("unix", "unix")
        server.wait_line(r"^unix - - ")
        server.wait_line(r"starting up on http:/\S+/socket")


def test_a_wrapped_listener_speaks_tls(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    with embedded(tls=str(certificates.issue("api.test"))) as server:
        server.wait_line("starting up on https://")
        with server.connect() as plain:  # and one that speaks none harms nobody
            plain.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert plain.response().status == 400
        with server.connect() as client:
            context = certificates.trusting()
            client.socket = context.wrap_socket(client.socket, server_hostname="api.test")
            for _ in range(2):
                assert client.get().json()["wsgi.url_scheme"] == "https"


def test_hooks_run_after_the_response() -> None:
    with embedded() as server, server.connect() as client:
        assert client.get("/hook").status == 200
        server.wait_line("^hookedhooked$")


def test_an_apps_failure_is_logged_and_shown_as_the_caller_wants() -> None:
    for debug in (True, False):
        with embedded(debug=debug) as server, server.connect() as client:
            server.may_log_traceback = True
            response = client.get("/fail")
            assert response.status == 500
            assert response["connection"] == "close"
            assert (b"RuntimeError: the app's own fault" in response.body) == debug
            assert debug or response.body == b""
            server.wait_line("^RuntimeError: the app's own fault$")
            client.assert_eof()


def test_a_response_that_breaks_off_is_not_taken_for_whole() -> None:
    with embedded() as server, server.connect() as client:
        server.may_log_traceback = True
        client.send(b"GET /broken HTTP/1.1\r\nHost: test\r\n\r\n")
        said = client.raw_until_eof()
        assert said.endswith(b"x" * 5000 + b"\r\n")  # all that was sent, and no last chunk


# Strictness and bounds


def test_malformed_requests_are_refused_as_by_a_worker() -> None:
    refused = [
        case
        for case in cases()
        if case.then == "closed"
        and case.want in ((400,), (417,), (501,), (505,))
        and "without Host" not in case.name
        and case.options == OPTIONS
        and not case.reaches
    ]
    assert len(refused) > 100
    with embedded(debug=False) as server:
        for case in refused:
            with server.connect() as client:
                client.send(case.send + FOLLOWER)
                response = client.response()
                assert response.status == case.want[0], case.name
                client.assert_eof()


def test_a_request_without_host_is_served_as_before() -> None:
    with embedded() as server, server.connect() as client:
        client.send(b"GET / HTTP/1.1\r\n\r\n")
        assert client.response().status == 200


def test_a_long_target_is_refused() -> None:
    with embedded(url_length_limit=9000) as server:
        with server.connect() as client:
            assert client.get("/" + "x" * 8999).status == 200
            assert client.get("/" + "x" * 9000).status == 414
            client.assert_eof()
        server.wait_line(LOGGED % ("-", 414))


@pytest.mark.parametrize("said", [b"", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_a_silent_client_is_left_without_a_word(said: bytes) -> None:
    with embedded(socket_timeout=0.2, keepalive=0.2) as server, server.connect() as client:
        client.send(said)
        if said.endswith(b"\r\n\r\n"):
            assert client.response().status == 200
        client.assert_eof()
        server.wait_line(r"\) timed out \('127\.0\.0\.1', '\d+'\)$")


def test_a_client_that_goes_silent_in_a_body_fails_the_apps_read() -> None:
    with embedded(socket_timeout=0.2) as server, server.connect() as client:
        client.send(b"PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabc")
        assert client.response().status == 408
        client.assert_eof()


# The pool


def test_requests_take_turns_with_other_work_in_a_pool_of_the_callers() -> None:
    with embedded(pool=2, workers=1) as server:
        server.wait_line("^work 0 waits$")
        with server.connect() as first, server.connect() as second:
            first.send(b"GET /wait HTTP/1.1\r\nHost: test\r\n\r\n")
            server.wait_line("^the request waits$")
            second.send(b"GET /second HTTP/1.1\r\nHost: test\r\n\r\n")
            server.signal(signal.SIGUSR1)
            assert first.response().status == 200
            assert second.response().json()["PATH_INFO"] == "/second"
            logged(server, "GET /second HTTP/1.1", 200)
            lines = server.log
            assert lines.index("the request goes on") < lines.index('"GET /second')


def test_idle_connections_take_no_place_in_the_pool() -> None:
    with embedded(max_size=1) as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(20)]
        for _ in range(2):
            for client in clients:
                assert client.get().status == 200


# The end


@pytest.mark.parametrize("pool", [0, 5])
def test_a_killed_server_finishes_its_requests_and_accepts_no_more(pool: int) -> None:
    with embedded(pool=pool) as server, server.connect() as idle, server.connect() as busy:
        assert idle.get().status == 200
        busy.send(b"GET /wait HTTP/1.1\r\nHost: test\r\n\r\n")
        server.wait_line("^the request waits$")
        server.signal(signal.SIGTERM)
        idle.assert_eof()
        assert refuses(server)
        server.signal(signal.SIGUSR1)
        response = busy.response()
        assert (response.status, response["connection"]) == (200, "close")
        busy.assert_eof()
        server.wait_line("wsgi exited")
        server.wait_line(KILLED)


def test_a_closed_listener_ends_the_server_and_not_the_process() -> None:
    with embedded() as server, server.connect() as client:
        assert client.get().status == 200
        server.signal(signal.SIGUSR2)
        client.assert_eof()
        server.wait_line(RETURNED)
        assert refuses(server)


def test_ctrl_c_ends_the_server_and_finishes_its_requests() -> None:
    with embedded() as server, server.connect() as idle, server.connect() as busy:
        assert idle.get().status == 200
        busy.send(b"PUT /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n")
        assert idle.get().status == 200  # so the other request has begun
        server.signal(signal.SIGINT)
        idle.assert_eof()
        server.wait_line("^wsgi exiting$")
        busy.send(b"hello")
        assert busy.response().body == b"hello"
        server.wait_line(RETURNED)


def refuses(server: Server) -> bool:
    try:
        Client(server.address).socket.close()
    except ConnectionRefusedError:
        return True
    return False


# Logs


def test_a_line_has_the_callers_format_and_where_a_request_was_forwarded_from() -> None:
    form = "%(client_ip)s %(status_code)d %(body_length)d <%(request_line)s>"
    for wanted, options in (
        ("1.2.3.4,5.6.7.8,127.0.0.1", {}),
        ("127.0.0.1", {"log_x_forwarded_for": False}),
    ):
        with embedded(log_format=form, **options) as server, server.connect() as client:
            length = len(client.get("/", "X-Forwarded-For: 1.2.3.4, 5.6.7.8").body)
            server.wait_line(f"^{wanted} 200 {length} <GET / HTTP/1.1>$")


def test_a_logger_gets_lines_by_their_level() -> None:
    with embedded(logger=True) as server, server.connect() as client:
        assert client.get("/100%25").status == 200
        server.wait_line(r"^service INFO \(\d+\) wsgi starting up on http://127\.0\.0\.1:\d+$")
        server.wait_line(r"^service DEBUG \(\d+\) accepted \('127\.0\.0\.1', '\d+'\)$")
        server.wait_line(r'^service INFO 127.0.0.1 - - \[.*\] "GET /100%25 HTTP/1.1" 200 ')


def test_nothing_is_logged_when_the_caller_wants_no_log() -> None:
    with embedded(log_output=False) as server, server.connect() as client:
        assert client.get().status == 200
        server.signal(signal.SIGTERM)
        server.wait_line(KILLED)
        assert "wsgi" not in server.log
        assert "GET" not in server.log
