"""egg:wsgisrv#proxy_headers: who is believed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.wsgi import call
from wsgisrv.errors import ConfigError
from wsgisrv.middleware.proxy_headers import filter_factory

SEEN: dict[str, Any] = {}


def app(environ: Any, start_response: Any) -> list[bytes]:
    SEEN.clear()
    SEEN.update(environ)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]


def ask(peer: str, fields: dict[str, Any], **conf: str) -> int:
    made = filter_factory({}, **{"networks": "10.0.0.0/8", **conf})(app)
    environ = {"REMOTE_ADDR": peer, "REMOTE_PORT": "1"}
    return int(call(made, "/", environ=environ, **fields).status_code)


def test_the_first_address_from_the_right_that_is_no_proxy_is_the_client() -> None:
    ask(
        "10.0.0.1",
        {"X_Forwarded_For": "6.6.6.6, 203.0.113.7, 10.0.0.2", "X_Forwarded_Proto": "https"},
    )
    assert SEEN["REMOTE_ADDR"] == "203.0.113.7"
    assert SEEN["wsgi.url_scheme"] == "https"
    assert SEEN["wsgisrv.peer"] == ("10.0.0.1", "1")


def test_nobody_else_is_believed_and_the_fields_go() -> None:
    ask("192.0.2.1", {"X_Forwarded_For": "6.6.6.6"})
    assert SEEN["REMOTE_ADDR"] == "192.0.2.1"
    assert "HTTP_X_FORWARDED_FOR" not in SEEN


def test_a_prefix_stands_in_front_of_what_is_there_and_only_once() -> None:
    conf = {"networks": "10.0.0.0/8", "headers": "x-forwarded-prefix"}
    twice = filter_factory({}, **conf)(filter_factory({}, **conf)(app))
    environ = {"REMOTE_ADDR": "10.0.0.1", "SCRIPT_NAME": "/v1"}
    call(twice, "/books", environ=environ, X_Forwarded_Prefix="/api")
    assert SEEN["SCRIPT_NAME"] == "/api/v1"


def test_what_no_proxy_writes_is_a_400_document() -> None:
    assert ask("10.0.0.1", {"X_Forwarded_Proto": "gopher"}) == 400


def test_the_key_of_the_filter_whose_place_it_takes_turns_it_off() -> None:
    ask("10.0.0.1", {"X_Forwarded_For": "6.6.6.6"}, enable_proxy_headers_parsing="False")
    assert SEEN["REMOTE_ADDR"] == "10.0.0.1"


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ({"networks": ""}, "networks is missing: allowed are"),
        ({"networks": "10.0.0.1/8"}, "networks = 10.0.0.1/8: .* allowed is a network"),
        ({"headers": "x-real-ip"}, "headers = x-real-ip: allowed are forwarded"),
        ({"headers": ""}, "headers = : allowed"),
        ({"enable_proxy_headers_parsing": "2"}, "= 2: allowed is true or false"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(conf: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ask("10.0.0.1", {}, **conf)
