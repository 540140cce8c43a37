"""WebSocket frames by hand, right and wrong ones (RFC 6455 section 5.2)."""

from __future__ import annotations

import struct

from tests.support.http import Client

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
_MASK = b"\x01\x02\x03\x04"

HANDSHAKE = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
"""The fields of RFC 6455 1.3's example; its answer is ACCEPTED."""

ACCEPTED = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, rsv: int = 0, masked: bool = True
) -> bytes:
    """Returns a client's frame."""
    size = len(payload)
    flag = 0x80 if masked else 0
    if size < 126:
        head = struct.pack("!BB", fin << 7 | rsv << 4 | opcode, flag | size)
    elif size < 65536:
        head = struct.pack("!BBH", fin << 7 | rsv << 4 | opcode, flag | 126, size)
    else:
        head = struct.pack("!BBQ", fin << 7 | rsv << 4 | opcode, flag | 127, size)
    if not masked:
        return head + payload
    return head + _MASK + bytes(byte ^ _MASK[at % 4] for at, byte in enumerate(payload))


def close_payload(code: int, reason: str = "") -> bytes:
    return struct.pack("!H", code) + reason.encode()


def receive_frame(client: Client) -> tuple[int, bytes]:
    """Returns opcode and payload of the server's next frame, which is whole and has no mask."""
    first, size = client.take(2)
    assert first & 0xF0 == 0x80
    if size == 126:
        (size,) = struct.unpack("!H", client.take(2))
    elif size == 127:
        (size,) = struct.unpack("!Q", client.take(8))
    assert size < 1 << 31
    return first & 0x0F, client.take(size)


def receive_close(client: Client) -> int:
    """Returns the code of the close frame that comes next, 0 for none in it, and sees the end."""
    opcode, payload = receive_frame(client)
    assert opcode == CLOSE, (opcode, payload)
    client.assert_eof()
    return int(struct.unpack("!H", payload[:2])[0]) if payload else 0
