"""What the environ says of a client behind proxies."""

from __future__ import annotations

from typing import Any

import pytest

from wsgisrv.http1.believed import believe_proxies
from wsgisrv.http1.proxy_protocol import ProxyHeader
from wsgisrv.networks import Networks

PROXY = ("10.0.0.1", "4711")
SAID = {"HTTP_X_FORWARDED_FOR": "203.0.113.7"}


def client_of(header: ProxyHeader | None) -> tuple[tuple[str, str], dict[str, Any]]:
    environ: dict[str, Any] = dict(SAID)
    if header is not None:
        environ["wsgisrv.proxy_protocol"] = header
    trusted = Networks(("10.0.0.0/8", "unix"))
    return believe_proxies(environ, SAID, PROXY, trusted, ("x-forwarded-for",)), environ


@pytest.mark.parametrize(
    "header", [None, ProxyHeader(2, is_local=True), ProxyHeader(1, client=PROXY)]
)
def test_a_trusted_proxy_s_own_connection_is_believed(header: ProxyHeader | None) -> None:
    client, environ = client_of(header)
    assert client == ("203.0.113.7", "")
    assert environ["wsgisrv.peer"] == PROXY


@pytest.mark.parametrize("version", [1, 2])
def test_a_connection_relayed_for_an_unknown_client_is_not_believed(version: int) -> None:
    client, environ = client_of(ProxyHeader(version))
    assert client == PROXY
    assert "HTTP_X_FORWARDED_FOR" not in environ
