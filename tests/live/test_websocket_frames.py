"""WebSocket frames by hand: what a client may send, and what ends the connection with which code."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from tests.support.frames import (
    BINARY,
    CLOSE,
    CONTINUATION,
    HANDSHAKE,
    PING,
    PONG,
    TEXT,
    close_payload,
    frame,
    receive_close,
    receive_frame,
)
from tests.support.http import Client
from tests.support.server import Server, serve


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve("tests.apps.websockets:echo", workers=1) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with server.connect() as client:
        assert client.get("/", *HANDSHAKE).status == 101
        yield client


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([frame(TEXT, b"x", masked=False)], 1002),
        ([frame(TEXT, b"x", rsv=4)], 1002),
        ([frame(TEXT, b"x", rsv=1)], 1002),
        ([frame(3)], 1002),
        ([frame(11)], 1002),
        ([frame(PING, b"x" * 126)], 1002),
        ([frame(PING, fin=False)], 1002),
        ([frame(CONTINUATION, b"x")], 1002),
        ([frame(TEXT, b"x", fin=False), frame(TEXT, b"x")], 1002),
        ([b"\x82\xfe\x00\x01" + bytes(5)], 1002),  # a length of two bytes that one could hold
        ([b"\x82\xff\x80" + bytes(7)], 1002),  # a negative length
        ([frame(TEXT, b"\xff")], 1007),
        ([frame(TEXT, b"\xc3")], 1007),
        ([frame(TEXT, b"\xed\xa0\x80")], 1007),
        ([frame(TEXT, b"\xc3", fin=False), frame(CONTINUATION, b"x")], 1007),
        ([frame(CLOSE, b"x")], 1002),
        ([frame(CLOSE, close_payload(999))], 1002),
        ([frame(CLOSE, close_payload(1005))], 1002),
        ([frame(CLOSE, close_payload(1006))], 1002),
        ([frame(CLOSE, close_payload(5000))], 1002),
        ([frame(CLOSE, close_payload(1000) + b"\xff")], 1007),
        ([b"\x82\xff" + (1 << 40).to_bytes(8, "big") + bytes(4) + bytes(200_000)], 1009),
        ([frame(BINARY, bytes(60_000), fin=False), frame(CONTINUATION, bytes(60_000))], 1009),
    ],
)
def test_a_client_that_breaks_the_protocol_is_told_with_which_code(
    client: Client, frames: list[bytes], code: int
) -> None:
    client.send(*frames)
    assert receive_close(client) == code


@pytest.mark.parametrize("code", [1000, 1001, 1003, 1011, 3000, 4999])
def test_a_close_frame_is_answered_with_its_own_code(client: Client, code: int) -> None:
    client.send(frame(CLOSE, close_payload(code, "done")) + frame(TEXT, b"behind it"))
    assert receive_close(client) == code


def test_a_close_frame_without_a_code_is_answered_without_one(client: Client) -> None:
    client.send(frame(CLOSE))
    assert receive_close(client) == 0


def test_frames_cut_at_every_byte_are_read_as_whole_ones(client: Client) -> None:
    text = "ä€😀".encode()
    sent = (
        frame(TEXT, text[:3], fin=False)
        + frame(PING, b"between")
        + frame(CONTINUATION, text[3:])
        + frame(PONG, b"not asked for")
        + frame(BINARY, bytes(range(200)))
    )
    for byte in sent:
        client.send(bytes([byte]))
    assert receive_frame(client) == (PONG, b"between")
    assert receive_frame(client) == (TEXT, text)
    assert receive_frame(client) == (BINARY, bytes(range(200)))


def test_frames_that_came_with_the_handshake_are_not_lost(server: Server) -> None:
    with server.connect() as client:
        head = "\r\n".join(("GET / HTTP/1.1", "Host: test", *HANDSHAKE, "", "")).encode()
        client.send(head + frame(TEXT, b"early") + frame(PING, b"bird"))
        assert client.response().status == 101
        assert receive_frame(client) == (TEXT, b"early")
        assert receive_frame(client) == (PONG, b"bird")


def test_a_flood_of_pings_that_nobody_reads_the_answers_of_is_bounded(server: Server) -> None:
    with server.connect(receive_buffer=4096) as flood:
        assert flood.get("/", *HANDSHAKE).status == 101
        flood.socket.settimeout(1)
        piece = frame(PING, b"x" * 125) * 1000  # 128 KiB
        with pytest.raises(TimeoutError):  # it is not read any more
            flood.socket.sendall(piece * 500)
        with server.connect() as honest:
            assert honest.get("/", *HANDSHAKE).status == 101
            honest.send(frame(TEXT, b"fine"))
            assert receive_frame(honest) == (TEXT, b"fine")


def test_a_flood_of_pings_whose_answers_are_read_leaves_the_others_their_turns(
    server: Server,
) -> None:
    piece = frame(PING, b"x" * 125) * 1000
    enough = threading.Event()

    def pour() -> None:
        while not enough.is_set():
            flood.socket.sendall(piece)

    def drink() -> None:
        while flood.socket.recv(1 << 20):
            pass

    with server.connect() as flood, server.connect() as honest:
        assert flood.get("/", *HANDSHAKE).status == 101
        assert honest.get("/", *HANDSHAKE).status == 101
        threads = [threading.Thread(target=each) for each in (pour, drink)]
        for thread in threads:
            thread.start()
        try:
            for _ in range(20):
                honest.send(frame(TEXT, b"fine"))
                assert receive_frame(honest) == (TEXT, b"fine")
        finally:
            enough.set()
            threads[0].join()
            flood.socket.shutdown(socket.SHUT_WR)
            threads[1].join()
