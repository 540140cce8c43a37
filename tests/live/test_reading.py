"""Reading the body: every way gives it whole, what is wrong with it is told, and what nobody reads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.apps.reading import READERS
from tests.support.server import Server, serve

BODY = b"one\ntwo two\n\nthree\n" + b"long " * 100 + b"\nno end"
CHUNKED = b"POST %b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
EARLY = "tests.apps.streams:early"


def chunks(size: int) -> bytes:
    pieces = [BODY[at : at + size] for at in range(0, len(BODY), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve("tests.apps.reading:echo", workers=1) as server:
        yield server


@pytest.mark.parametrize("path", READERS)
def test_every_way_to_read_gives_the_whole_body(path: str, server: Server) -> None:
    target = path.encode()
    with server.connect() as client:
        client.send(b"POST %b HTTP/1.1\r\nHost: x\r\n" % target)
        client.send(b"Content-Length: %d\r\n\r\n%b" % (len(BODY), BODY))
        assert client.response().body == BODY
        for size in (1, 7, 1000):
            client.send(CHUNKED % target + chunks(size))
            assert client.response().body == BODY
        client.send(b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n" % target)
        assert client.response().body == b""


WAITING = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"


@pytest.mark.parametrize(
    ("head", "body", "line"),
    [
        (b"Transfer-Encoding: chunked", b"1\r\na\r\nx\r\n", "invalid chunk-size line"),
        (b"Transfer-Encoding: chunked", b"1\r\nabc", "chunk data is not followed by CRLF"),
        (b"Transfer-Encoding: chunked", b"1\r\na\r\n0\r\n:\r\n", "invalid trailer field"),
        (b"Transfer-Encoding: chunked", b"3e9\r\n", "the body is longer than the server allows"),
        (b"Transfer-Encoding: chunked", b"1\r\na", "the request body took too long to arrive"),
        (b"Content-Length: 2", b"a", "the request body took too long to arrive"),
    ],
)
def test_a_body_that_goes_wrong_while_it_is_read_raises_again_and_again_and_ends_the_connection(
    head: bytes, body: bytes, line: str, failing: Server
) -> None:
    with failing.connect() as client:
        client.send(WAITING + head + b"\r\n\r\n")
        assert client.response().status == 100  # the app reads
        client.send(body)
        response = client.response()
        assert response.body.decode() == f"{line}|{line}"
        assert response["connection"] == "close"
        client.assert_eof()


@pytest.fixture(scope="module")
def failing() -> Iterator[Server]:
    app = "tests.apps.reading:catches"
    with serve(app, workers=1, body_timeout=0.3, max_body_bytes=1000) as server:
        yield server


def test_a_client_that_closes_in_the_middle_of_its_body_is_told_to_the_app(failing: Server) -> None:
    line = "the client closed before the end of the request body"
    with failing.connect() as client:
        client.send(WAITING + b"Content-Length: 2\r\n\r\n")
        assert client.response().status == 100
        client.send(b"a")
        client.end()
        assert client.response().body.decode() == f"{line}|{line}"
        client.assert_eof()


def test_an_unread_body_is_drained_up_to_max_drain_bytes() -> None:
    with serve(EARLY, workers=1, max_drain_bytes=100) as server:
        with server.connect() as client:
            for _ in range(3):
                client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n1")
                assert "connection" not in client.response()
                client.send(b"GET HTTP/1.1\r\n\r\n".ljust(100))  # the body: never a request
            assert client.get().status == 403
        with server.connect() as client:
            client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n")
            assert client.response()["connection"] == "close"
            client.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".ljust(101))
            client.assert_eof()


def test_an_unread_chunked_body_is_drained_only_if_it_has_come_whole() -> None:
    with serve(EARLY, workers=1) as server, server.connect() as client:
        client.send(CHUNKED % b"/" + chunks(5))
        assert "connection" not in client.response()
        client.send(CHUNKED % b"/" + chunks(5)[:-1])
        assert client.response()["connection"] == "close"
        client.assert_eof()


@pytest.mark.parametrize(
    "begun",
    [
        b"GET / HTTP/1.1\r\n\r\n",  # refused by the reader
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n",  # and by the app
    ],
)
def test_a_client_that_goes_on_sending_still_gets_its_answer(begun: bytes) -> None:
    with serve(EARLY, workers=1) as server, server.connect() as client:
        client.send(begun, bytes(8 * 1024 * 1024))
        response = client.response()
        assert response.status in (400, 403)
        assert response["connection"] == "close"
        client.assert_eof()
