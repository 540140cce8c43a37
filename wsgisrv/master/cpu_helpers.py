"""The helpers as the master holds them: processes that compute for workers (wsgisrv.blocking.helper).

Rules: a helper belongs to a generation, as its code does, and serves for as long as a worker of it lives.
The master forks and reaps helpers; it sees no job, and kills a helper only when it does not end by itself.
Runs in: master loop.

Each generation has a queue: a socket pair in whose one end idle helpers put tickets, and at whose other end
workers take them. When no process holds the workers' end any more, helpers are at the end of their work:
nobody has to tell them, and so none is left over, whoever dies in whatever order.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Collection, Iterator

from wsgisrv.channel import Channel, Message
from wsgisrv.context import HelperContext
from wsgisrv.control import Fields
from wsgisrv.helper_board import HelperBoard, HelperPlace, HelperReal, HelperState, HelperWord
from wsgisrv.layout import Layout
from wsgisrv.master.backoff import FIRST_DELAY, LONG_ENOUGH, LONGEST_DELAY
from wsgisrv.master.reap import Status, exited, in_words
from wsgisrv.master.spawn import CloseMasters, spawn_process
from wsgisrv.memory import rss_of

_LOG = logging.getLogger("wsgisrv.master")

PLACES = 512
"""On the board: several generations of the most helpers that may be."""

PATIENCE = 3.0
"""Seconds that helpers have to end by themselves when the service stops."""

_WANTED_ENDS: dict[int, str] = {
    signal.SIGALRM: "the job took longer than it may",
    signal.SIGIO: "the job was called off",
}

SpawnProcess = Callable[[Callable[[], int], CloseMasters, str], int]


@dataclasses.dataclass(slots=True)
class _Helper:
    """One helper that was not reaped yet."""

    helper_id: int
    generation: int
    place: int
    pid: int
    channel: Channel
    started: float

    def __str__(self) -> str:
        return f"helper {self.helper_id} (pid {self.pid})"


@dataclasses.dataclass(slots=True)
class _Generation:
    """What the helpers of a generation share.

    Args:
        wanted: how many helpers there should be.
        looks_here: whether they look for modules in the working directory, as the workers do.
        theirs: the end of the queue that helpers hold.
        workers: the one that workers do.
        not_before: the next may be spawned then; later and later while helpers die early.
    """

    wanted: int
    looks_here: bool
    theirs: socket.socket
    workers: socket.socket
    not_before: float = 0.0
    early_deaths: int = 0

    def close(self) -> None:
        self.theirs.close()
        self.workers.close()


class CpuHelpers:
    """Args:
    close_masters: closes, in a helper, every descriptor that is the master's alone.
    spawn: forks.
    """

    def __init__(self, close_masters: CloseMasters, spawn: SpawnProcess = spawn_process) -> None:
        self._close_masters = close_masters
        self._spawn = spawn
        self._generations: dict[int, _Generation] = {}
        self._helpers: dict[int, _Helper] = {}  # by pid
        self._board: HelperBoard | None = None
        self._free_places = list(range(PLACES - 1, -1, -1))
        self._last_id = 0

    def queue_for(self, generation: int, layout: Layout) -> socket.socket | None:
        """Returns a worker's end of the queue, a descriptor of its own; None when there are no helpers.

        Raises:
            OSError: when no file descriptor is left.
        """
        wanted = layout.settings.cpu_workers
        if not wanted:
            return None
        found = self._generations.get(generation)
        if found is None:
            theirs, workers = socket.socketpair()
            workers.setblocking(False)
            found = _Generation(wanted, layout.looks_here, theirs, workers)
            self._generations[generation] = found
        return found.workers.dup()

    # The loop's parts

    def tick(self, alive: Collection[int], now: float) -> None:
        """Reaps, lets go of generations that are over, and spawns what is missing.

        Args:
            alive: generations that have a worker, or will.
        """
        for pid, status in exited(self._helpers, adopts=False):
            self._on_exit(self._helpers[pid], status, now)
        for generation in [found for found in self._generations if found not in alive]:
            self._generations.pop(generation).close()
        for generation in self._missing(now):
            self._start(generation, now)

    def deadline(self, now: float) -> float:
        """Returns when ``tick`` has something to do, a second away at most."""
        due = [found.not_before for found in self._generations.values() if found.not_before > now]
        return min([now + 1.0, *due])

    def _missing(self, now: float) -> Iterator[int]:
        for generation, found in self._generations.items():
            there = sum(helper.generation == generation for helper in self._helpers.values())
            if now >= found.not_before:
                yield from [generation] * (found.wanted - there)

    def _start(self, generation: int, now: float) -> None:
        found = self._generations[generation]
        if not self._free_places or now < found.not_before:
            return
        try:
            self._fork(generation, found, now)
        except OSError as error:
            found.not_before = now + FIRST_DELAY
            _LOG.error("a helper cannot be forked: %s", error.strerror)

    def _fork(self, generation: int, found: _Generation, now: float) -> None:
        if self._board is None:
            self._board = HelperBoard(PLACES)
        ours, theirs = Channel.pair()
        index = self._free_places.pop()
        place = self._board[index]
        place.clear()
        helper_id = self._last_id + 1
        context = HelperContext(
            queue=found.theirs, channel=theirs, place=place, looks_here=found.looks_here
        )
        try:
            pid = self._spawn(
                lambda: _run(context),
                lambda: self._close_in_helper(generation, ours),
                f"helper {helper_id}",
            )
        except OSError:
            ours.close()
            self._free_places.append(index)
            raise
        finally:
            theirs.close()
        self._last_id = helper_id
        self._helpers[pid] = _Helper(helper_id, generation, index, pid, ours, now)

    # Runs in: a child

    def _close_in_helper(self, generation: int, ours: Channel) -> None:
        self._close_masters()
        ours.close()
        for number, found in self._generations.items():
            found.workers.close()
            if number != generation:
                found.theirs.close()
        for helper in self._helpers.values():
            helper.channel.close()

    def close_in_worker(self) -> None:
        """Closes all but the end that ``queue_for`` gave. Runs in: a fresh worker."""
        for found in self._generations.values():
            found.close()
        for helper in self._helpers.values():
            helper.channel.close()

    # Death

    def _on_exit(self, helper: _Helper, status: Status, now: float) -> None:
        del self._helpers[helper.pid]
        helper.channel.close()
        self._free_places.append(helper.place)
        found = self._generations.get(helper.generation)
        if found is None or status == 0:  # nobody of its generation is left to work for
            return
        killed_by = os.WTERMSIG(status) if status is not None and os.WIFSIGNALED(status) else 0
        age = now - helper.started
        if reason := _WANTED_ENDS.get(killed_by):
            _LOG.warning("%s%s: %s; it was killed", helper, self._job_of(helper), reason)
            return
        _LOG.warning("%s %s after %.1f s%s", helper, in_words(status), age, self._job_of(helper))
        if age >= LONG_ENOUGH:
            found.early_deaths = 0
            return
        found.not_before = now + min(FIRST_DELAY * 2**found.early_deaths, LONGEST_DELAY)
        found.early_deaths = min(found.early_deaths + 1, 16)

    def _job_of(self, helper: _Helper) -> str:
        """Returns what a dead helper was about."""
        place = self._board[helper.place] if self._board is not None else None
        busy = place is not None and place.words[HelperWord.STATE] == HelperState.BUSY
        return f" in {place.job or 'a job'}" if place is not None and busy else ""

    def close(self) -> None:
        """Sees every helper gone, at the end of the service."""
        for found in self._generations.values():
            found.close()
        self._generations.clear()
        until = time.monotonic() + PATIENCE
        while self._helpers:
            now = time.monotonic()
            for pid, status in exited(self._helpers, adopts=False):
                self._on_exit(self._helpers[pid], status, now)
            if now >= until:
                for pid in self._helpers:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                until = now + PATIENCE
            time.sleep(0.005 if self._helpers else 0.0)

    # Words

    def tell_all(self, message: Message) -> None:
        """Sends the message to every helper; one that computes reads it after its job."""
        for helper in self._helpers.values():
            helper.channel.send(message)

    def status(self, now: float) -> list[Fields]:
        """Returns how each helper stands, as ``wsgisrv status`` has it."""
        board = self._board
        if board is None:
            return []
        return [_status(helper, board[helper.place], now) for helper in self._helpers.values()]


def _run(context: HelperContext) -> int:
    """Runs in: a fresh child, so that the master never imports it."""
    from wsgisrv.blocking.helper import run_helper

    return run_helper(context)


def _status(helper: _Helper, place: HelperPlace, now: float) -> Fields:
    busy = place.words[HelperWord.STATE] == HelperState.BUSY
    return {
        "id": helper.helper_id,
        "pid": helper.pid,
        "generation": helper.generation,
        "state": HelperState(place.words[HelperWord.STATE]).name.lower(),
        "age": round(now - helper.started, 1),
        "jobs": place.words[HelperWord.JOBS],
        "job": place.job if busy else "",
        "job_seconds": round(now - place.reals[HelperReal.SINCE], 3) if busy else 0.0,
        "busy_seconds": round(place.reals[HelperReal.BUSY_SECONDS], 3),
        "rss_bytes": rss_of(helper.pid),
    }
