"""The master over workers that do as they are told: fail, die, hang and babble."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.support.server import Server, flags, run, wait_gone

SERVES = {"*": "serves"}


def supervise(
    directory: Path, plan: dict[str, str], **options: Any
) -> contextlib.AbstractContextManager[Server]:
    """Runs a master whose workers follow ``plan``."""
    tell(directory, plan)
    command = ["-m", "tests.support.fake_worker", str(directory / "plan"), *flags(options)]
    return run(command, module=())


def tell(directory: Path, plan: dict[str, str]) -> None:
    """Changes what workers do that boot from now on."""
    (directory / "plan.new").write_text(json.dumps(plan))
    (directory / "plan.new").rename(directory / "plan")


def signals_of(pid: int, which: str) -> set[int]:
    """Returns the numbers in a mask of /proc/PID/status, as SigBlk and SigIgn."""
    status = Path(f"/proc/{pid}/status").read_text()
    match = re.search(rf"^{which}:\s*([0-9a-f]+)$", status, re.MULTILINE)
    assert match
    return {number for number in range(1, 65) if int(match[1], 16) >> number - 1 & 1}


def complaints(server: Server) -> list[str]:
    return [line for line in server.lines if line.startswith("wsgisrv: ")]


# The fork


def test_a_worker_holds_nothing_of_the_masters_or_its_siblings(tmp_path: Path) -> None:
    with supervise(tmp_path, SERVES, workers=4) as server:
        # stdin, stdout, stderr, the listener, its own channel, its own dump and report files
        server.wait_line(r"ready: .*, hub with 7 fds, 4 workers")


def test_a_worker_ignores_what_is_the_masters_and_blocks_nothing(tmp_path: Path) -> None:
    with supervise(tmp_path, SERVES, workers=1) as server:
        (pid,) = server.wait_ready()
        assert signals_of(pid, "SigBlk") == set()
        assert signals_of(pid, "SigIgn") >= {
            signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGTTIN,
            signal.SIGTTOU,
        }  # fmt: skip
        ours = {signal.SIGQUIT, signal.SIGCHLD}
        assert not ours & (signals_of(pid, "SigIgn") | signals_of(pid, "SigCgt"))


def test_a_master_without_standard_output_forks(tmp_path: Path) -> None:
    tell(tmp_path, SERVES)
    code = "import os, sys; os.close(1); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    plan = str(tmp_path / "plan")
    with run(["-c", code, "-m", "tests.support.fake_worker", plan], module=()) as server:
        assert len(server.wait_ready()) == 2


# A kernel that refuses to fork


@pytest.mark.parametrize("refused", ["1", "2", "1,2,3"])
def test_a_fork_that_fails_at_the_start_ends_it_with_71_and_leaves_nobody(
    refused: str, tmp_path: Path
) -> None:
    with supervise(tmp_path, SERVES, workers=3, refuse=refused) as server:
        assert server.wait_exit() == 71
        (line,) = complaints(server)
        assert line.startswith("wsgisrv: cannot fork: ")


def test_a_fork_that_fails_in_a_reload_leaves_the_old_workers_alone(tmp_path: Path) -> None:
    with supervise(tmp_path, SERVES, workers=2, refuse="3") as server:
        old = server.wait_ready()
        server.signal(signal.SIGHUP)
        server.wait_line("reload failed, generation 1 stays: cannot fork")
        server.signal(signal.SIGHUP)
        new = server.wait_ready(after=len(server.lines) - 1)
        assert len(new) == 2
        assert not set(old) & set(new)


def test_a_fork_that_fails_later_is_tried_again(tmp_path: Path) -> None:
    with supervise(tmp_path, SERVES, workers=1, refuse="2") as server:
        (old,) = server.wait_ready()
        os.kill(old, signal.SIGKILL)
        server.wait_line("WARNING wsgisrv.master: cannot fork")
        server.wait_line(r"worker 3 \(pid \d+\) is ready")


# Deaths


def test_a_worker_that_keeps_crashing_comes_later_and_later(tmp_path: Path) -> None:
    with supervise(tmp_path, {"*": "crashes"}, workers=1) as server:
        for delay in ("0.5", "1", "2"):
            server.wait_line(rf"workers die early, \d+ so far, the next comes in {delay} s$")
        tell(tmp_path, SERVES)
        server.wait_line(r"worker \d+ \(pid \d+\) exited with code 1 after ")


def test_a_crash_loop_of_many_workers_is_one_line_a_round(tmp_path: Path) -> None:
    with supervise(tmp_path, {"*": "crashes"}, workers=4) as server:
        for delay in ("0.5", "1", "2"):
            server.wait_line(rf"workers die early, \d+ so far, the next comes in {delay} s$")
        warnings = [line for line in server.lines if " WARNING " in line]
        assert [line.rpartition(" in ")[2] for line in warnings] == ["0.5 s", "1 s", "2 s"]
        counts = [int(line.rpartition(" so far,")[0].rpartition(" ")[2]) for line in warnings]
        assert counts == [1, 5, 9]  # the four of each round, and the first of this one


def test_a_worker_killed_by_a_real_time_signal_is_replaced(tmp_path: Path) -> None:
    with supervise(tmp_path, SERVES, workers=1) as server:
        (pid,) = server.wait_ready()
        os.kill(pid, signal.SIGRTMIN + 1)
        server.wait_line(rf"worker 1 \(pid {pid}\) was killed by SIGRTMIN\+1 after ")
        server.wait_line(r"worker 2 \(pid \d+\) is ready")


def test_a_worker_that_babbles_on_its_channel_is_replaced(tmp_path: Path) -> None:
    with supervise(tmp_path, {"1": "babbles", **SERVES}, workers=1) as server:
        server.wait_ready()
        server.signal(signal.SIGUSR1)
        server.wait_line(r"ERROR wsgisrv\.master: worker 1 \(pid \d+\): no message on its channel")
        server.wait_line(r"worker 2 \(pid \d+\) is ready")


def test_a_worker_without_a_beat_is_aborted_and_replaced(tmp_path: Path) -> None:
    with supervise(tmp_path, {"1": "hangs", **SERVES}, workers=1, worker_timeout=1) as server:
        server.wait_line(r"worker 1 \(pid \d+\) was killed by SIGABRT")
        server.wait_line(r"worker 2 \(pid \d+\) is ready")


# Boot


@pytest.mark.parametrize(
    ("does", "code", "line"),
    [
        ("fails", 78, r"wsgisrv: worker 2 has no app$"),
        ("dies", 70, r"wsgisrv: worker 2 \(pid \d+\) exited with code 3 after [0-9.]+ s$"),
        ("never", 70, r"wsgisrv: worker 2 \(pid \d+\) was killed by SIGKILL after [0-9.]+ s$"),
    ],
)
def test_a_worker_that_cannot_boot_stops_the_start_with_one_line(
    does: str, code: int, line: str, tmp_path: Path
) -> None:
    plan = {"*": "never", "2": does}
    timeout = 0.5 if does == "never" else 20
    with supervise(tmp_path, plan, workers=2, boot_timeout=timeout) as server:
        assert server.wait_exit() == code
        (said,) = complaints(server)
        if does != "never":  # either of the two may be found dead first
            assert re.match(line, said)


def test_a_second_worker_that_cannot_boot_is_retried_once_one_was_ready(tmp_path: Path) -> None:
    with supervise(tmp_path, SERVES, workers=1) as server:
        server.wait_ready()
        tell(tmp_path, {"2": "fails", **SERVES})
        server.signal(signal.SIGTTIN)
        server.wait_line("WARNING wsgisrv.master: worker 2 has no app")
        server.wait_line(r"worker 3 \(pid \d+\) is ready")


def test_fewer_workers_during_a_reload_do_not_fail_it(tmp_path: Path) -> None:
    with supervise(tmp_path, {"3": "serves", "4": "never", "*": "serves"}, workers=2) as server:
        server.wait_ready()
        seen = len(server.lines)
        server.signal(signal.SIGHUP)
        server.wait_line(r"worker 3 \(pid \d+\) is ready", after=seen)
        server.signal(signal.SIGTTOU)
        assert len(server.wait_ready(after=seen)) == 1


def test_a_stop_during_the_start_ends_workers_that_boot(tmp_path: Path) -> None:
    with supervise(tmp_path, {"1": "serves", "*": "never"}, workers=2) as server:
        server.wait_line(r"worker 1 \(pid \d+\) is ready")
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0


# A reload whose workers do not do as they should


@pytest.mark.parametrize(
    ("does", "reason"),
    [
        ("fails", "worker 4 has no app$"),
        ("dies", r"worker 4 \(pid \d+\) exited with code 3 after "),
        ("leaves", r"worker 4 \(pid \d+\) exited with code 0 after "),
        ("never", r"worker [34] \(pid \d+\) was killed by SIGKILL after "),
    ],
)
def test_a_worker_that_does_not_boot_fails_the_reload_and_the_next_one_succeeds(
    does: str, reason: str, tmp_path: Path
) -> None:
    timeout = 1.0 if does == "never" else 20.0
    with supervise(tmp_path, SERVES, workers=2, boot_timeout=timeout) as server:
        old = server.wait_ready()
        tell(tmp_path, {"4": does, **SERVES})
        server.signal(signal.SIGHUP)
        server.wait_line(rf"reload failed, generation 1 stays: {reason}")
        assert all(is_alive(pid) for pid in old)
        tell(tmp_path, SERVES)
        seen = len(server.lines)
        server.signal(signal.SIGHUP)
        assert not set(server.wait_ready(after=seen)) & set(old)


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def test_old_workers_that_ignore_drain_are_killed_in_time_and_the_new_ones_serve(
    tmp_path: Path,
) -> None:
    with supervise(tmp_path, {"1": "deaf", "2": "deaf", **SERVES}, graceful_timeout=1) as server:
        old = server.wait_ready()
        seen = len(server.lines)
        server.signal(signal.SIGHUP)
        new = server.wait_ready(after=seen)
        for number, pid in enumerate(old, 1):
            server.wait_line(f"WARNING .*: worker {number} did not finish in time", after=seen)
            wait_gone(pid)
        assert all(is_alive(pid) for pid in new)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_a_stop_ends_workers_that_ignore_drain(number: signal.Signals, tmp_path: Path) -> None:
    with supervise(tmp_path, {"*": "deaf"}, graceful_timeout=1) as server:
        server.wait_ready()
        server.signal(number)
        assert server.wait_exit() == 0


def test_a_resize_of_workers_that_ignore_drain_ends_them_in_time(tmp_path: Path) -> None:
    with supervise(tmp_path, {"*": "deaf"}, workers=2, graceful_timeout=1) as server:
        _, second = server.wait_ready()
        server.signal(signal.SIGTTOU)
        wait_gone(second)
