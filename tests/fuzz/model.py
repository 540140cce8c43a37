"""What the reader makes of a connection's bytes: a server without sockets and without an app."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from wsgisrv.http1.body import BodyDecoder, ChunkedDecoder, LengthDecoder
from wsgisrv.http1.errors import RefusedError
from wsgisrv.http1.head import CHUNKED, RequestHead
from wsgisrv.http1.limits import Limits
from wsgisrv.http1.names import Memo
from wsgisrv.http1.reader import RequestReader

MEMO = Memo()


class Seen(NamedTuple):
    """One answer. A refused request has only the status; if its body was refused, ``in_body``, the
    ``path``, and ``is_cut`` when the client ended in it.

    ``minor`` is of the HTTP version, ``keeps`` whether the connection goes on behind the request.
    """

    status: int
    path: str = ""
    fields: dict[str, str] = {}  # noqa: RUF012 -- a tuple's default, never changed
    body: bytes = b""
    method: str = ""
    target: str = ""
    is_cut: bool = False
    minor: int = 1
    keeps: bool = False
    in_body: bool = False


class _CutError(Exception):
    """Raised when the bytes end in the middle of a body."""


def read(pieces: Iterable[bytes], limits: Limits) -> list[Seen]:
    """Reads a connection as the server does and returns what it would answer.

    A request whose body does not end is answered as one that is cut short.
    """
    seen: list[Seen] = []
    try:
        seen.extend(_requests(pieces, limits))
    except RefusedError as refused:
        seen.append(Seen(refused.status))
    return seen


def _requests(pieces: Iterable[bytes], limits: Limits) -> Iterator[Seen]:
    reader = RequestReader(limits, MEMO)
    source = iter(pieces)
    for piece in source:
        head = reader.receive(piece)
        while head is not None:
            try:
                body = _body(head, reader, source, limits)
            except RefusedError as refused:
                yield Seen(refused.status, head.path, in_body=True)
                return
            except _CutError:
                yield Seen(400, head.path, in_body=True, is_cut=True)
                return
            yield Seen(
                200, head.path, head.fields, body, head.method, head.target,
                minor=head.minor, keeps=head.keep_alive,
            )  # fmt: skip
            if not head.keep_alive:
                return
            head = reader.receive(b"")


def _body(
    head: RequestHead, reader: RequestReader, source: Iterator[bytes], limits: Limits
) -> bytes:
    if not head.length:
        return b""
    decoder: BodyDecoder = (
        ChunkedDecoder(limits) if head.length == CHUNKED else LengthDecoder(head.length)
    )
    body, data = b"", reader.take_rest()
    while True:
        decoded, behind = decoder.decode(data)
        body += decoded
        if decoder.is_complete:
            if behind:
                reader.give_back(behind)
            return body
        data = next(source, b"")
        if not data:
            raise _CutError
