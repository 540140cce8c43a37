"""A service's periodic tasks and background greenlets: in every worker, or in exactly one."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

from tests.support.configured import get, wait_until
from tests.support.owned import Owned, owned
from tests.support.server import wait_gone

APP = "tests.apps.owned_app"
TICK: dict[str, Any] = {
    "target": f"{APP}:tick", "interval": 0.02, "immediate": True, "run_in": "one", "name": "tick",
}  # fmt: skip


def tickers(service: Owned) -> list[int]:
    """Returns who has ended a run, each once, in the order in which they began to."""
    return list(dict.fromkeys(pid for what, pid in service.notes() if what == "end"))


def never_two_at_once(service: Owned, *, deaths: int = 0) -> bool:
    """Whether each run has ended before the next one began, but for those that ``deaths`` have cut."""
    at_work, cut = 0, 0
    for what, pid in service.notes():
        if what == "begin":
            cut += at_work != 0
            at_work = pid
        else:
            assert at_work == pid
            at_work = 0
    return cut <= deaths


def test_a_task_runs_in_every_worker_or_in_exactly_one(tmp_path: Path) -> None:
    everywhere = {**TICK, "run_in": "all"}
    with owned(tmp_path, {"periodic": [everywhere]}, workers=2) as service:
        pids = service.server.wait_ready()
        wait_until(lambda: sorted(tickers(service)) == sorted(pids), "both to run it")
    (tmp_path / "flag.notes").unlink()
    with owned(tmp_path, {"periodic": [TICK]}, workers=2) as service:
        pids = service.server.wait_ready()
        wait_until(lambda: len(service.notes()) > 40, "some runs")
        (pid,) = tickers(service)
        assert pid in pids
        (task,) = service.status()["tasks"]
        assert task["worker"] in (1, 2)
        assert task["runs"] >= 20
        assert task["failures"] == 0
        _, text = service.command("status")
        assert "tasks in one worker\nname  worker" in text


def test_another_worker_takes_a_task_over_from_one_that_dies(tmp_path: Path) -> None:
    with owned(tmp_path, {"periodic": [TICK]}, workers=2) as service:
        service.server.wait_ready()
        wait_until(lambda: tickers(service), "a run")
        (first,) = tickers(service)
        os.kill(first, signal.SIGKILL)
        wait_until(lambda: len(tickers(service)) == 2, "another worker to run it")
        assert never_two_at_once(service, deaths=1)


def test_across_a_reload_it_never_runs_twice_at_once(tmp_path: Path) -> None:
    with owned(tmp_path, {"periodic": [TICK]}, workers=2) as service:
        service.server.wait_ready()
        wait_until(lambda: tickers(service), "a run")
        for generation in (2, 3):
            assert service.command("reload") == (0, f"generation {generation} serves")
            wait_until(lambda: len(tickers(service)) == generation, "the new generation to run it")  # noqa: B023
        assert never_two_at_once(service)


def test_a_worker_that_drains_for_long_gives_the_task_to_another_one(tmp_path: Path) -> None:
    from tests.support.http import Client

    with owned(tmp_path, {"periodic": [TICK]}, workers=1) as service:
        (old,) = service.server.wait_ready()
        with Client(("127.0.0.1", service.port)) as client:
            client.send(b"GET /slow?60 HTTP/1.1\r\nHost: test\r\n\r\n")
            wait_until(lambda: service.status()["workers"][0]["in_flight"], "the request")
            assert service.command("reload") == (0, "generation 2 serves")
            wait_until(lambda: len(tickers(service)) == 2, "the new worker to run it")
            os.kill(old, 0)  # it is there still
            assert never_two_at_once(service)
            service.server.signal(signal.SIGQUIT)
            service.server.wait_exit()


def test_across_an_upgrade_of_the_master_it_never_runs_twice_at_once(tmp_path: Path) -> None:
    with owned(tmp_path, {"periodic": [TICK]}, workers=1) as service:
        (old,) = service.server.wait_ready()
        wait_until(lambda: tickers(service), "a run")
        runs = service.status()["tasks"][0]["runs"]
        code, line = service.command("upgrade")
        assert (code, line.startswith("the new master, pid ")) == (0, True)
        wait_until(lambda: len(tickers(service)) == 2, "the new master's worker to run it")
        wait_gone(old)
        assert never_two_at_once(service)
        assert service.status()["tasks"][0]["runs"] > runs  # counted on


def test_the_interval_holds_when_another_worker_goes_on(tmp_path: Path) -> None:
    rare = {**TICK, "interval": 3600.0}
    with owned(tmp_path, {"periodic": [rare]}, workers=1) as service:
        service.server.wait_ready()
        wait_until(lambda: len(service.notes()) == 2, "the first run, which is at once")
        assert service.command("reload") == (0, "generation 2 serves")
        service.server.wait_line("tick runs in worker 2 from now on")
        assert service.status()["tasks"][0]["runs"] == 1


def test_what_a_task_raises_is_logged_and_the_next_run_comes(tmp_path: Path) -> None:
    failing = {"target": f"{APP}:fail_once", "interval": 0.02}
    with owned(tmp_path, {"periodic": [failing]}) as service:
        service.server.may_log_traceback = True
        service.server.wait_line(
            rf"ERROR wsgisrv\.tasks: {APP}:fail_once failed: RuntimeError: the trouble of a task"
        )
        service.server.wait_line("run 3 of the task")
        told = service.status()["workers"][0]["tasks"]
        assert told["failures"] == 1
        assert told["runs"] >= 2


def test_a_task_that_calls_exit_does_not_end_the_worker(tmp_path: Path) -> None:
    with owned(tmp_path, {"background": [{"target": f"{APP}:exit_at_once"}]}) as service:
        service.server.may_log_traceback = True
        (pid,) = service.server.wait_ready()
        service.server.wait_line(r"exit_at_once is started again in 1 s")
        assert get(service.port)["pid"] == pid


def test_a_background_greenlet_is_told_to_stop_and_waited_for(tmp_path: Path) -> None:
    with owned(tmp_path, {"background": [{"target": f"{APP}:long_task"}]}) as service:
        service.server.wait_ready()
        service.server.wait_line("background begins")
        service.server.signal(signal.SIGTERM)
        assert service.server.wait_exit() == 0
        assert "background has ended" in service.server.log


def test_a_background_greenlet_that_does_not_stop_is_killed_at_graceful_timeout(
    tmp_path: Path,
) -> None:
    stubborn = {"target": "time:sleep"}  # takes no WorkerInfo, and so fails
    forever = {"target": "tests.apps.owned_tasks:run_for_ever"}
    with owned(tmp_path, {"background": [forever]}, graceful_timeout=0.2) as service:
        (pid,) = service.server.wait_ready()
        service.server.wait_line("for ever")
        service.server.signal(signal.SIGTERM)
        assert service.server.wait_exit() == 0
        wait_gone(pid)
    with owned(tmp_path, {"background": [stubborn]}) as service:
        service.server.may_log_traceback = True
        service.server.wait_line(r"time:sleep failed: TypeError")


def test_a_task_that_is_not_there_stops_the_start_in_a_line(tmp_path: Path) -> None:
    with owned(tmp_path, {"background": [{"target": f"{APP}:nothing"}]}) as service:
        assert service.server.wait_exit() == 78
        assert service.server.lines[-1] == (
            f"wsgisrv: task {APP}:nothing = {APP}:nothing: {APP} has no nothing"
        )
