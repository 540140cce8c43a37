"""The access log of a running service: no line is lost with a worker, and nobody waits for a log."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from pathlib import Path
from typing import Any

from tests.support.configured import wait_until
from tests.support.http import DEADLINE
from tests.support.server import serve

LINE = re.compile(r'127\.0\.0\.1 "GET /(\d+) HTTP/1\.1" status: 200  len: 5 time: 0\.\d{7}')


def numbers(path: Path) -> list[int]:
    return [int(found[1]) for line in path.read_text().splitlines() if (found := LINE.match(line))]


def test_a_worker_that_is_killed_has_lost_no_line(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    with serve("tests.apps.logged:dies", workers=1, access_log=path) as server:
        with server.connect() as client:
            for number in range(100):
                client.get(f"/{number}")
            client.send(b"GET /kill HTTP/1.1\r\nHost: test\r\n\r\n")
        server.wait_line(r"worker 1 \(pid \d+\) (died|was killed)")
        wait_until(lambda: len(set(numbers(path))) == 100, "the lines")
        found = numbers(path)
        assert [each for at, each in enumerate(found) if each not in found[:at]] == [*range(100)]


def test_a_service_that_is_stopped_has_written_every_line(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    with serve("tests.apps.basic:hello", workers=1, access_log=path) as server:
        with server.connect() as client:
            for number in range(100):
                client.get(f"/{number}")
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0
    assert numbers(path) == [*range(100)]


def test_a_log_that_nobody_reads_stops_no_request_and_the_log_says_so(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with (
        open(reader, "rb", buffering=0),
        serve("tests.apps.basic:hello", workers=1, access_log=path) as server,
        server.connect() as client,
    ):
        for _ in range(150):
            assert client.get("/" + "x" * 7000).status == 200
        server.wait_line(r"WARNING wsgisrv\.worker: access log .*/pipe: \d+ lines lost")
        server.signal(signal.SIGTERM)
        server.wait_exit()
        server.wait_line(r"worker 1 .*: access log .*/pipe: it takes nothing; \d+ bytes are lost")


def test_a_json_line_tells_of_the_request_and_the_journal_takes_it(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(str(tmp_path / "journal"))
        receiver.settimeout(DEADLINE)
        options: dict[str, Any] = {
            "access_log": f"journal:{tmp_path / 'journal'}",
            "access_log_format": "json",
        }
        with (
            serve("tests.apps.basic:echo", workers=1, **options) as server,
            server.connect() as client,
        ):
            client.send(
                b"POST /a HTTP/1.1\r\nHost: test\r\nX-User-Id: root\r\nTransfer-Encoding: chunked\r\n"
                b'User-Agent: "\xe9\\\r\n\r\n5\r\nhello\r\n0\r\n\r\n'
            )
            size = len(client.response().body)
            client.send(b"nonsense\r\n\r\n")
            assert client.response().status == 400
            entries = [receiver.recv(65536).decode() for _ in range(2)]
    fields = dict(line.split("=", 1) for line in entries[0].splitlines())
    seen = json.loads(fields["MESSAGE"])
    assert (seen["method"], seen["target"], seen["status"]) == ("POST", "/a", 200)
    assert (seen["bytes_in"], seen["bytes_out"]) == (5, size)
    assert (seen["user"], seen["user_agent"]) == (None, '"\xe9\\')
    assert 0 <= seen["queue_seconds"] <= seen["seconds"]
    assert 0 < seen["app_seconds"] <= seen["seconds"]
    assert fields["HTTP_STATUS"] == "200"
    refused = json.loads(dict(line.split("=", 1) for line in entries[1].splitlines())["MESSAGE"])
    assert (refused["status"], refused["method"]) == (400, "-")
