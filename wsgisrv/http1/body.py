"""A request body's framing: raw bytes in, the body's bytes out, and where it ends.

Rules: one decoder a request; ``decode`` is given what came and keeps none of the body, so that memory
does not grow with it. The chunked decoder reads its lines by the grammar and never guesses a length.
Source: RFC 9112 sections 6.2 and 7.1.
"""

from __future__ import annotations

from wsgisrv.http1 import grammar
from wsgisrv.http1.errors import RefusedError
from wsgisrv.http1.limits import Limits
from wsgisrv.http1.names import cgi_name

# What the chunked decoder reads next, when it is not inside a chunk's data.
_SIZE, _DATA_END, _TRAILER = range(3)

_FORBIDDEN_TRAILERS = frozenset(("CONTENT_LENGTH", "HTTP_TRANSFER_ENCODING", "HTTP_HOST"))


class LengthDecoder:
    """A body of a declared length, in bytes, more than 0."""

    __slots__ = ("_length", "remaining")

    def __init__(self, length: int) -> None:
        self._length = self.remaining = length

    @property
    def body_bytes(self) -> int:
        """How many bytes of the body were decoded."""
        return self._length - self.remaining

    @property
    def is_complete(self) -> bool:
        """Whether the whole body was decoded."""
        return not self.remaining

    def decode(self, data: bytes) -> tuple[bytes, bytes]:
        """Returns the body's part of ``data`` and what lies behind the body."""
        if len(data) <= self.remaining:
            self.remaining -= len(data)
            return data, b""
        cut, self.remaining = self.remaining, 0
        return data[:cut], data[cut:]


class ChunkedDecoder:
    """A body in chunks. Trailers that are allowed are read to the end and thrown away.

    Args:
        limits: bounds the chunk lines, the trailers and the body.
    """

    __slots__ = (
        "_body_bytes",
        "_chunk",
        "_held",
        "_limits",
        "_step",
        "_trailer_bytes",
        "remaining",
    )

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._held = b""  # the beginning of a line whose end has not come
        self._chunk = 0  # bytes of this chunk still to come
        self._body_bytes = 0
        self._trailer_bytes = 0
        self._step = _SIZE
        self.remaining = -1  # unknown until the last chunk; 0 when complete

    @property
    def is_complete(self) -> bool:
        """Whether the last chunk and its trailers were decoded."""
        return not self.remaining

    @property
    def body_bytes(self) -> int:
        """How many bytes of the body were decoded."""
        return self._body_bytes - self._chunk

    @property
    def has_begun(self) -> bool:
        """Whether the first chunk's size is known."""
        return bool(self._body_bytes) or self._step != _SIZE

    def decode(self, data: bytes) -> tuple[bytes, bytes]:
        """Returns the body's part of ``data`` and what lies behind the body.

        Raises:
            RefusedError: 400 for what is no chunk, 413 and 431 for what is over a bound.
        """
        if self._held:
            data, self._held = self._held + data, b""
        pieces: list[bytes] = []
        at = 0
        while at < len(data) and self.remaining:
            if self._chunk:
                piece = data[at : at + self._chunk]
                pieces.append(piece)
                at += len(piece)
                self._chunk -= len(piece)
                continue
            if self._step == _SIZE:
                after = self._size_line(data, at)
            elif self._step == _DATA_END:
                after = self._data_end(data, at)
            else:
                after = self._trailer_line(data, at)
            if after < 0:
                self._held = data[at:]
                break
            at = after
        else:
            return b"".join(pieces), data[at:]
        return b"".join(pieces), b""

    def _line(self, data: bytes, at: int, most: int, what: str) -> bytes | None:
        """Returns the line at ``at`` without its CRLF, None while it is not complete."""
        newline = data.find(b"\n", at, at + most + 2)
        if newline < 0:
            if len(data) - at > most + 1:
                raise RefusedError(431, f"{what} is too long")
            return None
        line = data[at:newline]
        if line[-1:] != b"\r":
            raise RefusedError(400, f"{what} does not end in CRLF")
        return line[:-1]

    def _size_line(self, data: bytes, at: int) -> int:
        line = self._line(data, at, self._limits.max_chunk_line_bytes, "a chunk-size line")
        if line is None:
            return -1
        match = grammar.CHUNK_LINE.fullmatch(line)
        if not match:
            raise RefusedError(400, "invalid chunk-size line")
        self._chunk = int(match[1], 16)
        self._body_bytes += self._chunk
        if self._limits.max_body_bytes and self._body_bytes > self._limits.max_body_bytes:
            raise RefusedError(413, "the body is longer than the server allows")
        self._step = _DATA_END if self._chunk else _TRAILER
        return at + len(line) + 2

    def _data_end(self, data: bytes, at: int) -> int:
        if data[at : at + 2] == b"\r\n":
            self._step = _SIZE
            return at + 2
        if data[at:] == b"\r":
            return -1
        raise RefusedError(400, "chunk data is not followed by CRLF")

    def _trailer_line(self, data: bytes, at: int) -> int:
        most = max(self._limits.max_trailer_bytes - self._trailer_bytes, 0)
        line = self._line(data, at, most, "the trailer section")
        if line is None:
            return -1
        if not line:
            self.remaining = 0
        elif not grammar.FIELD_LINE.fullmatch(line):
            raise RefusedError(400, "invalid trailer field")
        elif cgi_name(line.partition(b":")[0].decode("ascii")) in _FORBIDDEN_TRAILERS:
            raise RefusedError(400, "a trailer field that may only be a header field")
        self._trailer_bytes += len(line) + 2
        return at + len(line) + 2


BodyDecoder = LengthDecoder | ChunkedDecoder
