"""The PROXY protocol's header: written and read, cut anywhere, and malformed in every place."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.proxy_headers import SIGNATURE, tls_tlv, v1, v2
from wsgisrv.http1.proxy_protocol import (
    ProxyHeader,
    ProxyProtocolError,
    ProxyReader,
    ProxyTls,
    crc32c,
)

REST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
PORTS = st.integers(0, 65535)
ENDS = st.one_of(
    st.tuples(*[st.tuples(st.ip_addresses(v=4).map(str), PORTS)] * 2),
    st.tuples(*[st.tuples(st.ip_addresses(v=6).map(str), PORTS)] * 2),
)


def read(pieces: list[bytes]) -> tuple[ProxyHeader, bytes]:
    reader = ProxyReader()
    for number, piece in enumerate(pieces):
        found = reader.receive(piece)
        if found is not None:
            return found[0], found[1] + b"".join(pieces[number + 1 :])
    raise AssertionError("the header is not complete")


def every_cut(data: bytes) -> list[list[bytes]]:
    cuts = [[data[:at], data[at:]] for at in range(1, len(data))]
    return [[data], *cuts, [data[at : at + 1] for at in range(len(data))]]


def text(end: tuple[str, int]) -> tuple[str, str]:
    return end[0], str(end[1])


@given(ENDS)
def test_version_1_says_both_ends_wherever_it_is_cut(
    ends: tuple[tuple[str, int], tuple[str, int]],
) -> None:
    for pieces in every_cut(v1(*ends) + REST):
        header, rest = read(pieces)
        assert (header.client, header.server) == (text(ends[0]), text(ends[1]))
        assert rest == REST


@given(ENDS, st.lists(st.tuples(st.sampled_from((0x04, 0x30, 0xE0)), st.binary(max_size=9)),
                      unique_by=lambda tlv: tlv[0]))  # fmt: skip
def test_version_2_says_both_ends_and_its_fields_wherever_it_is_cut(
    ends: tuple[tuple[str, int], tuple[str, int]], tlvs: list[tuple[int, bytes]]
) -> None:
    for pieces in every_cut(v2(*ends, tlvs) + REST):
        header, rest = read(pieces)
        assert (header.client, header.server) == (text(ends[0]), text(ends[1]))
        assert header.tlvs == dict(tlvs)
        assert rest == REST


def test_the_known_fields_have_names() -> None:
    tlvs = [(0x01, b"h2"), (0x02, b"api.test"), (0x05, b"\x00id"), tls_tlv("client")]
    header, _ = read([v2(("1.2.3.4", 5), ("5.6.7.8", 9), tlvs)])
    assert (header.alpn, header.authority, header.unique_id) == ("h2", "api.test", b"\x00id")
    assert header.tls == ProxyTls(True, True, True, "TLSv1.3", "client", "")
    assert header.tlvs == {}
    header, _ = read([v2(("1.2.3.4", 5), ("5.6.7.8", 9), [tls_tlv("forged", verified=False)])])
    assert header.tls is not None
    assert not header.tls.is_verified
    header, _ = read([v2(("1.2.3.4", 5), ("5.6.7.8", 9), [tls_tlv()])])
    assert header.tls is not None
    assert not header.tls.is_verified, "nobody was verified who showed nothing"


@pytest.mark.parametrize(
    "raw",
    [
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN ::1 whatever it is 1 2\r\n",
        v2(None),
        v2(None, None, [(0x04, b"padding")]),
        SIGNATURE + struct.pack("!BBH", 0x21, 0x00, 0),
        SIGNATURE + struct.pack("!BBH", 0x20, 0x11, 12) + bytes(12),
        SIGNATURE + struct.pack("!BBH", 0x21, 0x12, 12) + bytes(12),  # UDP: no connection of ours
    ],
)
def test_a_header_may_say_nothing_of_the_client(raw: bytes) -> None:
    header, rest = read([raw + REST])
    assert header.client is None
    assert rest == REST


def test_a_unix_socket_has_a_path() -> None:
    data = b"/client".ljust(108, b"\0") + b"/server".ljust(108, b"\0")
    header, _ = read([SIGNATURE + struct.pack("!BBH", 0x21, 0x31, len(data)) + data])
    assert (header.client, header.server) == (("/client", ""), ("/server", ""))


def with_crc(raw: bytes, *, wrong: int = 0) -> bytes:
    """Returns a header whose last seven bytes are a sum with zeros in its place, with the sum."""
    return raw[:-4] + (crc32c(raw) ^ wrong).to_bytes(4, "big")


def test_a_sum_is_checked() -> None:
    assert crc32c(b"123456789") == 0xE3069283
    raw = v2(("1.2.3.4", 5), ("5.6.7.8", 9), [(0x02, b"x"), (0x03, bytes(4))])
    assert read([with_crc(raw)])[0].authority == "x"
    with pytest.raises(ProxyProtocolError, match="CRC32c is wrong"):
        read([with_crc(raw, wrong=1)])


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x16\x03\x01",
        b"PROXY\r\n",
        b"proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n\r\n",
        b"PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
        b"PROXY TCP4 1.2.3.4 1.2.3.4 -1 2\r\n",
        b"PROXY TCP4 1.2.3.400 1.2.3.4 1 2\r\n",
        b"PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY TCP4 ::1 ::1 1 2\r\n",
        b"PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n",
        b"PROXY UNKNOWN\x00\r\n",
        b"PROXY UNKNOWN " + b"x" * 100 + b"\r\n",
        b"PROXY TCP4 " + b"1" * 200,
        SIGNATURE + struct.pack("!BBH", 0x31, 0x11, 12) + bytes(12),
        SIGNATURE + struct.pack("!BBH", 0x22, 0x11, 12) + bytes(12),
        SIGNATURE + struct.pack("!BBH", 0x21, 0x13, 12) + bytes(12),
        SIGNATURE + struct.pack("!BBH", 0x21, 0x41, 12) + bytes(12),
        SIGNATURE + struct.pack("!BBH", 0x21, 0x11, 11) + bytes(11),
        SIGNATURE + struct.pack("!BBH", 0x21, 0x11, 14) + bytes(14),
        SIGNATURE + struct.pack("!BBH", 0x21, 0x11, 65535),
        v2(("1.2.3.4", 5), ("5.6.7.8", 9), [(0x02, b"x"), (0x02, b"y")]),
        v2(("1.2.3.4", 5), ("5.6.7.8", 9), [(0x02, b"a\r\nb")]),
        v2(("1.2.3.4", 5), ("5.6.7.8", 9), [(0x02, b"\xff")]),
        v2(("1.2.3.4", 5), ("5.6.7.8", 9), [(0x03, b"123")]),
        v2(("1.2.3.4", 5), ("5.6.7.8", 9), [(0x20, b"\x01")]),
        v2(("1.2.3.4", 5), ("5.6.7.8", 9), [(0x30, b"abc")])[:-1] + b"",
    ],
)
def test_what_is_malformed_is_refused_or_never_complete(raw: bytes) -> None:
    for pieces in every_cut(raw):
        with pytest.raises((ProxyProtocolError, AssertionError)):
            read(pieces)


def test_half_a_field_is_refused() -> None:
    data = bytes(12) + b"\x02\x00"
    with pytest.raises(ProxyProtocolError, match="half a TLV"):
        read([SIGNATURE + struct.pack("!BBH", 0x21, 0x11, len(data)) + data])
