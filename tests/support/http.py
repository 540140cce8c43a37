"""A raw HTTP/1.1 client that believes nothing: strict about every byte of a response."""

from __future__ import annotations

import dataclasses
import json
import re
import socket
from typing import Any, Self

DEADLINE = 20.0
"""Seconds that any single wait of a live test may take."""

_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2}) ([\x20-\x7e]*)\r\n")
_FIELD = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+): ([\x20-\x7e\x80-\xff]*)\r\n")


@dataclasses.dataclass(frozen=True, slots=True)
class Response:
    """One response; field names are in lower case."""

    status: int
    reason: str
    fields: tuple[tuple[str, str], ...]
    body: bytes

    def __getitem__(self, name: str) -> str:
        values = [value for field, value in self.fields if field == name]
        assert len(values) == 1, f"{name}: {values}"
        return values[0]

    def __contains__(self, name: str) -> bool:
        return any(field == name for field, _ in self.fields)

    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """One connection to a server."""

    def __init__(self, address: Any, *, receive_buffer: int = 0) -> None:
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        if not isinstance(address, str) and ":" in address[0]:
            family = socket.AF_INET6
        self.socket = socket.socket(family)
        self.socket.settimeout(DEADLINE)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        try:
            self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise
        if family != socket.AF_UNIX:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.socket.sendall(piece)

    def end(self) -> None:
        """Tells the server that nothing more will come."""
        self.socket.shutdown(socket.SHUT_WR)

    def get(self, target: str = "/", *more: str, method: str = "GET") -> Response:
        """Sends one request and returns its response."""
        lines = [f"{method} {target} HTTP/1.1", "Host: test", *more, "", ""]
        self.send("\r\n".join(lines).encode("latin-1"))
        return self.response(method)

    def response(self, method: str = "GET") -> Response:
        """Returns the next response, 1xx as well."""
        status_line = self._match(_STATUS_LINE)
        fields = []
        while not self._starts_with(b"\r\n"):
            name, value = self._match(_FIELD).groups()
            fields.append((name.decode("ascii").lower(), value.decode("latin-1")))
        self._take(2)
        status = int(status_line[1])
        head = Response(status, status_line[2].decode("ascii"), tuple(fields), b"")
        return dataclasses.replace(head, body=self._body(head, method))

    def raw_until_eof(self) -> bytes:
        """Returns everything up to the server's end of the connection."""
        while self._fill():
            pass
        data, self._buffer = self._buffer, b""
        return data

    def take(self, count: int) -> bytes:
        """Returns the next ``count`` bytes, of a connection that was upgraded."""
        return self._take(count)

    def assert_eof(self) -> None:
        """Checks that nothing more comes and the server has closed."""
        assert self.raw_until_eof() == b""

    def _body(self, head: Response, method: str) -> bytes:
        if head.status < 200 or head.status in (204, 304) or method == "HEAD":
            assert "transfer-encoding" not in head
            if head.status < 200 or head.status == 204:
                assert "content-length" not in head  # RFC 9110 8.6
            return b""
        if "transfer-encoding" in head:
            assert head["transfer-encoding"] == "chunked"
            assert "content-length" not in head
            return self._chunks()
        if "content-length" in head:
            length = head["content-length"]
            assert re.fullmatch("[0-9]+", length), length
            return self._take(int(length))
        assert head["connection"] == "close"
        return self.raw_until_eof()

    def _chunks(self) -> bytes:
        pieces = []
        while size := int(self._match(re.compile(rb"([0-9a-f]+)\r\n"))[1], 16):
            pieces.append(self._take(size))
            assert self._take(2) == b"\r\n"
        assert self._take(2) == b"\r\n"
        return b"".join(pieces)

    def _match(self, pattern: re.Pattern[bytes]) -> re.Match[bytes]:
        while b"\n" not in self._buffer:
            assert self._fill(), f"the connection ended inside {self._buffer!r}"
        match = pattern.match(self._buffer)
        assert match, f"not {pattern.pattern!r}: {self._buffer[:200]!r}"
        self._buffer = self._buffer[match.end() :]
        return match

    def _starts_with(self, wanted: bytes) -> bool:
        while len(self._buffer) < len(wanted):
            assert self._fill(), f"the connection ended inside {self._buffer!r}"
        return self._buffer.startswith(wanted)

    def _take(self, count: int) -> bytes:
        while len(self._buffer) < count:
            assert self._fill(), f"the connection ended {count - len(self._buffer)} bytes early"
        data, self._buffer = self._buffer[:count], self._buffer[count:]
        return data

    def _fill(self) -> bool:
        data = self.socket.recv(65536)
        self._buffer += data
        return bool(data)
