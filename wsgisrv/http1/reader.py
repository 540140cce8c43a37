"""The reader of one connection: bytes in, request heads out, and the bytes that are left.

Rules: ``receive`` may be given a request cut anywhere and answers as if it had come whole. A head that
is not complete is checked line by line as the lines come, each byte once, so that a peer that drips
costs what it sends; a complete one is matched in one go. Both ways judge in the same order, left to
right: a line's size before its syntax, syntax before meaning.
"""

from __future__ import annotations

from wsgisrv.http1 import grammar
from wsgisrv.http1.errors import RefusedError
from wsgisrv.http1.head import RequestHead, parse_head
from wsgisrv.http1.limits import Limits
from wsgisrv.http1.names import Memo

_END = b"\r\n\r\n"
_CR = 0x0D
_REQUEST_LINE = -1
_VERSION_BYTES = len(b"HTTP/1.1")


class RequestReader:
    """Reads the requests of one connection.

    Args:
        limits: shared by all connections.
        memo: shared by all connections.
    """

    __slots__ = (
        "_block_start", "_buffer", "_checked", "_fields", "_last", "_last_fields", "_last_minor",
        "_limits", "_memo", "_seen", "_skipped",
    )  # fmt: skip

    def __init__(self, limits: Limits, memo: Memo) -> None:
        self._limits = limits
        self._memo = memo
        self._buffer: bytes | bytearray = b""
        self._last: RequestHead | None = None  # one whose fields may come again
        self._last_fields = b""  # as they came, with the empty line
        self._last_minor = ""
        self._restart()

    def _restart(self) -> None:
        self._seen = 0  # bytes of the buffer that were looked through for a line's end
        self._checked = 0  # where the first line that was not checked yet begins
        self._fields = _REQUEST_LINE  # field lines checked
        self._block_start = 0  # where the first of them begins
        self._skipped = False  # the one CRLF before the request line was taken

    @property
    def is_idle(self) -> bool:
        """Whether no byte of a next request is here."""
        return not self._buffer and not self._skipped

    def receive(self, data: bytes) -> RequestHead | None:
        """Takes what came and returns the next request's head, None while it is not complete.

        What follows the head stays inside: ``take_rest`` has a body's part of it, and ``receive(b"")``
        goes on with a pipelined request.

        Raises:
            RefusedError: for a request that must not be served; the reader is of no use afterwards.
        """
        whole: bytes | bytearray = self._joined(data) if self._buffer else data
        if not self._seen:
            # The usual cases, complete in one piece. All that is unusual goes the other way.
            last = self._last
            line_end = whole.find(b"\r\n") + 2
            if last is not None and whole.startswith(self._last_fields, line_end):
                line = bytes(whole[: line_end - 2])
                match = grammar.REQUEST_LINE.fullmatch(line.decode("latin-1"))
                if match:
                    method, target, minor = match.groups()
                    if (
                        len(target) <= self._limits.max_target_bytes
                        and minor == self._last_minor
                        and method != "CONNECT"
                    ):
                        self._keep(whole, line_end + len(self._last_fields))
                        return last.with_line(line, method, target)
            end = whole.find(_END) + 4
            match = grammar.HEAD.fullmatch(whole[:end].decode("latin-1"))
            if match:
                method, target, minor, block = match.groups()
                limits = self._limits
                if (
                    len(target) <= limits.max_target_bytes
                    and len(block) <= limits.max_header_bytes
                    and len(block) <= limits.max_headers_bytes
                    and block.count("\n") <= limits.max_header_count
                ):
                    self._keep(whole, end)
                    line = bytes(whole[: line_end - 2])
                    head = parse_head(line, method, target, int(minor), block, self._memo, limits)
                    self._last, self._last_minor = head, minor
                    self._last_fields = head.raw_fields = bytes(whole[line_end:end])
                    return head
        return self._by_lines(whole)

    def take_rest(self, most: int = -1) -> bytes:
        """Takes at most ``most`` bytes that came behind the last head, all of them by default."""
        buffer = self._buffer
        if not buffer:
            return b""
        if most < 0 or most >= len(buffer):
            self._buffer = b""
            return bytes(buffer)
        self._buffer = buffer[most:]
        return bytes(buffer[:most])

    def give_back(self, data: bytes) -> None:
        """Puts back what was taken beyond the end of a body."""
        self._buffer = data + self._buffer if self._buffer else data

    def _joined(self, data: bytes) -> bytes | bytearray:
        """Appends to what is here: a bytearray, so that a dripping peer causes no copying."""
        if not data:
            return self._buffer
        if not isinstance(self._buffer, bytearray):
            self._buffer = bytearray(self._buffer)
        self._buffer += data
        return self._buffer

    def _keep(self, data: bytes | bytearray, end: int) -> None:
        self._buffer = bytes(data[end:]) if len(data) > end else b""
        if self._fields != _REQUEST_LINE or self._skipped:
            self._restart()

    def _by_lines(self, data: bytes | bytearray) -> RequestHead | None:
        """Checks the lines that have come since the last call; returns the head at the empty one."""
        at = self._checked
        while (newline := data.find(b"\n", max(at, self._seen))) >= 0:
            if newline == at or data[newline - 1] != _CR:
                self._check_piece(bytes(data[at:newline]), at)
                raise RefusedError(400, "a line does not end in CRLF")
            line = bytes(data[at : newline - 1])
            at = newline + 1
            if line:
                self._check_line(line, at)
            elif self._fields != _REQUEST_LINE:
                return self._finish(data, at)
            elif self._skipped:
                raise RefusedError(400, "empty lines before the request line")
            else:
                self._skipped = True
                data = data[at:]
                at = self._seen = 0
        if not data and not self._skipped:
            return None
        self._check_piece(bytes(data[at:]), at)
        self._buffer, self._checked, self._seen = data, at, len(data)
        return None

    def _check_line(self, line: bytes, end: int) -> None:
        if self._fields == _REQUEST_LINE:
            _check_request_line(line, self._limits.max_target_bytes, complete=True)
            self._fields = 0
            self._block_start = end
            return
        self._check_size(len(line), end)
        self._fields += 1
        if self._fields > self._limits.max_header_count:
            raise RefusedError(431, "too many header fields")
        if not grammar.FIELD_LINE.fullmatch(line):
            raise RefusedError(400, "invalid header field")

    def _check_piece(self, piece: bytes, at: int) -> None:
        """Checks what can be said of a line whose end has not come."""
        if piece[:1] == b"\r" and len(piece) > 1:
            raise RefusedError(400, "bare CR")
        piece = piece.removesuffix(b"\r")
        if self._fields == _REQUEST_LINE:
            _check_request_line(piece, self._limits.max_target_bytes, complete=False)
        elif piece:  # else it may be the empty line, which is no part of the block
            self._check_size(len(piece), at + len(piece) + 2)

    def _check_size(self, line_bytes: int, end: int) -> None:
        """Checks a field line, and the block if the line's CRLF ends at ``end`` of the buffer."""
        if line_bytes > self._limits.max_header_bytes:
            raise RefusedError(431, "a header field is too long")
        block_bytes = end - self._block_start
        if block_bytes > self._limits.max_headers_bytes:
            raise RefusedError(431, "the header fields are too long together")

    def _finish(self, data: bytes | bytearray, end: int) -> RequestHead:
        line, _, rest = bytes(data[:end]).partition(b"\r\n")
        method, target, version = line.decode("ascii").split(" ")
        self._keep(data, end)
        block = rest[:-2].decode("latin-1")
        minor = int(version[-1])
        head = parse_head(line, method, target, minor, block, self._memo, self._limits)
        head.raw_fields = rest
        return head


def _check_request_line(line: bytes, max_target_bytes: int, *, complete: bool) -> None:
    """RFC 9112 3: judges the line, or as much of it as a piece allows, from left to right."""
    method, space, rest = line.partition(b" ")
    if line and not grammar.METHOD.fullmatch(method[: grammar.METHOD_BYTES]):
        raise RefusedError(400, "invalid method")
    if len(method) > grammar.METHOD_BYTES:
        raise RefusedError(501, "unknown method")  # RFC 9112 3: longer than any that is known
    target, space, version = rest.partition(b" ")
    if len(target) > max_target_bytes:
        raise RefusedError(414, "the request target is too long")
    if not complete:
        if len(version) > _VERSION_BYTES:
            raise RefusedError(400, "invalid HTTP version")
        return
    if not space or not grammar.TARGET_CHARS.fullmatch(target):
        raise RefusedError(400, "invalid request line")
    if not grammar.VERSION.fullmatch(version):
        raise RefusedError(400, "invalid HTTP version")
    if version not in (b"HTTP/1.0", b"HTTP/1.1"):
        raise RefusedError(505, "unsupported HTTP version")
