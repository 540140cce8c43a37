"""Mutants against a running server: it must answer what the reader reads, and nothing else."""

from __future__ import annotations

from typing import Any

from tests.fuzz.compare import LIMITS
from tests.fuzz.model import Seen, read
from tests.support.http import Client
from tests.support.server import Server

OPTIONS: dict[str, Any] = {
    "max_body_bytes": LIMITS.max_body_bytes,
    "access_log": "off",
    "workers": 1,
}
APP = "tests.apps.basic:echo"


def difference(server: Server, pieces: list[bytes]) -> str:
    """Sends the pieces on a connection of their own and ends it; returns what is wrong, "" for nothing."""
    expected = read([b"".join(pieces)], LIMITS)
    with server.connect() as client:
        _send(client, pieces)
        for number, seen in enumerate(expected):
            wrong = _check(client, seen)
            if wrong is None:
                return ""
            if wrong:
                return f"answer {number + 1} of {len(expected)}: {wrong}"
        try:
            more = client.raw_until_eof()
        except ConnectionResetError:
            more = b""
    return f"{len(expected)} answers were due, then came {more[:300]!r}" if more else ""


def _send(client: Client, pieces: list[bytes]) -> None:
    try:
        client.send(*pieces)
        client.end()
    except OSError:
        return  # it has refused what came first, and closed


def _check(client: Client, seen: Seen) -> str | None:
    """Returns what is wrong with the next answer; None when the connection may be over with it."""
    try:
        response = client.response(seen.method)
        while response.status < 200:
            response = client.response(seen.method)
    except (AssertionError, ConnectionError) as error:
        # A client that ends in the middle of a body may find nobody who would still answer.
        return None if seen.is_cut else f"{seen.status} was due, but {error}"
    if seen.is_cut and response.status == 200:
        return ""  # the app did not ask for the body
    if response.status != seen.status:
        return f"{response.status} instead of {seen.status}"
    if seen.status != 200 or seen.method == "HEAD":
        return None if seen.status != 200 else ""
    found = response.json()
    if found["body"] != ("" if seen.path == "/ignore" else seen.body.decode("latin-1")):
        return f"the app read the body {found['body']!r} instead of {seen.body!r}"
    if found["environ"]["REQUEST_URI"] != seen.target:
        return f"the app got {found['environ']['REQUEST_URI']!r} instead of {seen.target!r}"
    return ""
