"""wsgisrv.blocking.in_process in a service: jobs, what becomes of them, and that nothing is left over."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.control import answer_of, kill_master, operated, wait_status, wsgisrv
from tests.support.http import DEADLINE, Client
from tests.support.server import Server, group_of, run, serve

APP = "tests.apps.processes:any"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serve(APP, workers=1, cpu_workers=1) as server:
        yield server


@pytest.fixture
def fifo(tmp_path: Path) -> str:
    """What a job waits for until the test writes to it."""
    path = str(tmp_path / "fifo")
    os.mkfifo(path)
    return path


@contextlib.contextmanager
def waiting(server: Any, target: str, count: int = 1) -> Iterator[list[Client]]:
    """Clients that have asked and have no answer yet."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(count)]
        for client in clients:
            client.send(f"GET {target} HTTP/1.1\r\nHost: test\r\n\r\n".encode())
        yield clients


def computes(name: str) -> Callable[[Any], bool]:
    """Whether a helper is at the job of that name."""
    job = f"tests.apps.processes.{name}"
    return lambda found: any(each["job"] == job for each in found["helpers"])


def queued(count: int) -> Callable[[Any], bool]:
    return lambda found: sum(each["jobs"]["waiting"] for each in found["workers"]) == count


def get(server: Server, target: str) -> Any:
    with server.connect() as client:
        return client.get(target).json()


def test_a_job_runs_in_a_plain_process_of_lower_priority(server: Server) -> None:
    _, has_eventlet, priority, pid = get(server, "/imported")
    assert not has_eventlet
    assert priority == os.getpriority(os.PRIO_PROCESS, 0) + 5
    assert pid not in (server.pid, get(server, "/hello"), os.getpid())


def test_a_large_result_arrives_whole(server: Server) -> None:
    assert get(server, "/echo?20000000") == 20_000_000


def test_a_job_of_a_job_runs_right_there(server: Server) -> None:
    assert get(server, "/nested") is True


def test_an_exception_comes_with_the_helpers_traceback_as_a_note(server: Server) -> None:
    kind, text, note = get(server, "/fails?no%20such%20thing")
    assert (kind, text) == ("LookupError", "no%20such%20thing")
    assert note.startswith("in the helper process:\nTraceback")
    assert "in fails\n" in note


@pytest.mark.parametrize(
    ("target", "kind", "text"),
    [
        ("/exits?3", "SystemExit", "3"),
        ("/fails_oddly", "NotSendableError", "the function raised OddError: 1 and 2"),
        ("/lambda_of", "NotSendableError", "tests.apps.processes.lambda_of returned a function"),
        ("/lambda", "NotSendableError", "tests.apps.processes.serve.<locals>.<lambda> or an"),
    ],
)
def test_what_cannot_be_sent_says_why(server: Server, target: str, kind: str, text: str) -> None:
    found = get(server, target)
    assert found[0] == kind
    assert found[1].startswith(text)
    assert get(server, "/pid")  # the helper serves on


@pytest.mark.parametrize("job", ["spin?60", "match"])
def test_a_job_that_runs_too_long_is_killed_and_its_helper_replaced(job: str) -> None:
    with serve(APP, workers=1, cpu_workers=1) as server:
        before = get(server, "/pid")
        kind, text, *_ = get(server, f"/soon/{job}")
        assert (kind, text) == (
            "JobTimeoutError",
            "the job ran longer than 0.3 s; it was killed",
        )
        assert get(server, "/pid") != before
        name = job.partition("?")[0]
        server.wait_line(
            rf"WARNING wsgisrv\.master: helper 1 \(pid {before}\) in tests\.apps\.processes\.{name}:"
            " the job took longer than it may; it was killed"
        )


def test_a_helper_that_dies_in_a_job_is_named_and_replaced() -> None:
    with serve(APP, workers=1, cpu_workers=1) as server:
        before = get(server, "/pid")
        assert get(server, "/dies")[0] == "HelperDiedError"
        server.wait_line(
            rf"helper 1 \(pid {before}\) exited with code 9 after .* s in tests\.apps\.processes\.dies$"
        )
        assert get(server, "/pid") != before


def test_a_helper_that_dies_while_it_is_idle_fails_no_job(tmp_path: Path) -> None:
    with operated(APP, tmp_path, workers=1, cpu_workers=1) as (server, path):
        before = get(server, "/pid")
        wait_status(path, lambda found: found["helpers"][0]["state"] == "idle")
        os.kill(before, signal.SIGKILL)
        assert get(server, "/pid") != before


def test_a_request_that_request_timeout_ends_calls_its_job_off(tmp_path: Path) -> None:
    with operated(APP, tmp_path, workers=1, cpu_workers=1, request_timeout=0.5) as (server, path):
        before = get(server, "/pid")
        with waiting(server, "/match") as (client,):
            wait_status(path, computes("match"))
            assert client.response().status == 503
        server.wait_line(
            rf"helper 1 \(pid {before}\) in .*match: the job was called off; it was killed"
        )
        assert get(server, "/pid") != before


def test_a_job_whose_caller_gave_up_in_the_queue_frees_its_place_and_never_runs(
    tmp_path: Path, fifo: str
) -> None:
    mark = tmp_path / "mark"
    with operated(APP, tmp_path, workers=1, cpu_workers=1, cpu_queue=1) as (server, path):
        with waiting(server, f"/read?{fifo}"):
            wait_status(path, computes("read"))
            for _ in range(3):
                assert get(server, f"/impatient?{mark}") == "timed out"
            wait_status(path, queued(0))
            Path(fifo).write_text("")
        assert get(server, "/pid")
        assert not mark.exists()


def test_a_full_queue_is_503_with_retry_after_whichever_worker_is_asked(
    tmp_path: Path, fifo: str
) -> None:
    options = {"workers": 2, "cpu_workers": 1, "cpu_queue": 2}
    with operated(APP, tmp_path, **options) as (server, path):
        with waiting(server, f"/read?{fifo}") as (running,):
            wait_status(path, computes("read"))
            with waiting(server, "/pid", count=2) as accepted:
                wait_status(path, queued(2))
                for _ in range(4):
                    with server.connect() as client:
                        refused = client.get("/raise/pid")
                        assert (refused.status, refused["retry-after"].isdecimal()) == (503, True)
                Path(fifo).write_text("go on")
                assert running.response().json() == "go on"
                assert [client.response().status for client in accepted] == [200, 200]
        server.wait_line(
            r"WARNING wsgisrv\.app: \[req-\S+\] GET /raise/pid HTTP/1\.1: 2 jobs wait .*cpu_queue"
        )


def test_jobs_of_several_workers_share_the_helpers_and_all_are_answered() -> None:
    with serve(APP, workers=2, cpu_workers=2) as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(30)]
        for _ in range(5):
            for client in clients:
                client.send(b"GET /spin?0.002 HTTP/1.1\r\nHost: test\r\n\r\n")
            assert {client.response().json() for client in clients} == {0.002}


def test_a_reload_brings_new_code_and_lets_old_jobs_finish(
    tmp_path: Path, fifo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = tmp_path / "version"
    version.write_text("old")
    monkeypatch.setenv("TEST_VERSION_FILE", str(version))
    with operated(APP, tmp_path, workers=1, cpu_workers=2) as (server, path):
        assert get(server, "/imported")[0] == "old"
        with waiting(server, f"/read?{fifo}") as (old,):
            wait_status(path, computes("read"))
            version.write_text("new")
            answer_of(path, "reload")
            assert get(server, "/imported")[0] == "new"
            Path(fifo).write_text("of the old generation")
            assert old.response().json() == "of the old generation"
        found = wait_status(path, lambda found: len(found["helpers"]) == 2)
        assert {helper["generation"] for helper in found["helpers"]} == {2}


def test_a_stop_waits_for_the_jobs_of_running_requests(tmp_path: Path, fifo: str) -> None:
    with (
        operated(APP, tmp_path, workers=1, cpu_workers=2) as (server, path),
        waiting(server, f"/read?{fifo}") as (client,),
    ):
        wait_status(path, computes("read"))
        os.killpg(server.pid, signal.SIGTERM)  # all of them, as systemd does
        server.wait_line("SIGTERM: stopping gracefully")
        Path(fifo).write_text("the last word")
        assert client.response().json() == "the last word"
        assert server.wait_exit() == 0


def test_a_stop_now_leaves_no_helper_whatever_it_computes(tmp_path: Path) -> None:
    with operated(APP, tmp_path, workers=1, cpu_workers=2) as (server, path):
        with waiting(server, "/match"):
            wait_status(path, computes("match"))
            server.signal(signal.SIGQUIT)
            assert server.wait_exit() == 0
        assert group_of(server.pid) == []


def test_a_master_that_is_killed_leaves_no_helper_once_the_workers_are_gone(
    tmp_path: Path,
) -> None:
    with operated(APP, tmp_path, workers=1, cpu_workers=2, graceful_timeout=1) as (server, path):
        found = wait_status(path, lambda found: len(found["helpers"]) == 2)
        ends = [os.pidfd_open(helper["pid"]) for helper in found["helpers"]]
        with waiting(server, "/match"):
            wait_status(path, computes("match"))
            kill_master(server)
        for end in ends:
            assert select.select([end], [], [], DEADLINE)[0]
            os.close(end)


def test_a_worker_that_is_killed_takes_its_job_with_it(tmp_path: Path) -> None:
    with operated(APP, tmp_path, workers=1, cpu_workers=1) as (server, path):
        (worker,) = server.wait_ready()
        before = get(server, "/pid")
        with waiting(server, "/match"):
            wait_status(path, computes("match"))
            os.kill(worker, signal.SIGKILL)
            server.wait_line(rf"helper 1 \(pid {before}\) in .*match: the job was called off")
        wait_status(path, lambda found: found["workers"] and found["workers"][0]["pid"] != worker)
        assert get(server, "/pid") != before


def test_without_cpu_workers_a_job_says_which_option_is_missing() -> None:
    with serve(APP, workers=1) as server:
        assert get(server, "/pid") == [
            "NoHelpersError",
            "the service has no processes for this: set cpu_workers above 0",
        ]


def test_an_app_of_the_working_directory_has_its_jobs_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shop.py").write_text(
        "from wsgisrv.blocking import in_process\n"
        "def double(number): return 2 * number\n"
        "def app(environ, start_response):\n"
        "    start_response('200 OK', [])\n"
        "    return [b'%d' % in_process(double, 21)]\n"
    )
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        fd, address = listener.fileno(), listener.getsockname()
        options = ["--bind", f"fd://{fd}", "--workers", "1", "--cpu-workers", "1"]
        command = ["serve", "--app", "shop:app", *options]
        # As an installed command: python -m would look in the directory by itself.
        with run(command, pass_fds=[fd], address=address, module=("-P", "-m", "wsgisrv")) as server:
            server.wait_ready()
            with server.connect() as client:
                assert client.get("/").body == b"42"


def test_status_has_a_line_for_each_helper(tmp_path: Path, fifo: str) -> None:
    with operated(APP, tmp_path, workers=1, cpu_workers=1) as (server, path):
        with waiting(server, f"/read?{fifo}"):
            wait_status(path, computes("read"))
            text = wsgisrv("status", "--control-socket", path).stdout
            Path(fifo).write_text("")
        last = text.splitlines()[-1].split()
        assert (last[0], last[3], last[-1]) == ("1", "busy", "tests.apps.processes.read")
