"""``wsgisrv dump``: what every greenlet and thread is at, without stopping anybody."""

from __future__ import annotations

import contextlib
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.control import answer_of, operated, wait_status, wsgisrv
from tests.support.server import Server


def stacks_of(worker: dict[str, Any], function: str) -> list[dict[str, Any]]:
    """Returns the stacks with a line in ``function`` of an app."""
    pattern = re.compile(rf"/tests/apps/\w+\.py\", line \d+,? in {function}$", re.MULTILINE)
    return [stack for stack in worker["stacks"] if pattern.search(stack["text"])]


def end_now(server: Server, path: str, worker: dict[str, Any]) -> None:
    """Sees that the worker still is at its request, and ends all."""
    found = wait_status(path, lambda _: True)["workers"]
    (same,) = [each for each in found if each["pid"] == worker["pid"]]
    assert same["oldest_request"]["line"].startswith("GET /")
    server.signal(signal.SIGQUIT)
    assert server.wait_exit() == 0


def test_equal_stacks_stand_together_with_their_requests_and_nobody_is_stopped(
    tmp_path: Path,
) -> None:
    with operated("tests.apps.basic:slow", tmp_path, workers=1) as (server, path):
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(server.connect()) for _ in range(3)]
            for number, client in enumerate(clients):
                client.send(f"GET /{number}?60 HTTP/1.1\r\nHost: test\r\n\r\n".encode())
            wait_status(path, lambda found: found["workers"][0]["in_flight"] == 3)
            (worker,) = answer_of(path, "dump")["workers"]
            text = wsgisrv("dump", "--control-socket", path).stdout
            end_now(server, path, worker)
        assert worker["answered_by"] == "hub"
        (found,) = stacks_of(worker, "slow")
        assert (found["kind"], found["count"]) == ("greenlet", 3)
        for number, request in enumerate(found["requests"]):
            assert re.fullmatch(
                rf"GET /{number}\?60 HTTP/1\.1 \(\d+\.\d\d s old\): sleeps 60 s", request
            )
        assert f"worker 1 (pid {worker['pid']})\n" in text
        assert "3 greenlets:\n  GET /0?60 HTTP/1.1 (" in text
        assert "File " in text
        assert "/wsgisrv/master/" not in text  # from before the fork


def test_a_native_thread_is_shown_as_well(tmp_path: Path) -> None:
    with (
        operated("tests.apps.blocking:waits_in_a_thread", tmp_path, workers=1) as (server, path),
        server.connect() as client,
    ):
        client.send(b"GET /?60 HTTP/1.1\r\nHost: test\r\n\r\n")
        wait_status(path, lambda found: found["workers"][0]["in_flight"])
        (worker,) = answer_of(path, "dump")["workers"]
        (thread,) = stacks_of(worker, "waits_in_c")
        assert (thread["kind"], thread["count"]) == ("thread", 1)
        (waiting,) = stacks_of(worker, "waits_in_a_thread")
        assert (waiting["kind"], len(waiting["requests"])) == ("greenlet", 1)
        assert "request id req-of-the-test" in waiting["requests"][0]
        end_now(server, path, worker)


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
        client.send(b"GET /?50 HTTP/1.1\r\nHost: test\r\n\r\n")
        wait_status(path, lambda found: any(w["oldest_request"] for w in found["workers"]))
        done = answer_of(path, "dump")
        by_how = {worker["answered_by"]: worker for worker in done["workers"]}
        assert set(by_how) == {"hub", way}
        (stack,) = stacks_of(by_how[way], app)
        (request,) = stack["requests"]
        assert request.startswith("GET /?50 HTTP/1.1 (")
        end_now(server, path, by_how[way])


def test_a_greenlet_that_the_app_has_begun_while_it_was_loaded_is_shown(tmp_path: Path) -> None:
    with operated("tests.apps.background:hello", tmp_path, workers=1) as (_, path):
        (worker,) = answer_of(path, "dump")["workers"]
        (stack,) = stacks_of(worker, "works_in_the_background")
        assert (stack["kind"], stack["count"]) == ("greenlet", 1)
