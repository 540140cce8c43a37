"""``wsgisrv dump``: what every greenlet and thread is at, without stopping anybody."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.control import operated, wait_status, wsgisrv
from tests.support.http import DEADLINE
from wsgisrv.control_client import ask
from wsgisrv.report import dump_text


def dump_of(path: str) -> Any:
    """Asks for a dump without a process of its own, whose start may outlast what is looked for."""
    return ask(path, {"command": "dump"}, seconds=DEADLINE)


def stacks_of(worker: dict[str, Any], function: str) -> list[dict[str, Any]]:
    """Returns the stacks with a line in ``function`` of an app."""
    pattern = re.compile(rf"/tests/apps/\w+\.py\", line \d+,? in {function}$", re.MULTILINE)
    return [stack for stack in worker["stacks"] if pattern.search(stack["text"])]


def test_equal_stacks_stand_together_with_their_requests_and_nobody_is_stopped(
    tmp_path: Path,
) -> None:
    with operated("tests.apps.basic:slow", tmp_path, workers=1) as (server, path):
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(server.connect()) for _ in range(3)]
            for number, client in enumerate(clients):
                client.send(f"GET /{number}?5 HTTP/1.1\r\nHost: test\r\n\r\n".encode())
            wait_status(path, lambda found: found["workers"][0]["in_flight"] == 3)
            answer = dump_of(path)
            assert [client.response().status for client in clients] == [200] * 3
        (worker,) = answer["workers"]
        text = dump_text(answer)
        assert worker["answered_by"] == "hub"
        (found,) = stacks_of(worker, "slow")
        assert (found["kind"], found["count"]) == ("greenlet", 3)
        for number, request in enumerate(found["requests"]):
            assert re.fullmatch(
                rf"GET /{number}\?5 HTTP/1\.1 \(\d\.\d\d s old\): sleeps 5 s", request
            )
        assert f"worker 1 (pid {worker['pid']})\n" in text
        assert "3 greenlets:\n  GET /0?5 HTTP/1.1 (" in text
        assert "File " in text
        done = wsgisrv("dump", "--control-socket", path).stdout
        assert done.startswith(f"worker 1 (pid {worker['pid']})\n  pool: 0 of ")
        assert "/wsgisrv/master/" not in text  # from before the fork


def test_a_native_thread_is_shown_as_well(tmp_path: Path) -> None:
    with (
        operated("tests.apps.blocking:waits_in_a_thread", tmp_path, workers=1) as (server, path),
        server.connect() as client,
    ):
        client.send(b"GET /?3 HTTP/1.1\r\nHost: test\r\n\r\n")
        wait_status(path, lambda found: found["workers"][0]["in_flight"])
        (worker,) = dump_of(path)["workers"]
        (thread,) = stacks_of(worker, "waits_in_c")
        assert (thread["kind"], thread["count"]) == ("thread", 1)
        (waiting,) = stacks_of(worker, "waits_in_a_thread")
        assert (waiting["kind"], len(waiting["requests"])) == ("greenlet", 1)
        assert "request id req-of-the-test" in waiting["requests"][0]
        assert client.response().status == 200


@pytest.mark.parametrize(
    ("app", "way"),
    [("spins", "watchdog"), ("waits_in_c", "watchdog"), ("holds_the_gil", "signal")],
)
def test_a_worker_whose_hub_is_blocked_answers_too_and_is_not_stopped(
    app: str, way: str, tmp_path: Path
) -> None:
    with (
        operated(f"tests.apps.blocking:{app}", tmp_path, workers=2) as (server, path),
        server.connect() as client,
    ):
        client.send(b"GET /?6 HTTP/1.1\r\nHost: test\r\n\r\n")
        wait_status(path, lambda found: any(w["oldest_request"] for w in found["workers"]))
        done = dump_of(path)
        by_how = {worker["answered_by"]: worker for worker in done["workers"]}
        assert set(by_how) == {"hub", way}
        (stack,) = stacks_of(by_how[way], app)
        (request,) = stack["requests"]
        assert request.startswith("GET /?6 HTTP/1.1 (")
        assert client.response().status == 200


def test_a_greenlet_that_the_app_has_begun_while_it_was_loaded_is_shown(tmp_path: Path) -> None:
    with operated("tests.apps.background:hello", tmp_path, workers=1) as (_, path):
        (worker,) = dump_of(path)["workers"]
        (stack,) = stacks_of(worker, "works_in_the_background")
        assert (stack["kind"], stack["count"]) == ("greenlet", 1)
