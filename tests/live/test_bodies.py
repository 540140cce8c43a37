"""Bodies of any size, streamed both ways with flat memory."""

from __future__ import annotations

import hashlib
from pathlib import Path

from tests.support.server import serve

MIB = 1024 * 1024
GIB = 1024 * MIB
ROOM = 24 * MIB
"""By how much a worker may grow while it passes a GiB through: a few buffers and what malloc keeps."""


def resident(pid: int, what: str = "VmHWM") -> int:
    """Returns the most memory that the process ever had (proc(5), VmHWM), in bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(what)


def test_100_continue_is_sent_when_the_app_reads_and_not_before() -> None:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    with serve("tests.apps.basic:echo", workers=1) as server, server.connect() as client:
        client.send(head)
        assert client.response().status == 100
        client.send(b"hello")
        assert client.response().json()["body"] == "hello"
    with serve("tests.apps.streams:early", workers=1) as server, server.connect() as client:
        client.send(head)
        response = client.response()
        # The body may come or not, so nothing after it could be told apart.
        assert (response.status, response["connection"]) == (403, "close")


def test_a_long_body_that_the_app_ignores_ends_the_connection_after_the_response() -> None:
    with serve("tests.apps.streams:early", workers=1) as server, server.connect() as client:
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10000000\r\n\r\n")
        response = client.response()
        assert (response.status, response["connection"]) == (403, "close")


def test_a_gibibyte_uploaded_to_a_slow_app_leaves_memory_flat() -> None:
    piece = hashlib.sha256(b"seed").digest() * (MIB // 32)
    expected = hashlib.sha256()
    with serve("tests.apps.streams:sha256", workers=1) as server, server.connect() as client:
        (pid,) = server.wait_ready()
        assert client.get().status == 200
        before = resident(pid)
        client.send(b"POST /?0.001 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % GIB)
        for _ in range(GIB // MIB):
            expected.update(piece)
            client.send(piece)
        assert client.response().body.decode() == expected.hexdigest()
        assert resident(pid) - before < ROOM


def test_a_gibibyte_in_chunks_leaves_memory_flat() -> None:
    piece = bytes(range(256)) * (MIB // 256)
    expected = hashlib.sha256()
    with serve("tests.apps.streams:sha256", workers=1) as server, server.connect() as client:
        (pid,) = server.wait_ready()
        assert client.get().status == 200
        before = resident(pid)
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(GIB // MIB):
            expected.update(piece)
            client.send(b"%x\r\n" % MIB, piece, b"\r\n")
        client.send(b"0\r\n\r\n")
        assert client.response().body.decode() == expected.hexdigest()
        assert resident(pid) - before < ROOM


def test_a_gibibyte_downloaded_by_a_slow_client_leaves_memory_flat() -> None:
    with serve("tests.apps.streams:zeros", workers=1) as server, server.connect() as client:
        (pid,) = server.wait_ready()
        assert client.get("/?1").status == 200
        before = resident(pid)
        client.send(b"GET /?1024 HTTP/1.0\r\n\r\n")
        total = 0
        buffer = bytearray(MIB)
        while count := client.socket.recv_into(buffer):
            total += count
        assert GIB < total < GIB + 1000
        assert resident(pid) - before < ROOM


def test_a_file_of_a_gibibyte_leaves_memory_flat() -> None:
    with serve("tests.apps.files:files", workers=1) as server, server.connect() as client:
        (pid,) = server.wait_ready()
        assert len(client.get().body) == 3 * MIB
        before = resident(pid)
        client.send(b"GET /gibibyte HTTP/1.0\r\n\r\n")
        total = 0
        buffer = bytearray(MIB)
        while count := client.socket.recv_into(buffer):
            total += count
        assert GIB < total < GIB + 1000
        assert resident(pid) - before < ROOM
