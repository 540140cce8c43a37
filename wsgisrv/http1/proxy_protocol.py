"""The PROXY protocol: who a connection is from, in front of all else that comes on it.

Rules: bytes in, one header out; whatever is malformed is refused, since what follows would be somebody
else's. The header is read only from peers that the operator has named, and from those it must come.
Source: HAProxy, doc/proxy-protocol.txt (2.1 for version 1, 2.2 for version 2).
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import struct

MOST_BYTES = 4096
"""Longest header that is taken. Version 1 has at most 107 bytes; version 2 might announce 65551."""

_SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
_FIXED = len(_SIGNATURE) + 4
_V1_BYTES = 107
_PORT = "(0|[1-9][0-9]{0,4})"
_V1 = re.compile(f"PROXY (?:UNKNOWN(?: [\x20-\x7e]*)?|TCP([46]) ([^ ]+) ([^ ]+) {_PORT} {_PORT})")
_PORTS = struct.Struct("!HH")
_TLV = struct.Struct("!BH")
_SSL = struct.Struct("!BI")
_INET, _INET6, _UNIX = 1, 2, 3
_ADDRESS_BYTES = {0: 0, _INET: 4, _INET6: 16, _UNIX: 108}

_ALPN, _AUTHORITY, _CRC32C, _UNIQUE_ID, _SSL_TLV = 0x01, 0x02, 0x03, 0x05, 0x20
_SSL_VERSION, _SSL_CN, _SSL_CIPHER = 0x21, 0x22, 0x23
_CLIENT_SSL, _CERT_CONN, _CERT_SESS = 0x01, 0x02, 0x04


class ProxyProtocolError(Exception):
    """Raised for bytes that are no header; the connection is of no use."""


@dataclasses.dataclass(frozen=True, slots=True)
class ProxyTls:
    """What the proxy says about TLS between the client and itself.

    ``has_certificate``: the client showed one, now or earlier in the session; ``is_verified``: it was
    good. Texts are "" where the proxy does not say.
    """

    is_used: bool
    has_certificate: bool
    is_verified: bool
    version: str = ""
    common_name: str = ""
    cipher: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class ProxyHeader:
    """One header.

    ``client`` and ``server`` are address and port of the two ends as the proxy saw them; None for a
    connection of the proxy's own (LOCAL, a health check) and for one of an unknown kind. A unix
    socket's are its path and "". ``tlvs`` has the other fields of version 2, by type.
    """

    version: int
    client: tuple[str, str] | None = None
    server: tuple[str, str] | None = None
    alpn: str = ""
    authority: str = ""
    unique_id: bytes = b""
    tls: ProxyTls | None = None
    tlvs: dict[int, bytes] = dataclasses.field(default_factory=dict)


class ProxyReader:
    """Reads the header in front of one connection."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = b""

    def receive(self, data: bytes) -> tuple[ProxyHeader, bytes] | None:
        """Takes what came; returns the header and the bytes behind it, None while it is not complete.

        Raises:
            ProxyProtocolError: for what cannot become one.
        """
        self._buffer += data
        buffer = self._buffer
        if buffer[: len(_SIGNATURE)] == _SIGNATURE:
            return _read_v2(buffer)
        if _SIGNATURE.startswith(buffer):
            return None
        return _read_v1(buffer)


def _read_v1(buffer: bytes) -> tuple[ProxyHeader, bytes] | None:
    begin = b"PROXY "
    if buffer[: len(begin)] != begin[: len(buffer)]:
        raise ProxyProtocolError("no PROXY protocol header")
    end = buffer.find(b"\r\n")
    if end < 0 or end + 2 > _V1_BYTES:
        if len(buffer) >= _V1_BYTES:
            raise ProxyProtocolError("the line of version 1 is too long")
        return None
    match = _V1.fullmatch(buffer[:end].decode("latin-1"))
    if match is None:
        raise ProxyProtocolError("malformed line of version 1")
    family, source, destination, source_port, destination_port = match.groups()
    if family is None:
        return ProxyHeader(1), buffer[end + 2 :]
    kind = ipaddress.IPv4Address if family == "4" else ipaddress.IPv6Address
    try:
        client = (str(kind(source)), str(source_port))
        server = (str(kind(destination)), str(destination_port))
    except ValueError as error:
        raise ProxyProtocolError(f"version 1: {error}") from None
    if max(int(source_port), int(destination_port)) > 65535:
        raise ProxyProtocolError("version 1: a port above 65535")
    return ProxyHeader(1, client, server), buffer[end + 2 :]


def _read_v2(buffer: bytes) -> tuple[ProxyHeader, bytes] | None:
    if len(buffer) < _FIXED:
        return None
    command, family, length = buffer[12], buffer[13], int.from_bytes(buffer[14:16], "big")
    if command not in (0x20, 0x21):
        raise ProxyProtocolError(f"version 2: unknown version and command {command:#04x}")
    if family & 0x0F > 2 or family >> 4 > _UNIX:
        raise ProxyProtocolError(f"version 2: unknown family and protocol {family:#04x}")
    end = _FIXED + length
    if end > MOST_BYTES:
        raise ProxyProtocolError(f"version 2: {length} bytes, more than are taken")
    if len(buffer) < end:
        return None
    size = _ADDRESS_BYTES[family >> 4]
    ports = _PORTS.size if family >> 4 in (_INET, _INET6) else 0
    if length < 2 * size + ports:
        raise ProxyProtocolError("version 2: too short for its addresses")
    whole, rest = buffer[:end], buffer[end:]
    tlvs = _tlvs(whole[_FIXED + 2 * size + ports :])
    _check_crc(whole, tlvs)
    is_known = command == 0x21 and family & 0x0F == 1 and family >> 4 != 0
    client, server = _ends(family >> 4, whole[_FIXED:], size) if is_known else (None, None)
    header = ProxyHeader(
        2,
        client,
        server,
        alpn=_text(tlvs.pop(_ALPN, b"")),
        authority=_text(tlvs.pop(_AUTHORITY, b"")),
        unique_id=tlvs.pop(_UNIQUE_ID, b""),
        tls=_tls(tlvs.pop(_SSL_TLV)) if _SSL_TLV in tlvs else None,
        tlvs=tlvs,
    )
    return header, rest


def _ends(family: int, data: bytes, size: int) -> tuple[tuple[str, str], tuple[str, str]]:
    source, destination = data[:size], data[size : 2 * size]
    if family == _UNIX:
        paths = [
            end.partition(b"\0")[0].decode("utf-8", "replace") for end in (source, destination)
        ]
        return (paths[0], ""), (paths[1], "")
    ports = _PORTS.unpack_from(data, 2 * size)
    return (
        (str(ipaddress.ip_address(source)), str(ports[0])),
        (str(ipaddress.ip_address(destination)), str(ports[1])),
    )


def _tlvs(data: bytes) -> dict[int, bytes]:
    """Returns type-length-value fields; of two of a type the first (2.2: each stands once)."""
    found: dict[int, bytes] = {}
    at = 0
    while at < len(data):
        if at + _TLV.size > len(data):
            raise ProxyProtocolError("version 2: half a TLV")
        kind, length = _TLV.unpack_from(data, at)
        at += _TLV.size
        if at + length > len(data):
            raise ProxyProtocolError("version 2: a TLV is longer than the header")
        if kind in found:
            raise ProxyProtocolError(f"version 2: TLV {kind:#04x} stands twice")
        found[kind] = data[at : at + length]
        at += length
    return found


def _tls(data: bytes) -> ProxyTls:
    if len(data) < _SSL.size:
        raise ProxyProtocolError("version 2: half a TLS field")
    client, verify = _SSL.unpack_from(data)
    parts = _tlvs(data[_SSL.size :])
    has_certificate = bool(client & (_CERT_CONN | _CERT_SESS))
    return ProxyTls(
        is_used=bool(client & _CLIENT_SSL),
        has_certificate=has_certificate,
        is_verified=has_certificate and verify == 0,
        version=_text(parts.get(_SSL_VERSION, b"")),
        common_name=_text(parts.get(_SSL_CN, b"")),
        cipher=_text(parts.get(_SSL_CIPHER, b"")),
    )


def _text(data: bytes) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        raise ProxyProtocolError("version 2: a text that is not UTF-8") from None
    if not text.isprintable():
        raise ProxyProtocolError("version 2: a text with a control character")
    return text


def _check_crc(whole: bytes, tlvs: dict[int, bytes]) -> None:
    """2.2.3: over the whole header, with zeros in the place of the sum itself."""
    wanted = tlvs.pop(_CRC32C, None)
    if wanted is None:
        return
    if len(wanted) != 4:
        raise ProxyProtocolError("version 2: a CRC32c has four bytes")
    at = whole.index(_TLV.pack(_CRC32C, 4) + wanted, _FIXED) + _TLV.size
    if crc32c(whole[:at] + bytes(4) + whole[at + 4 :]) != int.from_bytes(wanted, "big"):
        raise ProxyProtocolError("version 2: the CRC32c is wrong")


def _table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)  # noqa: PLW2901 -- the remainder
        table.append(value)
    return tuple(table)


_CRC_TABLE = _table()


def crc32c(data: bytes) -> int:
    """Returns the Castagnoli CRC (RFC 3720 B.4)."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC_TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF
