"""Samples what the hub's thread runs, for ``wsgisrv profile``.

Rules: the watchdog's thread looks at the stack so many times a second, and nothing of the app is touched;
while nobody asks, it costs nothing. It is imported before the patching and must not import eventlet. What
it finds goes into a file in memory that the master shares. A sample that costs much makes the next one come
later, so that all together take SHARE of the time at most. Runs in: native thread.

Facts about sampling by a thread of Python's: it has the interpreter when the hub's thread lets go of it, at
a system call or after the switch interval. With the usual 5 ms, half of what computes for 8 ms between two
system calls was counted for the system call. Time in C code that does not let go is counted where that
returns.
"""

from __future__ import annotations

import collections
import json
import os
import sys
import time
from types import CodeType, FrameType
from typing import Any

from wsgisrv.dumpfile import DumpFile
from wsgisrv.scoreboard import Slot, Word

SHARE = 0.02
"""Of the time that sampling may take."""

_SWITCH_SECONDS = 0.0002
"""For whoever waits for the interpreter while a profile is taken (sys.setswitchinterval)."""

_DEEPEST = 120
_MOST_STACKS = 4000
_HUBS = "/eventlet/hubs/"

_write = os.write  # taken before any patching

_Stack = tuple[CodeType, ...]


class Profiler:
    """Args:
    slot: the worker's, where the master asks.
    file: for the result.
    """

    def __init__(self, slot: Slot, file: DumpFile) -> None:
        self._words = slot.words
        self._file = file
        self._token = self._words[Word.PROFILE_ASKED]
        self._stacks: collections.Counter[_Stack] = collections.Counter()
        self._began = self._until = self._usual_switch = 0.0
        self.interval = 0.0
        """Seconds until the next sample; 0 while nobody asks."""

    def look(self, frame: FrameType | None, now: float) -> None:
        """Takes a sample, if it is time for one.

        Args:
            frame: the innermost of the hub's thread.
        """
        asked = self._words[Word.PROFILE_ASKED]
        if asked != self._token:
            self._token = asked
            self._stacks.clear()
            self._began = now
            self._until = now + self._words[Word.PROFILE_MS] / 1000
            self.interval = 1 / max(self._words[Word.PROFILE_RATE], 1)
            self._usual_switch = sys.getswitchinterval()
            sys.setswitchinterval(_SWITCH_SECONDS)
        if not self.interval:
            return
        if frame is not None:
            self._sample(frame)
        if now >= self._until:
            self.interval = 0.0
            sys.setswitchinterval(self._usual_switch)
            self._report(now)
            return
        took = time.monotonic() - now
        self.interval = max(self.interval, took / SHARE)

    def _sample(self, frame: FrameType) -> None:
        stack: list[CodeType] = []
        found: FrameType | None = frame
        while found is not None:
            stack.append(found.f_code)
            found = found.f_back
        key = tuple(stack[-1 : -_DEEPEST - 1 : -1])
        if _is_idle(stack):
            key = ()
        elif key not in self._stacks and len(self._stacks) >= _MOST_STACKS:
            key = key[:1]
        self._stacks[key] += 1

    def _report(self, now: float) -> None:
        idle = self._stacks.pop((), 0)
        numbers: dict[CodeType, int] = {}
        stacks = [
            [[numbers.setdefault(code, len(numbers)) for code in stack], count]
            for stack, count in self._stacks.most_common()
        ]
        frames: list[Any] = [
            [code.co_qualname, code.co_filename, code.co_firstlineno] for code in numbers
        ]
        found = {
            "seconds": round(now - self._began, 3),
            "samples": idle + self._stacks.total(),
            "idle": idle,
            "frames": frames,
            "stacks": stacks,
        }
        self._stacks.clear()
        self._file.clear()
        data = json.dumps(found).encode()
        while data:
            data = data[_write(self._file.fd, data) :]
        self._words[Word.PROFILE_DONE] = self._token


def _is_idle(stack: list[CodeType]) -> bool:
    """Whether the hub waits for something to happen."""
    inner = stack[0]
    if _HUBS in inner.co_filename:
        return inner.co_name in ("wait", "do_poll")
    return inner.co_name == "select" and inner.co_filename.endswith("/selectors.py")
