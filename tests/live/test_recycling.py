"""Recycling: a worker that has served long enough is replaced, and no request notices."""

from __future__ import annotations

import os
from pathlib import Path

from tests.support.control import operated, wait_status
from tests.support.server import serve

PID = "tests.apps.basic:pid"


def test_a_worker_is_replaced_after_max_requests_and_no_request_fails() -> None:
    with serve(PID, workers=1, max_requests=20, log_level="debug") as server:
        (first,) = server.wait_ready()
        seen: set[int] = set()
        while len(seen) < 3:  # two replacements
            with server.connect() as client:
                answer = client.get()
            assert answer.status == 200
            seen.add(int(answer.body))
        assert first in seen
        server.wait_line(r"worker 1: recycled after \d+ requests")
        lines = server.log
        ready = lines.index("worker 2 (pid")
        assert ready < lines.index(f" {first} DEBUG wsgisrv.worker: draining")


def test_a_worker_that_has_grown_too_large_is_replaced(tmp_path: Path) -> None:
    with operated(
        "tests.apps.leaks:grows", tmp_path, workers=1, max_worker_rss_bytes=300 * 1024**2
    ) as (server, path):
        (first,) = server.wait_ready()
        with server.connect() as client:
            client.get(f"/?{300 * 1024**2}")
        server.wait_line(r"worker 1: recycled after 3\d\d MiB of memory")
        found = wait_status(path, lambda found: found["workers"][-1]["pid"] != first)
        assert found["workers_wanted"] == 1
        wait_status(path, lambda found: [w["id"] for w in found["workers"]] == [2])
        with server.connect() as client:
            assert int(client.get("/?0").body) != first
        assert os.path.exists(path)


def test_workers_that_are_due_together_are_replaced_one_after_another(tmp_path: Path) -> None:
    """At every moment as many serve as are wanted, and never more than one beyond that."""
    with operated(PID, tmp_path, workers=3, max_worker_lifetime=2) as (server, path):
        first = set(server.wait_ready())
        pids = set(first)
        while first & pids:
            found = wait_status(path, lambda _: True)
            states = [worker["state"] for worker in found["workers"]]
            assert 3 <= states.count("ready") <= 4, states
            assert states.count("ready") + states.count("booting") <= 4, states
            pids = {worker["pid"] for worker in found["workers"]}
            with server.connect() as client:
                assert client.get().status == 200
        for worker_id in (1, 2, 3):
            server.wait_line(rf"worker {worker_id}: recycled after \d+ s")
