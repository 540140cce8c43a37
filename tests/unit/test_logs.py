"""Logs: one line a record, nothing forged, nothing that hangs or raises."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys

import pytest

from tests.support.http import DEADLINE
from tests.support.server import ROOT
from wsgisrv.logs import LineFormatter, LineHandler, write_whole


def record(message: str, *args: object) -> logging.LogRecord:
    return logging.LogRecord("a.b", logging.WARNING, __file__, 1, message, args, None)


def test_a_record_is_one_line_with_time_pid_level_and_name() -> None:
    line = LineFormatter().format(record("hello %s", "you"))
    assert re.fullmatch(
        rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{{3}} {os.getpid()} WARNING a\.b: hello you", line
    )


def test_a_message_cannot_forge_a_line_or_speak_to_the_terminal() -> None:
    line = LineFormatter().format(record("a\nb\r\x1b[2J\x9b\tc"))
    assert line.endswith(r"a\nb\r\x1b[2J\x9b" + "\tc")


def test_a_record_that_cannot_be_formatted_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    LineHandler().handle(record("%d", "no number"))
    assert "cannot be formatted" in capfd.readouterr().err


def test_a_reader_that_has_stopped_makes_nobody_wait_for_ever() -> None:
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    while True:
        try:
            os.write(writer, bytes(65536))
        except BlockingIOError:
            break
    assert not write_whole(writer, b"line\n")
    os.close(reader)
    assert not write_whole(writer, b"line\n")
    os.close(writer)


def test_greenlets_and_native_threads_log_together_and_no_line_is_lost() -> None:
    code = """
import warnings; warnings.simplefilter("ignore")
from wsgisrv import logs
logs.setup("info")
import eventlet
eventlet.monkey_patch()
logs.after_patch()
import logging, time
from eventlet import tpool
log = logging.getLogger("mixed")
def chatter(kind, number, rest):
    for turn in range(100):
        log.info("%s-%d-%d", kind, number, turn)
        rest(0)
native_sleep = eventlet.patcher.original("time").sleep
pool = eventlet.GreenPool()
for number in range(8):
    pool.spawn(chatter, "green", number, time.sleep)
    pool.spawn(tpool.execute, chatter, "native", number, native_sleep)
pool.waitall()
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
        timeout=DEADLINE,
    )
    said = re.findall(r"INFO mixed: (\w+-\d-\d+)$", done.stderr, re.MULTILINE)
    assert sorted(said) == sorted(
        f"{kind}-{number}-{turn}"
        for kind in ("green", "native") for number in range(8) for turn in range(100)
    )  # fmt: skip
