"""``egg:wsgisrv#gzip``: text that is worth it leaves compressed, for clients that take it.

    [filter:gzip]
    use = egg:wsgisrv#gzip
    min_bytes = 1000
    level = 3
    types = application/json text/*

Rules: a response is compressed when the client takes gzip, its type is one of ``types``, it has no coding
yet, does not forbid it (Cache-Control: no-transform) and is not known to be shorter than ``min_bytes``.
1xx, 204, 206 and 304 never are. Whatever could have been compressed says ``Vary: Accept-Encoding``; HEAD says
what the 200 to a GET would, and 304 the ETag that the client has. A strong ETag ``"x"`` of what is compressed
becomes ``"x-gzip"``, since its bytes are others, and is ``"x"`` again in the If-Match and If-None-Match that
the app sees; a weak one stays as it is (RFC 9110 8.8.3.3). A stream is compressed piece by piece, and each
piece is flushed, so that nobody waits for an event; what is told its length is not. What an app gives to
start_response's write() is left alone.

Nothing holds the hub for long: 64 KiB are compressed at a time (0.5 ms at level 3, 0.9 ms at 6 for 7 %
less, JSON), and others have their turn before the next.

Where a response has a secret beside what somebody else made the client send, its compressed length gives the
secret away (BREACH): leave such types out. oslo.middleware has nothing like it.
"""

from __future__ import annotations

import re
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from wsgisrv.middleware.accept_encoding import takes_gzip
from wsgisrv.middleware.local_conf import LocalConf, wrong

TYPES = "application/json application/*+json application/xml application/javascript image/svg+xml text/*"
MIN_BYTES = 1000
LEVEL = 3
SLICE_BYTES = 64 * 1024

_GZIP_WBITS = 31
_OF_GZIP = '-gzip"'  # the end of an ETag
_READERS = ("GET", "HEAD")
_NEVER = ("204", "206", "304")
_MOST_TYPES = 1000  # whose eligibility is remembered
_TYPE = re.compile(r"[!#$&^_.+\-a-z0-9]+/[!#$&^_.+\-a-z0-9*]+")
_ExcInfo = tuple[type[BaseException], BaseException, TracebackType] | tuple[None, None, None]
_Headers = list[tuple[str, str]]

_NOT_STARTED, _WAITING, _PLAIN, _COMPRESSED = range(4)


class Gzip:
    """Args:
    app: whose responses are compressed.
    types: media types; a star stands for any text.
    min_bytes: of a body that is worth it.
    level: 1, quick, to 9, small.
    """

    def __init__(
        self,
        app: WSGIApplication,
        types: Iterable[str] = tuple(TYPES.split()),
        min_bytes: int = MIN_BYTES,
        level: int = LEVEL,
    ) -> None:
        self._app = app
        patterns = "|".join(re.escape(name).replace(r"\*", ".*") for name in types)
        self._types = re.compile(patterns, re.IGNORECASE)
        self._eligible: dict[str, bool] = {}
        self.min_bytes = min_bytes
        self.level = level

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Passes the request on, and compresses the response if it may."""
        takes = takes_gzip(environ.get("HTTP_ACCEPT_ENCODING", ""))
        method = environ["REQUEST_METHOD"]
        known = environ.get("HTTP_IF_NONE_MATCH", "")
        # For who reads and takes no gzip, what was compressed is not what it would get: no 304.
        if known and (takes or method not in _READERS):
            environ["HTTP_IF_NONE_MATCH"] = known.replace(_OF_GZIP, '"')
        if "HTTP_IF_MATCH" in environ:
            environ["HTTP_IF_MATCH"] = environ["HTTP_IF_MATCH"].replace(_OF_GZIP, '"')
        response = _Response(self, method == "HEAD", takes, known, start_response)
        return response.body(self._app(environ, response.start))

    def is_eligible(self, content_type: str) -> bool:
        """Whether responses of this type may be compressed."""
        found = self._eligible.get(content_type)
        if found is None:
            media = content_type.partition(";")[0].strip()
            found = self._types.fullmatch(media) is not None
            if len(self._eligible) < _MOST_TYPES:
                self._eligible[content_type] = found
        return found


class _Response:
    """One response on its way. Its head waits until it is known whether the body is compressed."""

    __slots__ = (
        "_compressor", "_exc_info", "_flushes", "_gzip", "_headers", "_is_head", "_known", "_length",
        "_pieces", "_plain_write", "_rest", "_result", "_since_turn", "_start_response", "_state", "_status",
        "_takes",
    )  # fmt: skip

    def __init__(
        self, gzip: Gzip, is_head: bool, takes: bool, known: str, start_response: StartResponse
    ) -> None:
        self._gzip = gzip
        self._is_head = is_head
        self._takes = takes
        self._known = known  # If-None-Match, as it was sent
        self._start_response = start_response
        self._state = _NOT_STARTED
        self._status = ""
        self._headers: _Headers = []
        self._exc_info: _ExcInfo | None = None
        self._length = -1  # bytes, as the app says; -1 when it does not
        self._compressor: Any = None

    # What the app calls

    def start(
        self, status: str, headers: _Headers, exc_info: _ExcInfo | None = None
    ) -> Callable[[bytes], object]:
        """As PEP 3333 says; a head that does not change need not wait."""
        self._compressor = (
            None  # when this is an error's head, in the place of one that was not sent
        )
        self._rest = memoryview(b"")
        said = _Said(headers)
        code = status[:3]
        is_type = self._gzip.is_eligible(said.type) if said.type else code == "304"
        if is_type and said.is_open and not 0 <= said.length < self._gzip.min_bytes:
            headers = _varied(headers)
            if self._takes and code not in _NEVER and code[0] != "1":
                self._state, self._length = _WAITING, said.length
                self._status, self._headers, self._exc_info = status, headers, exc_info
                return self._write
            if self._takes and code == "304":
                headers = _recoded(headers, self._known)
        return self._send(_PLAIN, status, headers, exc_info)

    def _write(self, data: bytes) -> object:
        if self._state == _WAITING:
            self._plain_write = self._send_plain()
        return self._plain_write(data)

    # What the server gets

    def body(self, result: Iterable[bytes]) -> Iterable[bytes]:
        """Returns what takes the place of the app's result."""
        is_whole = isinstance(result, (list, tuple))
        if self._state == _PLAIN or (self._state == _NOT_STARTED and is_whole):
            return result
        if is_whole:
            return self._whole(result)  # type: ignore[arg-type]
        self._result = result
        self._pieces = iter(result)
        self._flushes = self._length < 0
        self._since_turn = 0
        return self

    def _whole(self, pieces: list[bytes] | tuple[bytes, ...]) -> Iterable[bytes]:
        """Answers with a body that is all there."""
        size = sum(map(len, pieces))
        if self._is_head:
            self._send_head_only(max(size, self._length))
            return []
        if size < self._gzip.min_bytes:
            self._send_plain()
            return pieces
        if size > SLICE_BYTES:
            self._result = self._pieces = iter(pieces)
            self._flushes = False
            self._since_turn = 0
            return self
        compressor = zlib.compressobj(self._gzip.level, zlib.DEFLATED, _GZIP_WBITS)
        data = compressor.compress(b"".join(pieces)) + compressor.flush()
        if len(data) >= size:
            self._send_plain()
            return pieces
        self._send_compressed([("Content-Length", str(len(data)))])
        return [data]

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        if self._compressor is not None and self._rest:
            return self._next_slice()
        try:
            piece = next(self._pieces)
        except StopIteration:
            return self._last()
        if self._state == _WAITING and piece:
            if self._is_head:
                self._send_head_only(self._length)
            else:
                self._send_compressed([])
                self._compressor = zlib.compressobj(self._gzip.level, zlib.DEFLATED, _GZIP_WBITS)
        if self._compressor is None or not piece:
            return piece
        self._rest = memoryview(piece)
        return self._next_slice()

    def close(self) -> None:
        """Closes the app's result."""
        close = getattr(self._result, "close", None)
        if close is not None:
            close()

    def _next_slice(self) -> bytes:
        if self._since_turn >= SLICE_BYTES:
            time.sleep(0)  # where time is patched, others run meanwhile
            self._since_turn = 0
        part, self._rest = self._rest[:SLICE_BYTES], self._rest[SLICE_BYTES:]
        self._since_turn += len(part)
        data: bytes = self._compressor.compress(part)
        if self._flushes and not self._rest:
            data += self._compressor.flush(zlib.Z_SYNC_FLUSH)
        return data

    def _last(self) -> bytes:
        if self._state == _WAITING:  # nothing came
            if self._is_head:
                self._send_head_only(self._length)
            else:
                self._send_plain()
        if self._compressor is None:
            raise StopIteration
        data: bytes = self._compressor.flush()
        self._compressor = None
        return data

    # The head

    def _send_head_only(self, length: int) -> None:
        """Answers HEAD: compressed if a GET would be, as far as can be told."""
        if length >= self._gzip.min_bytes:
            self._send_compressed([])
        else:
            self._send_plain()

    def _send_plain(self) -> Callable[[bytes], object]:
        return self._send(_PLAIN, self._status, self._headers, self._exc_info)

    def _send_compressed(self, more: _Headers) -> None:
        kept = [field for field in self._headers if field[0].lower() != "content-length"]
        headers = [*_recoded(kept), ("Content-Encoding", "gzip"), *more]
        self._send(_COMPRESSED, self._status, headers, self._exc_info)

    def _send(
        self, state: int, status: str, headers: _Headers, exc_info: _ExcInfo | None
    ) -> Callable[[bytes], object]:
        self._state = state
        self._exc_info = None
        if exc_info is None:
            return self._start_response(status, headers)
        return self._start_response(status, headers, exc_info)


class _Said:
    """What the app's headers say that matters here."""

    __slots__ = ("is_open", "length", "type")

    def __init__(self, headers: _Headers) -> None:
        self.type = ""
        self.length = -1
        self.is_open = True  # to be compressed
        for name, value in headers:
            size = len(name)
            if size == 12 and name.lower() == "content-type":
                self.type = value
            elif size == 14 and name.lower() == "content-length":
                self.length = int(value) if value.isdecimal() else -1
            elif size == 16 and name.lower() == "content-encoding":
                self.is_open = False
            elif size == 13 and name.lower() in ("cache-control", "content-range"):
                self.is_open &= name[1] in "aA" and "no-transform" not in value.lower()


def _varied(headers: _Headers) -> _Headers:
    """Returns the headers with Vary: Accept-Encoding."""
    for place, (name, value) in enumerate(headers):
        if name.lower() == "vary":
            listed = [item.strip().lower() for item in value.split(",")]
            if "*" in listed or "accept-encoding" in listed:
                return headers
            return [*headers[:place], (name, f"{value}, Accept-Encoding"), *headers[place + 1 :]]
    return [*headers, ("Vary", "Accept-Encoding")]


def _recoded(headers: _Headers, known: str | None = None) -> _Headers:
    """Returns the headers with the ETag of what is compressed in the place of a strong one.

    Args:
        known: the ETags that the client has; None for any.
    """

    def of_gzip(etag: str) -> str:
        coded = etag.removesuffix('"') + _OF_GZIP
        return coded if etag.startswith('"') and (known is None or coded in known) else etag

    return [(name, of_gzip(value) if name.lower() == "etag" else value) for name, value in headers]


def filter_factory(
    global_conf: Mapping[str, str], **local_conf: str
) -> Callable[[WSGIApplication], Any]:
    """Makes the filter.

    Args:
        local_conf: ``types``, media types with stars; ``min_bytes``; ``level``, 1 to 9.

    Raises:
        ConfigError: for a value that is wrong.
    """
    conf = LocalConf("gzip", local_conf, ("types", "min_bytes", "level"))
    types = conf.words("types", TYPES)
    for name in types:
        if not _TYPE.fullmatch(name.lower()):
            raise wrong("types", name, "a media type, as text/* or application/json")
    if not types:
        raise wrong("types", "", "media types, as text/* or application/json")
    min_bytes = conf.integer("min_bytes", MIN_BYTES, 0, 2**31)
    level = conf.integer("level", LEVEL, 1, 9)
    return lambda app: Gzip(app, types, min_bytes, level)
