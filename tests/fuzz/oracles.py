"""Two parsers that others wrote, and what they make of a connection's bytes.

httptools is llhttp, Node's parser, in the strict mode that it comes in; h11 is written by the grammar.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import h11
import httptools

from wsgisrv.http1.names import cgi_name

_MOST_INCOMPLETE_BYTES = 1 << 20


@dataclasses.dataclass(slots=True)
class Request:
    """One request as an oracle reads it; fields by their CGI names, joined as RFC 9110 5.3 says."""

    target: str = ""
    method: str = ""
    minor: int = -1
    keeps: bool = False
    fields: dict[str, str] = dataclasses.field(default_factory=dict)
    body: bytes = b""

    def add(self, name: bytes, value: bytes) -> None:
        """Adds a field, but for one with an underscore, which the server drops."""
        key = cgi_name(name.decode("latin-1"))
        text = value.decode("latin-1").strip(" \t")
        if key in self.fields:
            joint = "; " if key == "HTTP_COOKIE" else ","
            text = f"{self.fields[key]}{joint}{text}"
        if key:
            self.fields[key] = text


@dataclasses.dataclass(slots=True)
class Reading:
    """The complete requests, oldest first, and why the oracle went no further, "" if it would have."""

    requests: list[Request]
    error: str = ""


class _Callbacks:
    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.parser = httptools.HttpRequestParser(self)
        self._now = Request()

    def on_message_begin(self) -> None:
        self._now = Request()

    def on_url(self, url: bytes) -> None:
        self._now.target += url.decode("latin-1")

    def on_header(self, name: bytes, value: bytes) -> None:
        self._now.add(name, value)

    def on_headers_complete(self) -> None:
        self._now.method = self.parser.get_method().decode("latin-1")
        self._now.minor = int(self.parser.get_http_version().rpartition(".")[2])

    def on_body(self, body: bytes) -> None:
        self._now.body += body

    def on_message_complete(self) -> None:
        self._now.keeps = self.parser.should_keep_alive()
        self.requests.append(self._now)


def by_httptools(data: bytes) -> Reading:
    calls = _Callbacks()
    try:
        calls.parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        return Reading(calls.requests, "upgrade")
    except httptools.HttpParserError as error:
        return Reading(calls.requests, repr(error))
    return Reading(calls.requests)


def by_h11(data: bytes) -> Reading:
    reading = Reading([])
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_MOST_INCOMPLETE_BYTES)
    try:
        connection.receive_data(data)
        while _step(connection, reading):
            pass
    except (h11.RemoteProtocolError, h11.LocalProtocolError) as error:
        reading.error = repr(error)
    return reading


def _step(connection: h11.Connection, reading: Reading) -> bool:
    event: Any = connection.next_event()
    if isinstance(event, h11.Request):
        minor = int(event.http_version.rpartition(b".")[2])
        method, target = event.method.decode("latin-1"), event.target.decode("latin-1")
        reading.requests.append(Request(target, method, minor))
        for name, value in event.headers:
            reading.requests[-1].add(name, value)
    elif isinstance(event, h11.Data):
        reading.requests[-1].body += bytes(event.data)
    elif isinstance(event, h11.EndOfMessage):
        reading.requests[-1].keeps = connection.their_state is h11.DONE
        connection.send(h11.Response(status_code=200, headers=[("Content-Length", "0")]))
        connection.send(h11.EndOfMessage())
        if connection.our_state is h11.MUST_CLOSE:
            return False
        connection.start_next_cycle()
    else:  # NEED_DATA, PAUSED or ConnectionClosed
        if connection.their_state is h11.SEND_BODY:
            reading.requests.pop()  # not complete
        return False
    return True


ORACLES: dict[str, Callable[[bytes], Reading]] = {"httptools": by_httptools, "h11": by_h11}
