"""The PROXY protocol: who a connection is from, in front of all else that comes on it.

Rules: bytes in, one header out; whatever is malformed is refused, since what follows would be somebody
else's. The header is read only from peers that the operator has named, and from those it must come.
Source: HAProxy, doc/proxy-protocol.txt (2.1 for version 1, 2.2 for version 2), which says in prose:

    header  = v1 / v2
    v1      = "PROXY " ( tcp4 / tcp6 / "UNKNOWN" [ SP *VCHAR ] ) CRLF          at most 107 bytes
    tcp4    = "TCP4" SP IPv4address SP IPv4address SP port SP port             source first
    tcp6    = "TCP6" SP IPv6address SP IPv6address SP port SP port             no brackets, no zone
    port    = "0" / digit from 1 *4DIGIT                                       to 65535
    v2      = %x0D.0A.0D.0A.00.0D.0A.51.55.49.54.0A command family length block
    command = %x20 (LOCAL) / %x21 (PROXY)
    family  = one byte: 0 unspecified, 1 IPv4, 2 IPv6, 3 unix; then 0 unspecified, 1 stream, 2 datagram
    length  = uint16, of the block
    block   = source destination [ uint16 uint16 ] *TLV                        ports of IPv4 and IPv6
    TLV     = uint8 (type) uint16 (length) value;  TLS = uint8 (client) uint32 (verify) *TLV

The block of a LOCAL header is not read, "including the family which is ignored" (2.2).
"""

from __future__ import annotations

import dataclasses
import ipaddress
import re
import struct
from collections.abc import Iterable, Iterator

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
_LOCAL, _PROXY = 0x20, 0x21
_INET, _INET6, _UNIX = 1, 2, 3
_ADDRESS_BYTES = {0: 0, _INET: 4, _INET6: 16, _UNIX: 108}

_ALPN, _AUTHORITY, _CRC32C, _NOOP, _UNIQUE_ID, _SSL_TLV = 0x01, 0x02, 0x03, 0x04, 0x05, 0x20
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
    connection of the proxy's own (``is_local``, a health check) and for one of an unknown kind. A unix
    socket's are ``unix:`` with its path, and "": a client chooses the path, which may look like an
    address. ``tlvs`` has the other fields of version 2, by type, padding left out.
    """

    version: int
    is_local: bool = False
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
    if "%" in source or "%" in destination:  # ipaddress takes any text for a zone
        raise ProxyProtocolError("version 1: an address with a zone")
    kind = ipaddress.IPv4Address if family == "4" else ipaddress.IPv6Address
    try:
        client = (str(kind(source)), str(source_port))
        server = (str(kind(destination)), str(destination_port))
    except ValueError as error:
        raise ProxyProtocolError(f"version 1: {error}") from None
    if max(int(source_port), int(destination_port)) > 65535:
        raise ProxyProtocolError("version 1: a port above 65535")
    return ProxyHeader(1, client=client, server=server), buffer[end + 2 :]


def _read_v2(buffer: bytes) -> tuple[ProxyHeader, bytes] | None:
    if len(buffer) < _FIXED:
        return None
    command, family, length = buffer[12], buffer[13], int.from_bytes(buffer[14:16], "big")
    if command not in (_LOCAL, _PROXY):
        raise ProxyProtocolError(f"version 2: unknown version and command {command:#04x}")
    end = _FIXED + length
    if end > MOST_BYTES:
        raise ProxyProtocolError(f"version 2: {length} bytes, more than are taken")
    if command == _PROXY and (family & 0x0F > 2 or family >> 4 > _UNIX):
        raise ProxyProtocolError(f"version 2: unknown family and protocol {family:#04x}")
    if len(buffer) < end:
        return None
    header = _relayed(buffer[:end], family) if command == _PROXY else ProxyHeader(2, is_local=True)
    return header, buffer[end:]


def _relayed(whole: bytes, family: int) -> ProxyHeader:
    """Reads the block of a PROXY command, ``whole`` being the header from its first byte on."""
    size = _ADDRESS_BYTES[family >> 4]
    ports = _PORTS.size if family >> 4 in (_INET, _INET6) else 0
    at = _FIXED + 2 * size + ports
    if len(whole) < at:
        raise ProxyProtocolError("version 2: too short for its addresses")
    _check_crc(whole, at)
    tlvs = _once(_tlvs(whole, at))
    is_known = family & 0x0F == 1 and family >> 4 != 0
    client, server = _ends(family >> 4, whole[_FIXED:at], size) if is_known else (None, None)
    return ProxyHeader(
        2,
        client=client,
        server=server,
        alpn=_text(tlvs.pop(_ALPN, b"")),
        authority=_text(tlvs.pop(_AUTHORITY, b"")),
        unique_id=tlvs.pop(_UNIQUE_ID, b""),
        tls=_tls(tlvs.pop(_SSL_TLV)) if _SSL_TLV in tlvs else None,
        tlvs=tlvs,
    )


def _ends(family: int, data: bytes, size: int) -> tuple[tuple[str, str], tuple[str, str]]:
    source, destination = data[:size], data[size : 2 * size]
    if family == _UNIX:
        paths = [_text(end.partition(b"\0")[0]) for end in (source, destination)]
        return (f"unix:{paths[0]}", ""), (f"unix:{paths[1]}", "")
    ports = _PORTS.unpack_from(data, 2 * size)
    return (
        (str(ipaddress.ip_address(source)), str(ports[0])),
        (str(ipaddress.ip_address(destination)), str(ports[1])),
    )


def _tlvs(data: bytes, at: int) -> Iterator[tuple[int, int, bytes]]:
    """Yields the type of each type-length-value field from ``at`` on, its value's place, and its value."""
    while at < len(data):
        if at + _TLV.size > len(data):
            raise ProxyProtocolError("version 2: half a TLV")
        kind, length = _TLV.unpack_from(data, at)
        at += _TLV.size
        if at + length > len(data):
            raise ProxyProtocolError("version 2: a TLV is longer than the header")
        yield kind, at, data[at : at + length]
        at += length


def _once(tlvs: Iterable[tuple[int, int, bytes]]) -> dict[int, bytes]:
    """Returns values by type, without padding and sum. Of two of a type, nobody can say which counts."""
    found: dict[int, bytes] = {}
    for kind, _, value in tlvs:
        if kind in (_NOOP, _CRC32C):
            continue
        if kind in found:
            raise ProxyProtocolError(f"version 2: TLV {kind:#04x} stands twice")
        found[kind] = value
    return found


def _tls(data: bytes) -> ProxyTls:
    if len(data) < _SSL.size:
        raise ProxyProtocolError("version 2: half a TLS field")
    client, verify = _SSL.unpack_from(data)
    parts = _once(_tlvs(data, _SSL.size))
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


def _check_crc(whole: bytes, begin: int) -> None:
    """2.2.3: over the whole header, with zeros in the place of the sum itself."""
    sums = [(at, value) for kind, at, value in _tlvs(whole, begin) if kind == _CRC32C]
    if not sums:
        return
    at, wanted = sums[0]
    if len(sums) > 1 or len(wanted) != 4:
        raise ProxyProtocolError("version 2: a CRC32c stands once and has four bytes")
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
