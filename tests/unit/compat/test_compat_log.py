from __future__ import annotations

import io
import logging

import pytest

from tests.support.options import drop_in_options
from wsgisrv.compat.log import Log

FORMAT = '%(client_ip)s "%(request_line)s" %(status_code)d %(body_length)d'


@pytest.mark.parametrize("wrong", ["%(nonsense)s", "%(client_ip)d", "%(client_ip)"])
def test_a_wrong_format_fails_before_the_first_request(wrong: str) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        Log(None, drop_in_options(log_format=wrong))


def test_no_client_can_end_a_quoted_field() -> None:
    file = io.StringIO()
    log = Log(file, drop_in_options(log_format=FORMAT))
    log.request(('a"b', ""), 'GET /"%s HTTP/1.1', 200, 5, 0.1)
    assert file.getvalue() == 'a%22b "GET /%22%s HTTP/1.1" 200 5\n'


def test_debug_lines_are_for_who_wants_them() -> None:
    for debug in (True, False):
        file = io.StringIO()
        Log(file, drop_in_options(debug=debug)).debug("%d%%", 5)
        assert file.getvalue() == ("5%\n" if debug else "")


def test_a_log_that_cannot_be_written_raises_nothing(caplog: pytest.LogCaptureFixture) -> None:
    file = io.StringIO()
    log = Log(file, drop_in_options())
    file.close()
    with caplog.at_level(logging.WARNING, "wsgisrv.compat"):
        log.info("lost")
    assert "a line of the log is lost: I/O operation on closed file" in caplog.text
