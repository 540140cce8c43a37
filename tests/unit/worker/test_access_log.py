"""The access log: each format, nothing that a client can forge, and every destination."""

from __future__ import annotations

import json
import os
import re
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.http import DEADLINE
from wsgisrv.config import Settings
from wsgisrv.errors import ConfigError, SystemRefusedError
from wsgisrv.line_ring import LineRing
from wsgisrv.log_target import mark_of
from wsgisrv.worker.access_format import _fields, make_render, printable
from wsgisrv.worker.access_log import AccessLog

ID = "req-3f0c6a9e-5b1d-4c58-9a37-d0a4f1c2b7e6"


class Head:
    def __init__(self, target: str, **fields: str) -> None:
        self.line = f"GET {target} HTTP/1.1".encode("latin-1")
        self.method = "GET"
        self.target = target
        self.path, _, self.query = target.partition("?")
        self.minor = 1
        self.length = 0
        self.fields = fields


class Found:
    """A response as the log sees it."""

    def __init__(self, target: str = "/v1", **fields: str) -> None:
        self.head = Head(target, **fields)
        self.client = ("192.0.2.1", "4711")
        self.status = 200
        self.body_bytes = 26
        self.bytes_in = 3
        self.started, self.waited, self.answered = 100.0, 0.25, 101.0
        self.environ: dict[str, Any] = {**fields}


def line(given: str, found: Any = None, server: str = "", *, names_server: bool = False) -> str:
    render = make_render(given, server, names_server=names_server)
    shown: Any = found or Found()
    return printable(render(shown, 0.0123456))


def test_the_default_line_is_that_of_oslo_service() -> None:
    given = Settings().access_log_format
    text = '192.0.2.1 "GET /v1 HTTP/1.1" status: 200  len: 26 time: 0.0123456'
    assert line(given) == text
    assert line(given, server="admin", names_server=True) == f"admin: {text}"


def test_the_combined_line_is_apaches() -> None:
    found = Found(HTTP_USER_AGENT='a "b\\', HTTP_REFERER="http://x/")
    found.environ["REMOTE_USER"] = "who it is"
    assert re.fullmatch(
        r"192\.0\.2\.1 - who%20it%20is \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]"
        r' "GET /v1 HTTP/1\.1" 200 26 "http://x/" "a \\x22b\\x5c"',
        line("combined", found),
    )


def test_a_json_line_has_all_that_is_known() -> None:
    found = Found("/v1?q=1", HTTP_HOST="api", HTTP_USER_AGENT="curl")
    found.environ |= {
        "openstack.request_id": ID, "wsgisrv.route": "/v1/{id}", "SSL_PROTOCOL": "TLSv1.3",
        "HTTP_TRACEPARENT": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "keystone.token_info": {}, "HTTP_X_USER_ID": "u1", "HTTP_X_PROJECT_ID": "p1",
    }  # fmt: skip
    seen = json.loads(line("json", found, "admin"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", seen.pop("time"))
    assert seen == {
        "server": "admin", "pid": os.getpid(), "client": "192.0.2.1", "client_port": 4711,
        "method": "GET", "target": "/v1?q=1", "protocol": "HTTP/1.1", "tls": "TLSv1.3", "host": "api",
        "status": 200, "bytes_in": 3, "bytes_out": 26, "seconds": 0.012346, "queue_seconds": 0.25,
        "app_seconds": 0.75, "request_id": ID, "global_request_id": None,
        "trace_id": "0af7651916cd43dd8448eb211c80319c", "route": "/v1/{id}", "user": "u1",
        "project": "p1", "referer": None, "user_agent": "curl",
    }  # fmt: skip


@pytest.mark.parametrize("given", ["oslo", "combined", "json", "%(request_id)s %(route)s %(user)s"])
def test_what_an_app_has_put_into_its_environ_cannot_break_a_line(given: str) -> None:
    found = Found()
    for name in (
        "openstack.request_id",
        "openstack.global_request_id",
        "wsgisrv.route",
        "SSL_PROTOCOL",
        "HTTP_TRACEPARENT",
        "REMOTE_USER",
        "wsgisrv.context",
    ):
        found.environ[name] = Path("a\nb")
    assert line(given, found).isprintable()


def test_nobody_is_a_user_by_a_header_alone() -> None:
    seen = json.loads(line("json", Found(HTTP_X_USER_ID="root", HTTP_X_PROJECT_ID="all")))
    assert (seen["user"], seen["project"]) == (None, None)


def test_what_wsgisrv_api_has_found_out_is_the_user() -> None:
    class Context:
        user_id = "u2"
        project_id = "p2"

    found = Found()
    found.environ["wsgisrv.context"] = Context()
    assert line("%(user)s %(project)s", found) == "u2 p2"


@pytest.mark.parametrize(
    "sent",
    ["0af7651916cd43dd8448eb211c80319c", "00-" + "0" * 32 + "-b7ad6b7169203331-01", 'x"\n'],
)
def test_a_traceparent_that_is_none_names_no_trace(sent: str) -> None:
    assert line("%(trace_id)s", Found(HTTP_TRACEPARENT=sent)) == "-"


def test_the_template_of_an_eventlet_service_is_taken_as_it_is() -> None:
    given = (
        '%(client_ip)s - - [%(date_time)s] "%(request_line)s" %(status_code)s %(body_length)s'
        " %(wall_seconds).6f"
    )
    assert re.fullmatch(
        r'192\.0\.2\.1 - - \[\d\d/\w{3}/\d{4} \d\d:\d\d:\d\d\] "GET /v1 HTTP/1\.1" 200 26 0\.012346',
        line(given),
    )


def test_every_placeholder_has_a_value_for_a_request_that_was_refused(tmp_path: Path) -> None:
    given = " ".join(f"%({name})s" for name in _fields(""))
    path = tmp_path / "access.log"
    log = AccessLog(str(path), given, LineRing(b"\n"), 2)

    class Connection:
        peer = ("192.0.2.1", "1")

    log.note_refused(Connection(), 400, 23)  # type: ignore[arg-type]
    log.finish()
    (text,) = path.read_text().splitlines()
    assert text.startswith("192.0.2.1 1 ")
    assert " - 400 23 " in text


NASTY = 'x" status: 200\r\n192.0.2.9 "\x00\x1b[2J\x85\u2028\\'


@pytest.mark.parametrize(
    "given", ["oslo", "combined", "json", "%(request_line)s|%(user_agent)s|%(host)s|%(request_id)s"]
)
def test_nothing_that_a_client_sends_ends_a_line_or_a_field(given: str) -> None:
    found = Found(f"/{NASTY}".replace("\u2028", ""), HTTP_USER_AGENT=NASTY, HTTP_HOST=NASTY)
    found.client = (NASTY, NASTY)
    found.environ["openstack.request_id"] = NASTY
    text = line(given, found)
    assert text.isprintable()
    if given == "json":
        seen = json.loads(text)
        assert (seen["user_agent"], seen["client_port"]) == (NASTY, None)
    if given == "combined":
        quoted = re.findall(r'"([^"]*)"', text.partition("] ")[2])
        assert len(quoted) == 3


@pytest.mark.parametrize(
    ("given", "wrong"),
    [("%(colour)s", "'colour'"), ("jsn", "= jsn"), ("%(status_code)d", "%d format")],
)
def test_a_wrong_format_is_one_line_that_says_what_is_allowed(given: str, wrong: str) -> None:
    with pytest.raises(ConfigError) as found:
        make_render(given, "", names_server=False)
    assert wrong in str(found.value)
    assert "oslo, combined, json, and text with %(NAME)s of client_ip, client_port," in str(
        found.value
    )


# Destinations


def opened(option: str, given: str = "%(status_code)s", size: int = 65536) -> AccessLog:
    return AccessLog(option, given, LineRing(mark_of(option), size), 2)


def noted(log: AccessLog, *statuses: int) -> None:
    for status in statuses:
        found = Found()
        found.status = status
        log.note(found, 0.0)  # type: ignore[arg-type]


def test_a_rotated_file_is_let_go_on_reopen(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    log = opened(str(path))
    noted(log, 200)
    log.finish()
    path.rename(tmp_path / "access.log.1")
    log.reopen()
    log.finish()
    noted(log, 404)
    log.finish()
    assert (tmp_path / "access.log.1").read_text() == "200\n"
    assert path.read_text() == "404\n"


def test_a_pipe_that_nobody_reads_makes_nobody_wait_and_what_had_no_room_is_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = str(tmp_path / "pipe")
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    log = opened(path, '%(status_code)s "%(target)s"')
    for _ in range(1000):
        found = Found("/" + "x" * 1000)
        log.note(found, 0.0)  # type: ignore[arg-type]
    log.tick(time.monotonic())
    assert re.search(r"access log .*/pipe: \d+ lines lost", caplog.text)
    os.set_blocking(reader, True)
    with open(reader, "rb") as file:
        lines = [file.readline() for _ in range(60)]
    assert set(lines) == {b'200 "/' + b"x" * 1000 + b'"\n'}


def test_a_file_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SystemRefusedError, match=r"access_log = .*/no/such: No such file"):
        opened(str(tmp_path / "no" / "such"))


def datagrams(path: Path) -> socket.socket:
    receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    receiver.bind(str(path))
    receiver.settimeout(DEADLINE)
    return receiver


def test_syslog_gets_a_message_a_line(tmp_path: Path) -> None:
    with datagrams(tmp_path / "log") as receiver:
        log = opened(f"syslog:{tmp_path / 'log'}", "oslo")
        noted(log, 200, 404)
        log.finish()
        for status in (200, 404):
            assert re.fullmatch(
                rf'<30>[A-Z][a-z]{{2}} [ \d]\d \d\d:\d\d:\d\d wsgisrv\[{os.getpid()}\]: 192\.0\.2\.1 "GET'
                rf' /v1 HTTP/1\.1" status: {status}  len: 26 time: 0\.0000000',
                receiver.recv(65536).decode(),
            )


def test_the_journal_gets_fields_beside_the_line(tmp_path: Path) -> None:
    with datagrams(tmp_path / "socket") as receiver:
        log = opened(f"journal:{tmp_path / 'socket'}", "oslo")
        found = Found("/v1?x\n=1", HTTP_USER_AGENT="x")
        found.environ["openstack.request_id"] = ID
        log.note(found, 0.5)  # type: ignore[arg-type]
        log.finish()
        entry = receiver.recv(65536).decode()
    assert entry.endswith("\n")
    fields = dict(each.split("=", 1) for each in entry[:-1].split("\n"))
    assert fields["MESSAGE"].startswith("192.0.2.1 ")
    assert fields["HTTP_TARGET"] == r"/v1?x\n=1"
    assert (fields["PRIORITY"], fields["SYSLOG_IDENTIFIER"]) == ("6", "wsgisrv")
    assert (fields["REQUEST_ID"], fields["HTTP_STATUS"], fields["SECONDS"]) == (
        ID,
        "200",
        "0.500000",
    )


def test_lines_wait_for_a_daemon_that_is_away(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = opened(f"journal:{tmp_path / 'socket'}")
    noted(log, 200)
    log.tick(time.monotonic())
    until = time.monotonic() + DEADLINE
    while "No such file or directory; its lines wait" not in caplog.text:
        assert time.monotonic() < until
        log.tick(time.monotonic())
    with datagrams(tmp_path / "socket") as receiver:
        log.finish()
        assert b"MESSAGE=200\n" in receiver.recv(65536)


def test_a_socket_has_an_absolute_path() -> None:
    with pytest.raises(ConfigError, match="access_log = syslog:log: the path of a socket is absol"):
        opened("syslog:log")


def test_a_message_that_the_daemon_takes_at_no_length_is_counted_and_stops_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with datagrams(tmp_path / "log") as receiver:
        log = opened(f"syslog:{tmp_path / 'log'}", "%(target)s", size=4 * 1024**2)
        for target in ("/" + "x" * 1024**2, "/short"):
            log.note(Found(target), 0.0)  # type: ignore[arg-type]
        log.finish()
        assert receiver.recv(65536).endswith(b": /short")
        log.tick(time.monotonic())
    assert "1 lines lost" in caplog.text
