"""A service's tasks in one worker: periodic ones and background greenlets, until the worker drains.

Rules: each task has one greenlet, so that its runs never overlap. What a task raises is logged, and the task
goes on. A task that runs in one worker only runs in the one that holds its lock (wsgisrv.task_board): it is
held between runs, too, given back when the worker drains and the task has ended, and freed by the kernel when
the worker dies. The others ask for it once a second.
Runs in: hub and a greenlet for each task.
"""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable, Mapping
from typing import Any

import eventlet
from eventlet import event

from wsgisrv.errors import WsgisrvError, first_line
from wsgisrv.extension import RunIn, Task, WorkerInfo
from wsgisrv.named import find_named
from wsgisrv.scoreboard import Slot, Word
from wsgisrv.task_board import TaskBoard, TaskReal, TaskRow, TaskWord

_LOG = logging.getLogger("wsgisrv.tasks")

ASK_SECONDS = 1.0
"""How often a worker asks for the lock of a task that another one has: one system call each time."""

_RESTART_SECONDS = (1.0, 60.0)
"""First and longest wait before a background greenlet that has failed is started again; it doubles."""

_LONG_ENOUGH = 60.0
"""Seconds after which a background greenlet has not failed at its start."""


class StopFlag:
    """Whether the worker drains, for greenlets to wait for."""

    def __init__(self) -> None:
        self._event = event.Event()

    def is_set(self) -> bool:
        """Whether it does."""
        return bool(self._event.ready())

    def set(self) -> None:
        """Wakes whoever waits."""
        if not self._event.ready():
            self._event.send(True)

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until it does, ``timeout`` seconds at most; returns whether it does."""
        self._event.wait(timeout)
        return self.is_set()


class Tasks:
    """Args:
    tasks: by name.
    board: with rows and locks of those that run in one worker only; None without such.
    info: what each is called with.
    slot: the worker's.
    on_change: called when ``is_done`` may have changed.

    Raises:
        ConfigError: when one of them is not there.
    """

    def __init__(
        self,
        tasks: Mapping[str, Task],
        board: TaskBoard | None,
        info: WorkerInfo,
        slot: Slot,
        on_change: Callable[[], None],
    ) -> None:
        self._runners = [
            _Runner(name, task, board, info, slot, self._ended) for name, task in tasks.items()
        ]
        self._left = len(self._runners)
        self._on_change = on_change

    @property
    def is_done(self) -> bool:
        """Whether every task has ended."""
        return not self._left

    def start(self) -> None:
        """Begins with all of them."""
        for runner in self._runners:
            eventlet.spawn_n(runner.run)

    def _ended(self) -> None:
        self._left -= 1
        self._on_change()


class _Lock:
    """The lock of a task that runs in one worker only, with its row."""

    def __init__(self, name: str, board: TaskBoard) -> None:
        self._name = name
        self._board = board
        self.row = board.row(name)

    def take(self) -> bool:
        """Takes it, unless another worker has it; never waits."""
        try:
            taken = self._board.take(self._name)
        except OSError as error:
            _LOG.error("%s: cannot ask for its lock: %s", self._name, error.strerror)
            return False
        if taken:
            self.row.words[TaskWord.RUNNING] = 0  # whoever died may have been at work
            self.row.words[TaskWord.HOLDER] = os.getpid()
        return taken

    def give_back(self) -> None:
        """Lets another worker take it."""
        self.row.words[TaskWord.HOLDER] = 0
        self._board.give_back(self._name)


class _Runner:
    """One task's greenlet."""

    def __init__(
        self,
        name: str,
        task: Task,
        board: TaskBoard | None,
        info: WorkerInfo,
        slot: Slot,
        on_end: Callable[[], None],
    ) -> None:
        self._name = name
        self._task = task
        self._call = find_named(f"task {name} = {task.target}", task.target)
        self._lock = _Lock(name, board) if board is not None and task.run_in is RunIn.ONE else None
        self._info = info
        self._slot = slot
        self._on_end = on_end

    def run(self) -> None:
        """Runs it until the worker drains. Runs in: greenlet."""
        stopping = self._info.stopping
        try:
            while not stopping.is_set():
                if self._lock is None:
                    self._go_on(None)
                elif self._lock.take():
                    _LOG.info("%s runs in worker %d from now on", self._name, self._info.worker_id)
                    try:
                        self._go_on(self._lock.row)
                    finally:
                        self._lock.give_back()
                else:
                    stopping.wait(ASK_SECONDS)
        finally:
            self._on_end()

    def _go_on(self, row: TaskRow | None) -> None:
        if self._task.interval is None:
            self._keep_running(row)
        else:
            self._repeat(self._task.interval, row)

    def _repeat(self, interval: float, row: TaskRow | None) -> None:
        """Runs it once each interval; one that is missed, since the last run took long, is not made up."""
        stopping = self._info.stopping
        last = row.reals[TaskReal.STARTED] if row is not None else 0.0
        # The worker that had the task before has kept to the interval, and so does this one.
        due = last + self._after(interval) if last else self._first(interval)
        while not stopping.wait(max(due - time.monotonic(), 0.0)):
            began = time.monotonic()
            self._call_once(row, began)
            due = max(began + self._after(interval), time.monotonic())

    def _first(self, interval: float) -> float:
        return time.monotonic() + (0.0 if self._task.immediate else self._after(interval))

    def _after(self, interval: float) -> float:
        return interval + random.uniform(0.0, self._task.jitter)  # noqa: S311 - spreads load

    def _keep_running(self, row: TaskRow | None) -> None:
        """Calls it again when it fails, later each time; done when it returns."""
        stopping = self._info.stopping
        seconds, longest = _RESTART_SECONDS
        while not stopping.is_set():
            began = time.monotonic()
            if self._call_once(row, began):
                stopping.wait()
                return
            if time.monotonic() - began > _LONG_ENOUGH:
                seconds = _RESTART_SECONDS[0]
            _LOG.info("%s is started again in %g s", self._name, seconds)
            stopping.wait(seconds)
            seconds = min(seconds * 2, longest)

    def _call_once(self, row: TaskRow | None, began: float) -> bool:
        """Calls it and notes how it went; returns whether it did not raise."""
        if row is not None:
            row.reals[TaskReal.STARTED] = began
            row.words[TaskWord.RUNNING] = 1
        self._slot.words[Word.TASKS_RUNNING] += 1
        failed = True
        try:
            failed = not _survives(self._name, self._call, self._info)
        finally:
            self._slot.words[Word.TASKS_RUNNING] -= 1
            self._slot.words[Word.TASK_RUNS] += 1
            self._slot.words[Word.TASK_FAILURES] += failed
            if row is not None:
                row.words[TaskWord.RUNNING] = 0
                row.words[TaskWord.RUNS] += 1
                row.words[TaskWord.FAILURES] += failed
                row.reals[TaskReal.SECONDS] = time.monotonic() - began
        return not failed


def _survives(name: str, call: Callable[[WorkerInfo], Any], info: WorkerInfo) -> bool:
    """Calls it; whatever it raises is in the log, and False is returned."""
    try:
        call(info)
    except (Exception, SystemExit, eventlet.Timeout) as error:
        if isinstance(error, WsgisrvError):
            _LOG.error("%s failed: %s", name, first_line(error))
        else:
            _LOG.error("%s failed: %s", name, first_line(error), exc_info=error)
        return False
    return True
