"""egg:wsgisrv#debug: heads in the log, without secrets."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from tests.support.wsgi import call
from wsgisrv.middleware.debug import filter_factory


def app(environ: Any, start_response: Any) -> list[bytes]:
    headers = [
        ("Content-Type", "text/plain"), ("Set-Cookie", "s=hunter2"), ("X-Subject-Token", "hunter2"),
        ("Location", "/x?code=1&token=hunter2"),
    ]  # fmt: skip
    start_response("201 Created", headers)
    return [b"hunter2"]


TOKENS: dict[str, Any] = {"X_Auth_Token": "hunter2", "X_Service_Token": "hunter2"}


def ask() -> None:
    call(
        filter_factory({})(app), "/v1/x?limit=1&api_key=hunter2&temp_url_sig=hunter2", "POST",
        body=b"hunter2", Authorization="hunter2", Cookie="hunter2", **TOKENS,
        Accept="text/plain", Referer="http://h/?password=hunter2",
    )  # fmt: skip


def test_heads_are_logged_without_secrets_and_bodies_not_at_all(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "wsgisrv.debug")
    ask()
    request, response = (record.getMessage() for record in caplog.records)
    assert "POST /v1/x?limit=1&api_key=***&temp_url_sig=***" in request
    assert "X-Auth-Token: ***" in request
    assert "Accept: text/plain" in request
    assert "Content-Length: 7" in request
    assert "201 Created" in response
    assert "Location: /x?code=1&token=***" in response
    assert "hunter2" not in caplog.text


def test_it_says_nothing_until_somebody_listens(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "wsgisrv.debug")
    ask()
    assert not caplog.records
