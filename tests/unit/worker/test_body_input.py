"""``wsgi.input``: every way to read gives the same bytes, however they come."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgisrv.config import Settings
from wsgisrv.http1.body import ChunkedDecoder, LengthDecoder
from wsgisrv.http1.limits import Limits
from wsgisrv.worker.body_input import NO_BODY, BodyInput
from wsgisrv.worker.counters import Counters
from wsgisrv.worker.errors import BodyError


class Client:
    """A connection whose client sends ``pieces`` and then closes."""

    def __init__(self, decoder: Any, pieces: list[bytes], with_head: bytes = b"") -> None:
        self.decoder = decoder
        self.pieces = list(pieces)
        self.sent: list[bytes] = []
        self.worker = SimpleNamespace(settings=Settings(body_timeout=1.0), counters=Counters())
        self.body_data = self.decode(with_head) if with_head else b""

    def decode(self, data: bytes) -> bytes:
        body, _ = self.decoder.decode(data)
        return bytes(body)

    @property
    def body_is_complete(self) -> bool:
        return bool(self.decoder.is_complete)

    def wait_data(self, seconds: float) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""

    def send(self, data: bytes) -> None:
        self.sent.append(data)


def body_input(client: Client, *, expect_continue: bool = False) -> BodyInput:
    return BodyInput(client, expect_continue)  # type: ignore[arg-type]


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    pieces = []
    for size in sizes:
        pieces.append(data[:size])
        data = data[size:]
    return [piece for piece in [*pieces, data] if piece]


READS = st.one_of(
    st.tuples(st.just("read"), st.one_of(st.none(), st.integers(-1, 40))),
    st.tuples(st.just("readline"), st.one_of(st.none(), st.integers(-1, 40))),
    st.tuples(st.just("readlines"), st.one_of(st.none(), st.integers(-1, 40))),
)
BODIES = st.binary(min_size=1, max_size=80).map(lambda data: data.replace(b"0", b"\n"))


@given(
    BODIES, st.lists(st.integers(1, 20), max_size=8), st.lists(READS, max_size=12), st.booleans()
)
def test_every_sequence_of_reads_is_as_on_a_file(
    body: bytes, sizes: list[int], reads: list[tuple[str, int | None]], with_head: bool
) -> None:
    pieces = cut(body, sizes)
    first = pieces.pop(0) if with_head else b""
    wsgi_input = body_input(Client(LengthDecoder(len(body)), pieces, first))
    file = io.BytesIO(body)
    for name, size in reads:
        assert getattr(wsgi_input, name)(size) == getattr(file, name)(size)
    assert list(wsgi_input) == list(file)
    assert wsgi_input.read() == wsgi_input.read(5) == b""


@given(
    st.lists(st.binary(min_size=1, max_size=30), max_size=6),
    st.lists(st.integers(1, 20), max_size=9),
)
def test_chunks_are_invisible(chunks: list[bytes], sizes: list[int]) -> None:
    raw = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    client = Client(ChunkedDecoder(Limits()), cut(raw, sizes))
    assert body_input(client).read() == b"".join(chunks)


def test_100_continue_is_sent_by_the_first_read_and_once() -> None:
    client = Client(LengthDecoder(4), [b"ab", b"cd"])
    wsgi_input = body_input(client, expect_continue=True)
    assert client.sent == []
    assert wsgi_input.read(1) == b"a"
    assert wsgi_input.read() == b"bcd"
    assert client.sent == [b"HTTP/1.1 100 Continue\r\n\r\n"]


def test_100_continue_is_not_sent_when_the_body_came_unasked() -> None:
    client = Client(LengthDecoder(4), [b"cd"], b"ab")
    assert body_input(client, expect_continue=True).read() == b"abcd"
    assert client.sent == []


def test_a_body_that_is_cut_short_raises_and_goes_on_raising() -> None:
    wsgi_input = body_input(Client(LengthDecoder(10), [b"half"]))
    assert wsgi_input.read(4) == b"half"
    for _ in range(2):
        with pytest.raises(BodyError, match="closed before the end") as caught:
            wsgi_input.read()
        assert caught.value.status == 400
    assert wsgi_input.has_failed


def test_a_malformed_chunk_raises_where_it_stands() -> None:
    wsgi_input = body_input(Client(ChunkedDecoder(Limits()), [b"3\r\nabc\r\n", b"zz\r\n"]))
    assert wsgi_input.read(3) == b"abc"
    with pytest.raises(BodyError, match="invalid chunk-size line") as caught:
        wsgi_input.read()
    assert caught.value.status == 400


def test_reads_after_the_request_find_nothing() -> None:
    wsgi_input = body_input(Client(LengthDecoder(4), [b"abcd"]))
    wsgi_input.detach()
    assert wsgi_input.read() == b""


def test_a_request_without_a_body_reads_as_empty() -> None:
    assert (NO_BODY.read(), NO_BODY.readline(), NO_BODY.readlines(), list(NO_BODY)) == (
        b"",
        b"",
        [],
        [],
    )
