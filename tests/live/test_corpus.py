"""The corpus against a live server: each case whole and cut, with what follows it on the connection."""

from __future__ import annotations

import fcntl
import json
import struct
import termios
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.corpus import FOLLOWER, LAST, MAX_BODY_BYTES, Case, cases
from tests.support.http import Client, Response
from tests.support.server import Server, serve

EVERY_BYTE = 300
"""Up to this length a request is cut at every byte; a longer one near its ends and here and there, as
the same code is cut at every byte of all of them in tests/unit/http1/test_reader_corpus.py."""

CLIENTS = 16


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve(
        "tests.apps.basic:echo", workers=1, access_log="off", max_body_bytes=MAX_BODY_BYTES
    ) as server:
        yield server


@pytest.fixture(scope="module")
def clients() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(CLIENTS) as executor:
        yield executor


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.name)
def test_a_live_server_answers_the_same_wherever_a_request_is_cut(
    case: Case, server: Server, clients: ThreadPoolExecutor
) -> None:
    for _ in clients.map(lambda cut: exchange(server, case, cut), cuts(len(case.send))):
        pass


def cuts(length: int) -> list[int]:
    """Returns where to cut; 0 sends the whole in one piece."""
    if length <= EVERY_BYTE:
        return list(range(length))
    return [*range(64), *range(64, length - 64, max(length // 64, 1)), *range(length - 64, length)]


def exchange(server: Server, case: Case, cut: int) -> None:
    """Sends the case over one connection and checks everything up to its end."""
    behind = FOLLOWER if case.is_refused else LAST if case.then == "kept" else b""
    with server.connect() as client:
        if cut:
            client.send(case.send[:cut])
            wait_taken(client)
        client.send(case.send[cut:] + behind)
        if case.then == "cut":
            client.end()
        responses = [*answers(client, case)]
        client.assert_eof()
    statuses = tuple(response.status for response in responses)
    assert statuses == case.want + ((200,) if case.then == "kept" else ()), f"cut at {cut}"
    if case.then == "closed":
        assert responses[-1]["connection"] == "close"
    if case.then == "kept":
        assert responses[-1].json()["environ"]["PATH_INFO"] == "/last"
    check_seen(case, responses)


def answers(client: Client, case: Case) -> Iterator[Response]:
    for index in range(len(case.want) + (case.then == "kept")):
        response = client.response()
        while response.status == 100 and case.interim and not index:
            response = client.response()
        yield response


def check_seen(case: Case, responses: list[Response]) -> None:
    seen: list[dict[str, Any]] = [json.loads(r.body) for r in responses if r.status == 200]
    for name, value in case.sees.items():
        assert seen[0]["environ"][name] == value
    for name in case.lacks:
        assert name not in seen[0]["environ"]
    if case.body is not None:
        assert seen[0]["body"] == case.body
    if case.paths:
        assert tuple(one["environ"]["PATH_INFO"] for one in seen[: len(case.paths)]) == case.paths


def wait_taken(client: Client) -> None:
    """Waits until the server's kernel has everything: what comes next is a segment of its own."""
    unsent = struct.pack("i", 1)
    while struct.unpack("i", unsent)[0]:
        unsent = fcntl.ioctl(client.socket, termios.TIOCOUTQ, unsent)
