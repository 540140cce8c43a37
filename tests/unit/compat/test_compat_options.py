from __future__ import annotations

import pytest

from tests.support.options import drop_in_options as options
from wsgisrv.config import Settings


def test_limits_are_the_callers() -> None:
    settings = options().settings()
    assert settings.pool_size == 7
    assert settings.max_target_bytes == 9000
    assert (settings.max_header_bytes, settings.max_headers_bytes) == (1000, 2000)


def test_what_eventlet_leaves_unbounded_keeps_our_bounds() -> None:
    ours, settings = Settings(), options().settings()
    for name in ("header_timeout", "body_timeout", "write_timeout", "keepalive_timeout"):
        assert getattr(settings, name) == getattr(ours, name) > 0


def test_socket_timeout_is_for_heads_bodies_and_responses() -> None:
    settings = options(socket_timeout=0.5).settings()
    assert settings.header_timeout == settings.body_timeout == settings.write_timeout == 0.5
    assert settings.keepalive_timeout == Settings().keepalive_timeout


@pytest.mark.parametrize(
    ("keepalive", "seconds"), [(False, 0.0), (0, 0.0), (2.5, 2.5), (3, 3.0), (True, 75.0)]
)
def test_keepalive_is_a_switch_or_seconds(keepalive: float, seconds: float) -> None:
    assert options(keepalive=keepalive).settings().keepalive_timeout == seconds


def test_http10_keeps_no_connection() -> None:
    assert options(max_http_version="HTTP/1.0").settings().keepalive_timeout == 0
