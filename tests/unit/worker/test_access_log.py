"""The access log: whole lines, oslo.service's fields, nothing that a client can forge."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wsgisrv.config import Settings
from wsgisrv.errors import ConfigError, SystemRefusedError
from wsgisrv.worker.access_log import AccessLog

PEER = ("192.0.2.1", "4711")


def test_the_default_line_has_the_fields_of_oslo_service(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    log = AccessLog(str(path), Settings().access_log_format, os.write)
    log.note_line(PEER, "GET /v1 HTTP/1.1", "200", 26, 0.0123456)
    log.flush()
    assert path.read_text() == (
        '192.0.2.1 "GET /v1 HTTP/1.1" status: 200  len: 26 time: 0.0123456\n'
    )


def test_a_quote_in_the_target_cannot_end_the_field(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    log = AccessLog(str(path), '"%(request_line)s"', os.write)
    log.note_line(PEER, 'GET /" status: 200 HTTP/1.1', "404", 0, 0.0)
    log.flush()
    assert path.read_text() == '"GET /%22 status: 200 HTTP/1.1"\n'


def test_lines_are_written_whole_even_in_short_writes(tmp_path: Path) -> None:
    written: list[bytes] = []

    def short_write(_fd: int, data: bytes) -> int:
        written.append(data[:7])
        return len(data[:7])

    log = AccessLog("-", "%(request_line)s", short_write)
    log.note_line(PEER, "GET /a HTTP/1.1", "200", 0, 0.0)
    log.note_line(PEER, "GET /b HTTP/1.1", "200", 0, 0.0)
    log.flush()
    assert b"".join(written) == b"GET /a HTTP/1.1\nGET /b HTTP/1.1\n"


def test_a_rotated_file_is_let_go_on_reopen(tmp_path: Path) -> None:
    path = tmp_path / "access.log"
    log = AccessLog(str(path), "%(status_code)s", os.write)
    log.note_line(PEER, "-", "200", 0, 0.0)
    path.rename(tmp_path / "access.log.1")
    log.reopen()
    log.note_line(PEER, "-", "404", 0, 0.0)
    log.flush()
    assert (tmp_path / "access.log.1").read_text() == "200\n"
    assert path.read_text() == "404\n"


def test_an_unknown_field_is_refused_with_those_that_are_allowed() -> None:
    with pytest.raises(
        ConfigError, match=r"access_log_format: 'colour'; allowed fields are client_ip,"
    ):
        AccessLog("-", "%(colour)s", os.write)


def test_a_file_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(SystemRefusedError, match=r"access_log = .*/no/such: No such file"):
        AccessLog(str(tmp_path / "no" / "such"), "%(status_code)s", os.write)
