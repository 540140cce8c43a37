"""``wsgisrv dump``: every worker's stacks, those of a worker whose hub is blocked as well.

Rules: each worker is asked in three ways, until one is answered. By its channel, which its hub answers. By
the scoreboard, on which its watchdog writes the same to the dump file while the hub is blocked. By SIGUSR2,
on which faulthandler writes the threads' stacks there while C code holds the interpreter; the master adds
the requests. Nobody is stopped, and nobody waits for another. Runs in: master loop.

Facts about signal(7): a handler makes poll(2) and its like return EINTR, whatever SA_RESTART says, and not
all C code goes on then; so the signal is the last of the three.
"""

from __future__ import annotations

import dataclasses
import enum
import signal
import time
from typing import Protocol

from wsgisrv.channel import Kind, Message
from wsgisrv.control import ANSWER_BYTES, Fields
from wsgisrv.dumpfile import STACKS_BYTES
from wsgisrv.master.stalls import requests_in_flight
from wsgisrv.master.worker_handle import WorkerHandle
from wsgisrv.master.workers import Workers
from wsgisrv.scoreboard import Word


class Asker(Protocol):
    """Who is to be answered."""

    def answer(self, fields: Fields, *, is_last: bool = True) -> None:
        """Takes an answer."""


class _Way(enum.Enum):
    HUB = "hub"
    WATCHDOG = "watchdog"
    SIGNAL = "signal"


_SECONDS = {_Way.HUB: 1.0, _Way.WATCHDOG: 0.75, _Way.SIGNAL: 0.5}
"""What each of them has to answer in."""


@dataclasses.dataclass(slots=True)
class _Dump:
    asker: Asker
    token: int
    most_bytes: int
    deadline: float
    waiting: dict[int, WorkerHandle]
    way: _Way = _Way.HUB
    found: list[Fields] = dataclasses.field(default_factory=list)


class Dumps:
    """Args:
    workers: that are asked.
    """

    def __init__(self, workers: Workers) -> None:
        self._workers = workers
        self._under_way: list[_Dump] = []
        self._last_token = 0

    def begin(self, asker: Asker) -> None:
        """Asks every worker; ``asker`` is answered when all have answered or their time is over."""
        handles = self._workers.handles()
        self._last_token += 1
        dump = _Dump(
            asker=asker,
            token=self._last_token,
            most_bytes=min(STACKS_BYTES, ANSWER_BYTES // 2 // max(len(handles), 1)),
            deadline=time.monotonic() + _SECONDS[_Way.HUB],
            waiting={handle.worker_id: handle for handle in handles},
        )
        message = Message(Kind.DUMP, {"token": dump.token, "most_bytes": dump.most_bytes})
        for handle in handles:
            handle.channel.send(message)
        self._under_way.append(dump)
        self._end_if_done(dump)

    def on_stacks(self, handle: WorkerHandle, fields: Fields) -> None:
        """A worker's hub has answered."""
        for dump in list(self._under_way):
            if dump.token == fields.get("token") and handle.worker_id in dump.waiting:
                self._take(dump, handle, _Way.HUB, fields["dump"])
                self._end_if_done(dump)

    def on_exit(self, handle: WorkerHandle) -> None:
        """A worker is gone, and will not answer."""
        for dump in list(self._under_way):
            if dump.waiting.pop(handle.worker_id, None) is not None:
                self._end_if_done(dump)

    def deadline(self) -> float | None:
        """Returns when ``tick`` has something to do, None for never."""
        return min((dump.deadline for dump in self._under_way), default=None)

    def tick(self) -> None:
        """Goes on with the dumps whose time has come."""
        now = time.monotonic()
        for dump in list(self._under_way):
            if now >= dump.deadline:
                self._go_on(dump, now)
                self._end_if_done(dump)

    def _go_on(self, dump: _Dump, now: float) -> None:
        handles = list(dump.waiting.values())
        if dump.way is _Way.HUB:
            dump.way = _Way.WATCHDOG
            for handle in handles:
                self._make_room(handle)
                self._workers.scoreboard[handle.slot].words[Word.DUMP_ASKED] += 1
        elif dump.way is _Way.WATCHDOG:
            dump.way = _Way.SIGNAL
            for handle in handles:
                if (found := handle.dump.read_json()) is not None:
                    self._take(dump, handle, _Way.WATCHDOG, found)
                    continue
                self._make_room(handle)
                self._workers.kill(handle.worker_id, signal.SIGUSR2)
        else:
            for handle in handles:
                stacks = self._threads_of(handle, dump, now)
                self._take(dump, handle, _Way.SIGNAL, {"stacks": stacks})
        dump.deadline = now + _SECONDS[dump.way]

    def _make_room(self, handle: WorkerHandle) -> None:
        """What is there of SIGABRT stays: it is the worker's last."""
        if not handle.dump.was_aborted():
            handle.dump.clear()

    def _threads_of(self, handle: WorkerHandle, dump: _Dump, now: float) -> list[Fields]:
        """Returns what faulthandler wrote, as one stack."""
        text = handle.dump.read()[: dump.most_bytes]
        requests = requests_in_flight(self._workers.scoreboard[handle.slot], now)
        stack = {"kind": "thread", "count": 1, "requests": requests, "waits": [], "text": text}
        return [stack] if text else []

    def _take(self, dump: _Dump, handle: WorkerHandle, way: _Way, found: Fields) -> None:
        """Notes one worker's part; without any stack it has not answered at all."""
        del dump.waiting[handle.worker_id]
        how = way.value if found["stacks"] else ""
        rss = handle.gauge.rss_bytes
        dump.found.append(
            {"id": handle.worker_id, "pid": handle.pid, "rss_bytes": rss, "answered_by": how}
            | {"stacks": found["stacks"], "facts": found.get("facts")}
        )

    def _end_if_done(self, dump: _Dump) -> None:
        if not dump.waiting:
            self._under_way.remove(dump)
            dump.found.sort(key=lambda found: int(found["id"]))
            dump.asker.answer({"ok": True, "workers": dump.found})
