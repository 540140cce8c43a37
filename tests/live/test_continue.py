"""100 Continue: sent when the app reads, never once its response has begun."""

from __future__ import annotations

import socket

import pytest

from tests.support.server import serve

REQUEST = (
    b"PUT / HTTP/1.1\r\nHost: test\r\nConnection: %b\r\nExpect: 100-continue\r\n"
    b"Content-Length: 4\r\n\r\n"
)


@pytest.mark.parametrize("connection", [b"close", b"keep-alive"])
def test_a_response_that_has_begun_is_not_broken_by_100_continue(connection: bytes) -> None:
    with (
        serve("tests.apps.eager:answer_then_read", workers=1) as server,
        server.connect() as client,
    ):
        client.send(REQUEST % connection)
        client.socket.recv(1, socket.MSG_PEEK)  # the response has begun
        client.send(b"body")
        response = client.response("PUT")
        assert (response.status, response.body) == (200, b"begun body")
        assert response["connection"] == "close"
        client.assert_eof()
