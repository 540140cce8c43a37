"""Mutants against a running server: it must answer what the reader reads, and nothing else."""

from __future__ import annotations

import collections
import contextlib
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, Self

from tests.fuzz.compare import LIMITS, minimised
from tests.fuzz.model import Seen, read
from tests.support.http import DEADLINE, Client, Response
from tests.support.server import Server

APP = "tests.apps.basic:echo"
OPTIONS: dict[str, Any] = {
    "max_body_bytes": LIMITS.max_body_bytes,
    "access_log": "off",
    "workers": 1,
}
IMPATIENT: dict[str, Any] = {
    **OPTIONS, "header_timeout": 3, "body_timeout": 3, "keepalive_timeout": 3,
}  # fmt: skip
"""Of a server whose clients do not end their side, and must be ended."""

SURELY_ENDED = 5.0
"""Seconds after which such a connection should be over, so that to wait for its end takes no time."""

LONGEST_MINIMISING = 60.0
"""Seconds spent on making one finding shorter: a server that hangs takes long to show it."""

_COMPLAINT = re.compile(r" (WARNING|ERROR|CRITICAL) |Traceback")


def difference(server: Server, pieces: list[bytes]) -> str:
    """Sends the pieces on a connection of their own and ends it; returns what is wrong, "" for nothing."""
    expected = read([b"".join(pieces)], LIMITS)
    with server.connect() as client:
        _send(client, pieces)
        return _answers(client, expected, cut_status=400, may_fail=True)


class Held:
    """Connections that the client leaves open: each is answered and then closed, as time runs out.

    At the end of the context, those that nobody waited for are given up.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._open: collections.deque[tuple[float, bytes, Client]] = collections.deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        while self._open:
            self._open.popleft()[2].socket.close()

    def send(self, data: bytes) -> None:
        """Opens a connection and sends the data in one piece."""
        client = self._server.connect()
        self._open.append((time.monotonic(), data, client))
        client.send(data)

    def finish(self, older: float = 0.0) -> Iterator[tuple[bytes, str]]:
        """Waits for connections to end and yields those that went wrong, with what it was.

        Args:
            older: seconds since when they must be open; no others are waited for.
        """
        while self._open and time.monotonic() - self._open[0][0] >= older:
            opened, data, client = self._open.popleft()
            client.socket.settimeout(max(opened + DEADLINE - time.monotonic(), 1.0))
            expected = read([data], LIMITS)
            with client:
                wrong = _answers(client, expected, cut_status=408, may_fail=False)
            if wrong:
                yield data, wrong


def complaints(server: Server) -> Iterator[str]:
    """Yields lines of the log that no client may cause."""
    yield from filter(_COMPLAINT.search, list(server.lines))
    if server.process.poll() is not None:
        yield f"the server has ended: {server.process.returncode}"


def shortest(server: Server, pieces: list[bytes]) -> bytes:
    """Returns less that is answered wrongly as well, in one piece or byte by byte."""
    until = time.monotonic() + LONGEST_MINIMISING

    def cut(data: bytes) -> list[bytes]:
        return [data[at : at + 1] for at in range(len(data))]

    def in_one(data: bytes) -> list[bytes]:
        return [data]

    def is_bad(data: bytes, way: Callable[[bytes], list[bytes]]) -> bool:
        return time.monotonic() < until and bool(data) and bool(difference(server, way(data)))

    whole = b"".join(pieces)
    for way in (in_one, cut):
        if is_bad(whole, way):
            return minimised(whole, lambda data, way=way: is_bad(data, way))  # type: ignore[misc]
    return whole


def _send(client: Client, pieces: list[bytes]) -> None:
    with contextlib.suppress(OSError):  # it has refused what came first, and closed
        client.send(*pieces)
        client.end()


def _answers(client: Client, expected: list[Seen], *, cut_status: int, may_fail: bool) -> str:
    """Returns what is wrong with all that comes until the server ends the connection.

    Args:
        cut_status: answers a request that does not end.
        may_fail: whether that answer may be missing, as nobody is there for it.
    """
    for number, seen in enumerate(expected, 1):
        wanted = seen._replace(status=cut_status) if seen.is_cut else seen
        where = f"answer {number} of {len(expected)}"
        try:
            response = _response(client, seen.method)
        except TimeoutError:
            return f"{where}: neither it nor an end came"
        except (AssertionError, ConnectionError) as error:
            return "" if seen.is_cut and may_fail else f"{where}: {wanted.status}, but {error}"
        if wrong := _check(response, wanted):
            return f"{where}: {wrong}"
        if _closes(response):
            return _end(client, number, late_head=False)
    return _end(client, len(expected), late_head=cut_status == 408)


def _response(client: Client, method: str) -> Response:
    while (response := client.response(method)).status < 200:
        pass
    return response


def _end(client: Client, count: int, *, late_head: bool) -> str:
    """Args: late_head: whether 408 may come, for a head that has begun."""
    try:
        more = client.raw_until_eof()
    except ConnectionResetError:
        more = b""
    except TimeoutError:
        return f"{count} answers came, but no end"
    if late_head and more.startswith(b"HTTP/1.1 408 ") and more.count(b"HTTP/1.1 ") == 1:
        return ""
    return f"{count} answers were due, then came {more[:300]!r}" if more else ""


def _closes(response: Response) -> bool:
    return "connection" in response and response["connection"] == "close"


def _check(response: Response, seen: Seen) -> str:
    """Returns what is wrong with an answer."""
    is_ignored = seen.path == "/ignore"
    if is_ignored and response.status == 200 and (_closes(response) or seen.is_cut):
        return ""  # a body that the app leaves unread may have faults that nobody saw
    if response.status != seen.status:
        return f"{response.status} instead of {seen.status}"
    if _closes(response) == seen.keeps:
        return f"Connection: close {'came' if seen.keeps else 'is missing'}"
    if seen.status != 200 or seen.method == "HEAD":
        return ""
    found = response.json()
    if found["body"] != ("" if is_ignored else seen.body.decode("latin-1")):
        return f"the app read the body {found['body']!r} instead of {seen.body!r}"
    if found["environ"]["REQUEST_URI"] != seen.target:
        return f"the app got {found['environ']['REQUEST_URI']!r} instead of {seen.target!r}"
    return ""
