"""PROXY protocol headers, written from the specification for the tests."""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Sequence

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"


def v1(client: tuple[str, int], server: tuple[str, int]) -> bytes:
    kind = "TCP6" if ":" in client[0] else "TCP4"
    return f"PROXY {kind} {client[0]} {server[0]} {client[1]} {server[1]}\r\n".encode()


def v2(
    client: tuple[str, int] | None,
    server: tuple[str, int] | None = None,
    tlvs: Sequence[tuple[int, bytes]] = (),
) -> bytes:
    """Returns a header of TCP, or a LOCAL one without addresses."""
    fields = b"".join(struct.pack("!BH", kind, len(value)) + value for kind, value in tlvs)
    if client is None or server is None:
        return SIGNATURE + struct.pack("!BBH", 0x20, 0, len(fields)) + fields
    ends = [ipaddress.ip_address(end[0]) for end in (client, server)]
    family = 0x11 if ends[0].version == 4 else 0x21
    data = b"".join(end.packed for end in ends) + struct.pack("!HH", client[1], server[1]) + fields
    return SIGNATURE + struct.pack("!BBH", 0x21, family, len(data)) + data


def tls_tlv(common_name: str = "", *, verified: bool = True) -> tuple[int, bytes]:
    """Returns the field that tells of TLS, with a client's certificate if it has a name."""
    parts = struct.pack("!BH", 0x21, 7) + b"TLSv1.3"
    if common_name:
        name = common_name.encode()
        parts += struct.pack("!BH", 0x22, len(name)) + name
    client = 0x01 | (0x02 if common_name else 0)
    return 0x20, struct.pack("!BI", client, 0 if verified else 1) + parts
