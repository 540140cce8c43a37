"""The client of the live tests: it takes what is right, and nothing that is almost right."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator

import pytest

from tests.support.http import Client


@contextlib.contextmanager
def client_of(*pieces: bytes, reset: bool = False) -> Iterator[Client]:
    """A client whose server has sent this and closed."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        Client(listener.getsockname()) as client,
    ):
        server, _ = listener.accept()
        with server:
            for piece in pieces:
                server.sendall(piece)
            if reset:
                linger = struct.pack("ii", 1, 0)
                server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        yield client


def test_a_body_of_a_length_ends_where_it_says() -> None:
    with client_of(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nA: b\r\n\r\nab") as client:
        response = client.response()
        assert (response.status, response.reason, response.body) == (200, "OK", b"ab")
        assert response["a"] == "b"
        client.assert_eof()


def test_a_chunked_body_is_joined() -> None:
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0a\r\nbcdefghijk\r\n0\r\n\r\n"
    with client_of(*(data[at : at + 1] for at in range(len(data)))) as client:
        assert client.response().body == b"abcdefghijk"
        client.assert_eof()


def test_a_body_without_framing_lasts_to_the_end_of_a_connection_that_says_so() -> None:
    with client_of(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nab") as client:
        assert client.response().body == b"ab"
    with client_of(b"HTTP/1.1 200 OK\r\n\r\nab") as client, pytest.raises(AssertionError):
        client.response()


def test_several_responses_are_told_apart() -> None:
    with client_of(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 \r\n\r\n"
        b"HTTP/1.1 304 Same\r\nContent-Length: 5\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    ) as client:
        assert [client.response().status for _ in range(3)] == [100, 204, 304]
        assert client.response("HEAD").body == b""
        assert client.response().status == 200
        client.assert_eof()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 600 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 O\x00K\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n Content-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\rc\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: +0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n 1\r\na\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n",
    ],
)
def test_what_no_server_may_send_is_noticed(data: bytes) -> None:
    with client_of(data) as client, pytest.raises(AssertionError):
        client.response()


def test_bytes_behind_the_last_response_are_noticed() -> None:
    with client_of(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nX") as client:
        client.response()
        with pytest.raises(AssertionError):
            client.assert_eof()


def test_a_reset_is_not_taken_for_an_end() -> None:
    with client_of(reset=True) as client, pytest.raises(ConnectionResetError):
        client.assert_eof()
