"""The helpers as the master holds them, with children that do nothing but end."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
from collections.abc import Callable, Iterator

import pytest

from wsgisrv.config import Settings
from wsgisrv.layout import Layout
from wsgisrv.master.cpu_helpers import CpuHelpers

TWO = Layout.single(Settings(cpu_workers=2))


class Children:
    """Forks what ends when it is told to."""

    def __init__(self) -> None:
        self.pids: list[int] = []
        self.refuses = False

    def spawn(self, _run: Callable[[], int], _close: Callable[[], None], _name: str) -> int:
        if self.refuses:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        pid = os.fork()
        if not pid:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())
            signal.pause()
        self.pids.append(pid)
        return pid

    def end(self, pid: int, number: signal.Signals) -> None:
        """Ends one and waits until it can be reaped."""
        os.kill(pid, number)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


@pytest.fixture
def children() -> Children:
    return Children()


@pytest.fixture
def helpers(children: Children) -> Iterator[CpuHelpers]:
    helpers = CpuHelpers(lambda: None, children.spawn)
    yield helpers
    for pid in children.pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    helpers.close()


def begin(helpers: CpuHelpers, generation: int) -> socket.socket:
    queue = helpers.queue_for(generation, TWO)
    assert queue is not None
    return queue


def test_a_service_without_helpers_has_no_queue(helpers: CpuHelpers) -> None:
    assert helpers.queue_for(1, Layout.single(Settings())) is None
    helpers.tick({1}, 0.0)
    assert helpers.status(0.0) == []


def test_as_many_are_started_as_are_wanted_and_once(
    helpers: CpuHelpers, children: Children
) -> None:
    with begin(helpers, 1), begin(helpers, 1):
        helpers.tick({1}, 0.0)
        helpers.tick({1}, 0.1)
    assert len(children.pids) == 2
    assert [found["state"] for found in helpers.status(1.0)] == ["booting", "booting"]


def test_one_that_dies_early_is_replaced_later_and_later(
    helpers: CpuHelpers, children: Children
) -> None:
    with begin(helpers, 1):
        now, delays = 0.0, []
        helpers.tick({1}, now)
        for _ in range(8):
            children.end(children.pids[-1], signal.SIGKILL)
            helpers.tick({1}, now)
            count = len(children.pids)
            due = now
            while len(children.pids) == count:
                due = helpers.deadline(due)
                helpers.tick({1}, due)
            delays.append(round(due - now, 3))
            now = due
    assert delays == [0.5, 1, 2, 4, 8, 16, 30, 30]


@pytest.mark.parametrize("number", [signal.SIGALRM, signal.SIGIO])
def test_one_that_was_killed_for_its_job_is_replaced_at_once(
    helpers: CpuHelpers, children: Children, number: signal.Signals
) -> None:
    with begin(helpers, 1):
        helpers.tick({1}, 0.0)
        children.end(children.pids[0], number)
        helpers.tick({1}, 0.1)
        assert len(children.pids) == 3


def test_a_generation_without_workers_gets_no_more_and_its_queue_ends(
    helpers: CpuHelpers, children: Children
) -> None:
    with begin(helpers, 1) as old:
        helpers.tick({1}, 0.0)
        with begin(helpers, 2):
            helpers.tick({1, 2}, 0.0)
            assert len(children.pids) == 4
            helpers.tick({2}, 0.0)
            children.end(children.pids[0], signal.SIGKILL)
            helpers.tick({2}, 100.0)
            assert len(children.pids) == 4
            with pytest.raises(BlockingIOError):  # the test's children hold the helpers' end
                old.recv(1)


def test_a_fork_that_fails_is_tried_again(helpers: CpuHelpers, children: Children) -> None:
    with begin(helpers, 1):
        children.refuses = True
        helpers.tick({1}, 0.0)
        assert helpers.deadline(0.0) == 0.5
        children.refuses = False
        helpers.tick({1}, 0.4)
        assert not children.pids
        helpers.tick({1}, 0.5)
        assert len(children.pids) == 2


def test_at_the_end_one_that_does_not_end_by_itself_is_killed(
    helpers: CpuHelpers, children: Children, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wsgisrv.master.cpu_helpers.PATIENCE", 0.05)
    with begin(helpers, 1):
        helpers.tick({1}, 0.0)
        helpers.close()
        for pid in children.pids:
            with pytest.raises(ProcessLookupError):
                os.kill(pid, 0)
