"""``/metrics``: what the workers count, added up, whatever becomes of them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import threading
from pathlib import Path
from typing import Any, Self

import pytest
import yaml

from tests.support.admin import Admin, Metrics, administered, counters, free_port, parsed, value
from tests.support.control import answer_of, wait_status
from tests.support.http import DEADLINE
from tests.support.load import load
from tests.support.owned import owned
from tests.support.server import ROOT, serve, wait_gone

REQUESTS = "wsgisrv_requests_total"


def test_requests_are_counted_by_method_class_and_route(tmp_path: Path) -> None:
    with administered("tests.apps.metered:routed", tmp_path, workers=2) as (server, admin, _):
        server.may_log_traceback = True
        for _ in range(3):
            with server.connect() as client:
                assert client.get("/things/1").status == 200
                assert client.get("/things/2?status=404%20Not%20Found").status == 404
                assert client.get("/elsewhere", method="DELETE").status == 200
                assert client.get("/things/3", method="BREW").status == 200
                assert client.get("/things/4?raise=1").status == 500
        with server.connect() as client:
            client.send(b"GET / HTTP/1.1\r\n\r\n")
            assert client.response().status == 400
        found = admin.wait_metrics(
            lambda found: value(found, REQUESTS) == 15 and value(found, "wsgisrv_refused_total")
        )
        route = {"route": "/things/{id}", "server": ""}
        assert value(found, REQUESTS, method="GET", status="2xx", **route) == 3
        assert value(found, REQUESTS, method="GET", status="4xx", **route) == 3
        assert value(found, REQUESTS, method="GET", status="5xx", **route) == 3
        assert value(found, REQUESTS, method="other", status="2xx", **route) == 3
        assert value(found, REQUESTS, method="DELETE", status="2xx", route="") == 3
        assert value(found, "wsgisrv_request_duration_seconds_count") == 15
        assert value(found, "wsgisrv_request_app_seconds_count") == 15
        assert value(found, "wsgisrv_request_queue_seconds_bucket", le="0.0001") == 15
        refused = {"code": "400", "reason": "HTTP/1.1 request without Host"}
        assert value(found, "wsgisrv_refused_total", **refused) == 1
        assert value(found, "wsgisrv_workers", state="ready") == 2
        assert value(found, "wsgisrv_workers_wanted") == 2
        assert value(found, "wsgisrv_generation") == 1
        assert value(found, "wsgisrv_pool_size") == 2000
        assert value(found, "wsgisrv_sent_bytes_total") > 15 * 100
        assert value(found, "wsgisrv_resident_memory_bytes", process="workers") > 10_000_000
        said = admin.get("/metrics", "Accept: application/openmetrics-text; version=1.0.0")
        assert said["content-type"].startswith("application/openmetrics-text")
        assert said.body.endswith(b"# EOF\n")
        assert b"# TYPE wsgisrv_requests counter\n" in said.body


def test_time_is_told_apart_by_who_took_it(tmp_path: Path) -> None:
    with (
        administered(
            "tests.apps.metered:routed", tmp_path, workers=1, pool_size=1, header_timeout=0.5
        ) as (server, admin, path),
        contextlib.ExitStack() as stack,
    ):
        first, second, third = (stack.enter_context(server.connect()) for _ in range(3))
        third.send(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\na")
        wait_status(path, lambda found: found["workers"][0]["in_flight"] == 1)
        first.send(b"GET /?sleep=0.3 HTTP/1.1\r\nHost: test\r\n\r\n")
        second.send(b"GET /?sleep=0.3 HTTP/1.1\r\nHost: test\r\n\r\n")
        assert (first.response().status, second.response().status) == (200, 200)
        third.send(b"b")
        assert third.response().status == 200
        silent = stack.enter_context(server.connect())
        silent.send(b"GET / HTTP")
        assert silent.response().status == 408
        found = admin.wait_metrics(
            lambda found: (
                value(found, REQUESTS) == 3
                and value(found, "wsgisrv_timeouts_total", kind="header")
            )
        )
        queue, app, whole = (
            f"wsgisrv_request_{name}_seconds" for name in ("queue", "app", "duration")
        )
        # One of two waited for the other, none but those two took time of the app's.
        assert 0.2 < value(found, f"{queue}_sum") < 0.6
        assert value(found, f"{queue}_bucket", le="0.05") == 2
        assert 0.6 <= value(found, f"{app}_sum") < 0.9
        assert value(found, f"{app}_bucket", le="0.05") == 1
        assert value(found, f"{whole}_bucket", le="0.25") == 0
        assert value(found, "wsgisrv_connections", state="idle") <= 3


def test_routes_are_bounded_and_what_is_none_is_no_route(tmp_path: Path) -> None:
    with administered("tests.apps.metered:unbounded", tmp_path, workers=1) as (server, admin, _):
        with server.connect() as client:
            for number in range(300):
                assert client.get(f"/{number}").status == 200
            assert client.get("/list").status == 200
        found = admin.wait_metrics(lambda found: value(found, REQUESTS) == 301)
        routes = {dict(labels)["route"] for name, labels in found if name == REQUESTS}
        assert len(routes) == 102
        assert value(found, REQUESTS, route="other") == 200
        assert value(found, REQUESTS, route="") == 1


class Watch:
    """Reads the metrics all the time and sees that no counter falls."""

    def __init__(self, admin: Any) -> None:
        self.reads = 0
        self.fallen: list[str] = []
        self._admin = admin
        self._last: Metrics = {}
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join(DEADLINE)
        self.look()

    def look(self) -> Metrics:
        found = counters(self._admin.metrics())
        for series, number in self._last.items():
            now = found.get(series)
            if now is None or now < number:
                self.fallen.append(f"{series}: {number} -> {now}")
        self._last = found
        self.reads += 1
        return found

    def _run(self) -> None:
        while not self._ends.is_set():
            self.look()


def test_no_counter_falls_over_reloads_and_deaths_and_every_answer_is_counted(
    tmp_path: Path,
) -> None:
    with (
        administered("tests.apps.basic:hello", tmp_path, workers=2, access_log="off") as (
            server, admin, path,
        ),
        Watch(admin) as watch,
    ):  # fmt: skip
        with load(server.address, 4) as clients:
            clients.wait_answers(100)
            answer_of(path, "reload")
            clients.wait_answers(100)
        assert not clients.failures
        found = admin.wait_metrics(
            lambda found: (
                value(found, REQUESTS) >= clients.answers
                and value(found, "wsgisrv_worker_restarts_total", cause="reload") == 2
            )
        )
        assert value(found, REQUESTS) == clients.answers
        assert value(found, "wsgisrv_request_duration_seconds_count") == clients.answers
        assert value(found, "wsgisrv_reloads_total", outcome="done") == 1
        assert value(found, "wsgisrv_generation") == 2
        # What a worker counted in the quarter of a second before SIGKILL is lost, and no more.
        (victim, *_) = [worker["pid"] for worker in answer_of(path, "status")["workers"]]
        with load(server.address, 4) as more:
            more.wait_answers(100)
            os.kill(victim, signal.SIGKILL)
            wait_gone(victim)
            wait_status(
                path,
                lambda found: (
                    [w["state"] for w in found["workers"]] == ["ready"] * 2
                    and victim not in [w["pid"] for w in found["workers"]]
                ),
            )
            more.wait_answers(100)
        after = admin.wait_metrics(
            lambda found: value(found, "wsgisrv_worker_restarts_total", cause="signal") == 1
        )
        assert value(after, REQUESTS) <= clients.answers + more.answers + len(more.failures)
        settled = value(admin.wait_metrics(steady()), REQUESTS)
        with server.connect() as client:
            assert client.get().status == 200
        admin.wait_metrics(lambda found: value(found, REQUESTS) == settled + 1)
    assert watch.reads > 10
    assert not watch.fallen


def steady() -> Any:
    """Returns a condition: that two reads in a row, with a beat of all workers in between, are the same."""
    seen: list[tuple[float, float]] = []

    def holds(found: Metrics) -> bool:
        seen.append((value(found, REQUESTS), value(found, "wsgisrv_hub_lag_seconds_count")))
        same = [ticks for number, ticks in seen if number == seen[-1][0]]
        return same[-1] - same[0] >= 8

    return holds


def test_a_blocked_hub_and_the_end_of_its_worker_are_counted(tmp_path: Path) -> None:
    with (
        administered(
            "tests.apps.blocking:sleeps_natively", tmp_path, workers=1, worker_timeout=2
        ) as (server, admin, _),
        server.connect() as client,
    ):
        client.send(b"GET /?60 HTTP/1.1\r\nHost: test\r\n\r\n")
        admin.wait_metrics(lambda found: value(found, "wsgisrv_hub_lag_worst_seconds") > 0.5)
        found = admin.wait_metrics(
            lambda found: value(found, "wsgisrv_worker_restarts_total", cause="hang")
        )
        assert value(found, "wsgisrv_hub_blocked_seconds_total") > 1.5
        server.may_log_traceback = True


def test_runs_and_failures_of_tasks_are_counted_over_a_reload(tmp_path: Path) -> None:
    port = free_port()
    tasks = {
        "periodic": [
            {"target": "tests.apps.owned_app:fail_once", "interval": 0.02},
            {"target": "tests.apps.owned_app:tick", "interval": 0.02, "run_in": "one"},
        ],
        "background": [{"target": "tests.apps.owned_app:long_task"}],
    }
    with owned(tmp_path, tasks, admin_bind=f"127.0.0.1:{port}") as service:
        service.server.may_log_traceback = True
        service.server.wait_ready()
        admin = Admin(("127.0.0.1", port))
        runs, failures = "wsgisrv_task_runs_total", "wsgisrv_task_failures_total"
        found = admin.wait_metrics(
            lambda found: (
                value(found, runs) > 20
                and value(found, failures) == 1
                and value(found, "wsgisrv_tasks_running") >= 1
            )
        )
        assert service.command("reload") == (0, "generation 2 serves")
        after = admin.wait_metrics(lambda found: value(found, failures) == 2)
        assert value(after, runs) >= value(found, runs)


def test_statsd_is_sent_the_same_numbers(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink:
        sink.bind(("127.0.0.1", 0))
        sink.settimeout(DEADLINE)
        port = sink.getsockname()[1]
        with serve(
            "tests.apps.metered:routed",
            workers=1,
            statsd=f"127.0.0.1:{port}",
            statsd_interval=1,
            statsd_prefix="shelf.api",
        ) as server:
            sink.recv(65536)  # the first sending, from which on growth is counted
            with server.connect() as client:
                for _ in range(5):
                    assert client.get("/things/1").status == 200
            lines: list[str] = []
            counted = re.compile(r"shelf\.api\.requests\.GET\.2xx\.things_id:(\d+)\|c")

            def sent() -> int:
                return sum(int(match[1]) for match in map(counted.fullmatch, lines) if match)

            while sent() < 5 or "shelf.api.workers.ready:1|g" not in lines:
                lines += sink.recv(65536).decode().splitlines()
            assert sent() == 5
            assert any(
                re.fullmatch(r"shelf\.api\.request_duration\.p95_ms:[\d.]+\|g", line)
                for line in lines
            )


# The examples in etc/

NAME = re.compile(r"\bwsgisrv_[a-z0-9_]+")
LABELS = re.compile(r"(wsgisrv_[a-z0-9_]+)\{([^}]*)\}")
SCRAPED = {"job", "instance"}


def expressions() -> dict[str, str]:
    """Returns every query of the dashboard and the alert rules by where it stands."""
    board = json.loads((ROOT / "etc/grafana-dashboard.json").read_text())
    found = {
        f"panel {panel['title']} {target['refId']}": target["expr"]
        for panel in board["panels"]
        for target in panel["targets"]
    }
    found |= {f"annotation {each['name']}": each["expr"] for each in board["annotations"]["list"]}
    found |= {
        f"variable {each['name']}": each["query"]["query"]
        for each in board["templating"]["list"]
        if each["type"] == "query"
    }
    rules = yaml.safe_load((ROOT / "etc/prometheus-alerts.yml").read_text())
    found |= {
        f"alert {rule['alert']}": rule["expr"]
        for group in rules["groups"]
        for rule in group["rules"]
    }
    return found


def wrong_with(expression: str, labels_of: dict[str, set[str]]) -> list[str]:
    """Returns what an expression asks for that there is not."""
    found = [f"no metric {name}" for name in NAME.findall(expression) if name not in labels_of]
    for name, matchers in LABELS.findall(expression):
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", matchers):
            if label not in labels_of.get(name, set()) | SCRAPED:
                found.append(f"{name} has no label {label}")
    every = set().union(
        *(labels_of[name] for name in NAME.findall(expression) if name in labels_of)
    )
    for group in re.findall(r"\b(?:by|ignoring|on)\s*\(([^)]*)\)", expression):
        for label in re.split(r"\s*,\s*", group.strip()):
            if label not in every | SCRAPED:
                found.append(f"no label {label}")
    for opening, closing in ("()", "{}", "[]"):
        if expression.count(opening) != expression.count(closing):
            found.append(f"unbalanced {opening}{closing}")
    return found


def test_the_dashboard_and_the_alerts_ask_for_metrics_that_there_are(tmp_path: Path) -> None:
    with administered("tests.apps.metered:routed", tmp_path, workers=1) as (server, admin, _):
        with server.connect() as client:
            assert client.get("/things/1").status == 200
            client.send(b"nonsense\r\n\r\n")
            assert client.response().status == 400
        metrics = admin.wait_metrics(
            lambda found: value(found, REQUESTS) and value(found, "wsgisrv_refused_total")
        )
    labels_of: dict[str, set[str]] = {}
    for name, labels in metrics:
        labels_of.setdefault(name, set()).update(label for label, _ in labels)
    asked = expressions()
    assert len(asked) > 40
    wrong = {where: bad for where, text in asked.items() if (bad := wrong_with(text, labels_of))}
    assert not wrong
    assert wrong_with("rate(wsgisrv_request_total{code='5'}[5m])", labels_of)
    assert wrong_with("sum by (kind) (rate(wsgisrv_requests_total[5m]))", labels_of)
    used = {name for text in asked.values() for name in NAME.findall(text)}
    assert len(used) >= 30


def test_samples_are_parsed_by_name_and_labels() -> None:
    found = parsed('# TYPE a counter\na_total{b="c"} 2\n')
    assert value(found, "a_total", b="c") == 2


@pytest.mark.parametrize("option", ["statsd"])
def test_a_wrong_statsd_server_is_one_line(option: str, tmp_path: Path) -> None:
    with serve("tests.apps.basic:hello", wait=False, **{option: "nowhere"}) as server:
        assert server.wait_exit() == 78
        assert server.lines[-1].endswith("[wsgisrv] statsd = nowhere: allowed is HOST:PORT")
