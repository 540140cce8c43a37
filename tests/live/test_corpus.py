"""The corpus against a live server: each case whole and cut, with what follows it on the connection."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.apps.counted import COUNT_PATH
from tests.support.corpus import FOLLOWER, LAST, Case, cases
from tests.support.http import Client, Response
from tests.support.server import Server, serve

EVERY_BYTE = 300
"""Up to this length a request is cut at every byte; a longer one near its ends and here and there, as
the same code is cut at every byte of all of them in tests/unit/http1/test_reader_corpus.py."""

AT_ONCE = 50
"""Connections opened together: fewer than a worker accepts in one go."""


class Subject:
    """A server of one worker, and a connection to it that tells what the worker has done so far."""

    def __init__(self, server: Server, clock: Client) -> None:
        self.server = server
        self._clock = clock

    def calls(self) -> int:
        """Returns how many requests the app has got."""
        return int(self._clock.get(COUNT_PATH).body)

    def wait_read(self) -> None:
        """Waits until the worker has read everything that was sent before.

        Its hub takes descriptors in the order in which they became ready. So an answer on one connection
        means that those which were waiting then are accepted, and a second one that they are read.
        """
        self.calls()
        self.calls()


class Subjects:
    """One server for all cases that want the same options."""

    def __init__(self, stack: contextlib.ExitStack) -> None:
        self._stack = stack
        self._subjects: dict[str, Subject] = {}

    def of(self, case: Case) -> Subject:
        key = str(case.options)
        if key not in self._subjects:
            running = serve("tests.apps.counted:any", workers=1, access_log="off", **case.options)
            server = self._stack.enter_context(running)
            clock = self._stack.enter_context(server.connect())
            self._subjects[key] = Subject(server, clock)
        return self._subjects[key]


@pytest.fixture(scope="module")
def subjects() -> Iterator[Subjects]:
    with contextlib.ExitStack() as stack:
        yield Subjects(stack)


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.name)
def test_a_live_server_answers_the_same_wherever_a_request_is_cut(
    case: Case, subjects: Subjects
) -> None:
    subject = subjects.of(case)
    tries = cuts(len(case.send))
    before = subject.calls()
    for first in range(0, len(tries), AT_ONCE):
        exchange(subject, case, tries[first : first + AT_ONCE])
    served = case.want.count(200) + (case.then == "kept")
    surplus = subject.calls() - before - len(tries) * served
    # A refused request never reaches the app, unless it is cut and only its body is wrong.
    assert 0 < surplus <= len(tries) if case.reaches else surplus == 0


def cuts(length: int) -> list[int]:
    """Returns where to cut; 0 sends the whole in one piece."""
    if length <= EVERY_BYTE:
        return list(range(length))
    return [*range(64), *range(64, length - 64, max(length // 64, 1)), *range(length - 64, length)]


def exchange(subject: Subject, case: Case, tries: list[int]) -> None:
    """Sends the case over one connection for each cut and checks everything up to their ends."""
    behind = FOLLOWER if case.is_refused else LAST if case.then == "kept" else b""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(subject.server.connect()) for _ in tries]
        for client, cut in zip(clients, tries, strict=True):
            client.send(case.send[:cut])
        subject.wait_read()
        for client, cut in zip(clients, tries, strict=True):
            client.send(case.send[cut:] + behind)
            if case.then == "cut":
                client.end()
        for client, cut in zip(clients, tries, strict=True):
            check(client, case, cut)


def check(client: Client, case: Case, cut: int) -> None:
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
