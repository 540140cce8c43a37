"""The whole path, end to end."""

from __future__ import annotations

import pytest

from tests.support.server import serve


@pytest.mark.parametrize("hub", ["epolls", "poll", "selects", "asyncio"])
def test_every_hub_serves_and_is_named_in_the_ready_line(hub: str) -> None:
    with serve("tests.apps.basic:hello", workers=1, hub=hub) as server:
        server.wait_line(
            rf"ready: http://127.0.0.1:{server.address[1]}, hub {hub}, 1 worker \(pid "
        )
        with server.connect() as client:
            for _ in range(3):
                response = client.get()
                assert (response.status, response.body) == (200, b"hello")
        server.wait_line(r'^127\.0\.0\.1 "GET / HTTP/1\.1" status: 200  len: 5 time: 0\.\d{7}$')
