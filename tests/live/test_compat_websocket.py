"""eventlet.websocket on the drop-in: the app speaks on the client's connection itself."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.certificates import Certificates
from tests.support.embedded import KILLED, LOGGED, embedded
from tests.support.http import Client
from tests.support.server import Server

HANDSHAKE = (
    b"GET /websocket HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: %d\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""What RFC 6455 1.3 answers to that key."""


def frame(text: bytes, opcode: int = 1) -> bytes:
    """Returns a client's frame (RFC 6455 5.2), masked with zeros."""
    return bytes((0x80 | opcode, 0x80 | len(text))) + bytes(4) + text


def answer(text: bytes, opcode: int = 1) -> bytes:
    return bytes((0x80 | opcode, len(text))) + text


def received(client: Client, count: int) -> bytes:
    data = b""
    while len(data) < count:
        data += client.socket.recv(count - len(data)) or pytest.fail(f"ended behind {data!r}")
    return data


def shake_hands(client: Client, behind: bytes = b"") -> None:
    client.send(HANDSHAKE % 13 + behind)
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += received(client, 1)
    assert head.startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert f"\r\nSec-WebSocket-Accept: {ACCEPT}\r\n".encode() in head


def echoes(client: Client, text: bytes) -> None:
    client.send(frame(text))
    assert received(client, len(text) + 2) == answer(text)


@contextlib.contextmanager
def connected(server: Server, certificates: Certificates | None) -> Iterator[Client]:
    with server.connect() as client:
        if certificates is not None:
            client.socket = certificates.trusting().wrap_socket(
                client.socket, server_hostname="api.test"
            )
        yield client


@pytest.mark.parametrize("encrypted", [False, True])
def test_messages_go_both_ways(tmp_path: Path, encrypted: bool) -> None:
    certificates = Certificates(tmp_path) if encrypted else None
    tls = str(certificates.issue("api.test")) if certificates else ""
    with embedded(tls=tls) as server, connected(server, certificates) as client:
        shake_hands(client)
        for text in (b"hello", b"x" * 125, b""):
            echoes(client, text)
        client.send(frame(b"\x03\xe8", opcode=8))
        assert received(client, 4) == answer(b"\x03\xe8", opcode=8)
        client.assert_eof()
        server.wait_line(LOGGED % ("GET /websocket HTTP/1.1", 101))


def test_what_comes_with_the_handshake_is_a_message() -> None:
    with embedded() as server, server.connect() as client:
        shake_hands(client, behind=frame(b"early"))
        assert received(client, 7) == answer(b"early")
        echoes(client, b"later")


def test_a_handshake_that_is_none_is_answered_and_the_connection_stays_the_servers() -> None:
    with embedded() as server, server.connect() as client:
        client.send(HANDSHAKE % 99)
        response = client.response()
        assert response.status == 426
        assert response["sec-websocket-version"] == "8, 13"
        assert response["connection"] == "close"
        client.assert_eof()


@pytest.mark.parametrize("pool", [0, 5])
def test_an_open_websocket_does_not_hold_up_the_servers_end(pool: int) -> None:
    with embedded(pool=pool) as server, server.connect() as client:
        shake_hands(client)
        echoes(client, b"hello")
        server.signal(signal.SIGTERM)
        server.wait_line(KILLED)
        assert client.raw_until_eof() in (b"", answer(b"", opcode=8))


def test_a_client_that_goes_away_is_no_error() -> None:
    with embedded() as server:
        with server.connect() as client:
            shake_hands(client)
            client.send(*(frame(b"x" * 100) for _ in range(50)))
        server.wait_line(LOGGED % ("GET /websocket HTTP/1.1", 101))
