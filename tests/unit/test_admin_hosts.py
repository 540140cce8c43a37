"""By which names the admin listener may be asked."""

from __future__ import annotations

import socket

import pytest

from wsgisrv.admin.asked import without_query
from wsgisrv.admin.hosts import Hosts
from wsgisrv.config import Settings

SETTINGS = Settings(admin_bind="node.example:9180", admin_hosts=("Metrics.example",))


@pytest.mark.parametrize(
    ("host", "is_known"),
    [
        ("localhost", True),
        ("LOCALHOST:80", True),
        ("localhost.", True),
        ("127.0.0.1:9180", True),
        ("10.1.2.3", True),
        ("[::1]:9180", True),
        ("[::1]", True),
        ("node.example:9180", True),
        ("metrics.example", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("localhost@evil.example", False),
        ("[evil.example]", False),
        ("", False),
        ("é", False),
    ],
)
def test_a_host_is_known_or_not(host: str, is_known: bool) -> None:
    assert (host in Hosts(SETTINGS, socket.AF_INET)) is is_known
    assert host in Hosts(SETTINGS, socket.AF_UNIX)


def test_without_admin_bind_as_a_name_an_empty_host_is_none() -> None:
    assert "" not in Hosts(Settings(), socket.AF_INET)


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("GET /a?key=secret HTTP/1.1", "GET /a?… HTTP/1.1"),
        (
            "admin: GET /a?b?c (3.00 s old, request id r-1)",
            "admin: GET /a?… (3.00 s old, request id r-1)",
        ),
        ("GET /a HTTP/1.1", "GET /a HTTP/1.1"),
    ],
)
def test_a_query_is_left_out(line: str, shown: str) -> None:
    assert without_query(line) == shown
