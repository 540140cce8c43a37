"""The watchdog: a native thread that sees the hub stand still, and says what holds it.

Rules: imported before the standard library is patched, and must not import eventlet: it keeps the original
thread and sleep. Takes no lock that the hub may hold, so it does not use logging. One stack for each block.

Two watch, since a thread of Python sees nothing while C code holds the GIL: this thread, which finds the
request as well, and faulthandler's timer, which is C and writes to the worker's dump file; whoever comes
first after the block, or the master during it, logs what is there if the thread could not. The claim stands
on the scoreboard.

Facts about faulthandler.dump_traceback_later: its thread sleeps on a lock with a timeout of the monotonic
clock; setting it anew ends that thread and starts another, which took 80 us (median) four times a second.
"""

from __future__ import annotations

import _thread
import faulthandler
import json
import logging
import os
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from wsgisrv.blocking.remedies import hint_for_text
from wsgisrv.dumpfile import STACKS_BYTES, DumpFile
from wsgisrv.logs import log_stack, write_now
from wsgisrv.scoreboard import BEAT_SECONDS, Real, Slot, Word
from wsgisrv.worker import aborts
from wsgisrv.worker.profiler import Profiler

_LOG = logging.getLogger("wsgisrv.worker")

# Taken here, before any patching.
_start_thread = _thread.start_new_thread
_sleep = time.sleep
_write = os.write
_get_ident = _thread.get_ident

_LAST_DUMP_AT = 0.75
"""Of ``worker_timeout``: when what hangs is written down, while the interpreter can."""

_HUB_SECONDS = 2 * BEAT_SECONDS
"""That the hub has to come by after SIGABRT."""

Describe = Callable[[FrameType], tuple[str, str]]
"""Returns of a stack, by its innermost frame: the request that it runs, and its text."""

AllStacks = Callable[[int], dict[str, Any]]
"""Returns every stack, in so many bytes at most, and what else a dump tells."""


class Watchdog:
    """Args:
    slot: the worker's, where its hub beats.
    dump: the worker's dump file.
    warning: seconds that the hub may be late before it is reported; 0 never reports.
    worker_timeout: seconds after which the master replaces a worker whose hub does not beat; 0 never.
    report: for what ``wsgisrv profile`` asks of this thread, and for the last dump of a worker that is
        about to be replaced.
    """

    def __init__(
        self, slot: Slot, dump: DumpFile, warning: float, worker_timeout: float, report: DumpFile
    ) -> None:
        self._profiler = Profiler(slot, report)
        self._report = report
        self._worker_timeout = worker_timeout
        self._left_at = 0.0  # the beat after which the last dump was left
        self._aborted_at = 0.0  # when this thread saw it
        self._is_ending = False
        self._slot = slot
        self._dump = dump
        self._warning = warning
        self._hub_thread = 0
        self._beat = 0.0

    def start(self, describe: Describe, all_stacks: AllStacks) -> None:
        """Begins to watch. Runs in: hub."""
        self._hub_thread = _get_ident()
        self._all_stacks = all_stacks
        aborts.install(self._dump.fd)
        if self._warning:
            self._arm(time.monotonic())
        _start_thread(self._watch, (describe,))

    def set_limits(self, warning: float, worker_timeout: float) -> None:
        """Reports from another time on, or not at all. Runs in: hub."""
        self._warning = warning
        self._worker_timeout = worker_timeout
        if not warning:
            faulthandler.cancel_dump_traceback_later()

    # Runs in: hub

    def on_tick(self, now: float, lag: float) -> None:
        """The hub has come by, ``lag`` seconds late."""
        if self._dump.was_aborted():
            self._end("hub")
        if not self._warning:
            return
        faulthandler.cancel_dump_traceback_later()
        if lag > self._warning:
            self._report_end(lag)
        if self._dump.size():
            self._dump.clear()
        self._arm(now)

    def _report_end(self, lag: float) -> None:
        if self._claim(self._beat):
            stack = self._dump.read()
            stack = (
                f"{stack}\n{hint_for_text(stack)}" if stack else "nobody could look while it lasted"
            )
            log_stack(_LOG, logging.WARNING, f"the hub was blocked for {lag:.2f} s", stack)
        else:
            _LOG.warning("the hub was blocked for %.2f s", lag)

    def _arm(self, now: float) -> None:
        self._beat = self._slot.reals[Real.BEAT] = now
        faulthandler.dump_traceback_later(BEAT_SECONDS + self._warning, file=self._dump.fd)

    # Runs in: the native thread

    def _watch(self, describe: Describe) -> None:
        profiler = self._profiler
        woke = time.monotonic()
        dumped = self._slot.words[Word.DUMP_ASKED]
        while True:
            warning = self._warning
            step = min(max(warning / 4, 0.02), BEAT_SECONDS) if warning else BEAT_SECONDS
            if profiler.interval:
                step = min(step, profiler.interval)
            _sleep(step)
            now = time.monotonic()
            profiler.look(sys._current_frames().get(self._hub_thread), now)
            if (asked := self._slot.words[Word.DUMP_ASKED]) != dumped:
                dumped = asked
                _write(self._dump.fd, json.dumps(self._all_stacks(STACKS_BYTES)).encode())
            self._end_if_aborted(now)
            # If this thread itself came late, the process was stopped or the GIL held: what the hub
            # does at this moment would say nothing about it, and to write it down would keep the hub
            # from its first beat.
            if now - woke < step + (self._warning or BEAT_SECONDS):
                self._leave_last_dump(now)
                if self._warning:
                    self._look(now, describe)
            woke = now

    def _leave_last_dump(self, now: float) -> None:
        """Leaves a dump, shortly before the master replaces the worker: once for each block."""
        beat = self._slot.reals[Real.BEAT]
        patience = self._worker_timeout * _LAST_DUMP_AT
        if patience and now - beat > patience and beat != self._left_at:
            self._left_at = beat
            self._leave_dump({"answered_by": "watchdog", "beat": beat})

    def _end_if_aborted(self, now: float) -> None:
        if not self._dump.was_aborted():
            return
        self._aborted_at = self._aborted_at or now
        was_left = self._slot.reals[Real.BEAT] == self._left_at
        if was_left or now - self._aborted_at > _HUB_SECONDS:
            self._end("watchdog")

    # Runs in: hub, or the native thread while the hub stands

    def _leave_dump(self, facts: dict[str, Any]) -> None:
        found = json.dumps({**facts, **self._all_stacks(STACKS_BYTES)})
        self._report.clear()
        _write(self._report.fd, found.encode())

    def _end(self, by: str) -> None:
        """Leaves a dump, unless one of this block is there, and dies of SIGABRT."""
        if self._is_ending:
            return
        self._is_ending = True
        try:
            if self._slot.reals[Real.BEAT] != self._left_at:
                self._leave_dump({"answered_by": by, "aborted": True})
        finally:
            os.abort()

    # Runs in: the native thread

    def _look(self, now: float, describe: Describe) -> None:
        beat = self._slot.reals[Real.BEAT]
        late = now - beat - BEAT_SECONDS
        if late <= self._warning or not self._claim(beat):
            return
        frame = sys._current_frames().get(self._hub_thread)
        if frame is None:
            return
        request, stack = describe(frame)
        write_now(
            _LOG,
            logging.WARNING,
            f"the hub is blocked, for {late:.2f} s by now, by {request}",
            stack,
        )

    def _claim(self, beat: float) -> bool:
        """Whether nobody has reported the block yet that began after ``beat``."""
        if self._slot.reals[Real.BLOCK_REPORTED] == beat:
            return False
        self._slot.reals[Real.BLOCK_REPORTED] = beat
        return True
