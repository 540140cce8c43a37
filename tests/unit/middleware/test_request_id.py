"""egg:wsgisrv#request_id: names for requests."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.wsgi import call
from wsgisrv.middleware.request_id import RequestId, filter_factory

WELL_FORMED = "req-3f0c6a9e-5b1d-4c58-9a37-d0a4f1c2b7e6"
SEEN: dict[str, Any] = {}
SHARED = [("Content-Type", "text/plain"), ("Content-Length", "2")]


def app(environ: Any, start_response: Any) -> list[bytes]:
    SEEN.clear()
    SEEN.update(environ)
    start_response("200 OK", SHARED)
    return [b"ok"]


def test_the_id_is_in_environ_and_header_and_not_in_the_apps_own_list() -> None:
    answers = [call(filter_factory({})(app), "/") for _ in range(2)]
    assert answers[1].headers["X-Openstack-Request-Id"] == SEEN["openstack.request_id"]
    assert answers[0].headers["X-Openstack-Request-Id"] != SEEN["openstack.request_id"]
    assert len(SHARED) == 2


def test_a_well_formed_id_of_the_client_becomes_the_global_one() -> None:
    call(RequestId(app), "/", X_Openstack_Request_Id=WELL_FORMED)
    assert SEEN["openstack.global_request_id"] == WELL_FORMED
    assert SEEN["openstack.request_id"] != WELL_FORMED


@pytest.mark.parametrize(
    "sent",
    ["", "req-1", WELL_FORMED.upper(), WELL_FORMED + "x", WELL_FORMED + "\n", WELL_FORMED[4:]],
)
def test_a_malformed_one_is_ignored(sent: str) -> None:
    environ = {"HTTP_X_OPENSTACK_REQUEST_ID": sent, "REQUEST_METHOD": "GET"}
    RequestId(app)(environ, lambda *_: lambda _: None)
    assert "openstack.global_request_id" not in SEEN


def test_a_header_that_the_app_sets_stays() -> None:
    def own(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [*SHARED, ("x-openstack-request-id", "its own")])
        return [b"ok"]

    assert call(RequestId(own), "/").headers["X-Openstack-Request-Id"] == "its own"


def test_an_unknown_key_is_a_warning_that_names_it(caplog: pytest.LogCaptureFixture) -> None:
    filter_factory({}, oslo_config_project="nova")
    assert "request_id: the key oslo_config_project is unknown" in caplog.text
