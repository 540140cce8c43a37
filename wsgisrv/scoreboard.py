"""The scoreboard: an anonymous shared mapping with one fixed slot for each worker.

Rules: a worker writes its own slot only, without locks or syscalls; anybody reads. The master writes the
two words that say so, and those of all together (``Common``): that the service is about to stop, a worker
that is forked a moment later knows, too. A reader may see one
counter newer than its neighbour, never a torn one: each is an aligned 64-bit word. The master clears a
slot before it hands it out again. Must not import eventlet.

A slot is 112 KiB: one page of words (state, beat, counters, histograms), rows that name the requests in
flight, and a table of counts with labels. Pages that no worker touched cost no memory (mmap(2),
MAP_ANONYMOUS).

Counters never fall, whatever becomes of a worker: the master adds what a dead one had counted to one slot
more, ``retired``, in the same step that frees its own. A reader who looks at all slots and finds
``Common.FOLDS`` odd, or other than it was, has looked on meanwhile and looks again (``wsgisrv.figures``).
"""

from __future__ import annotations

import enum
import mmap
import struct
from collections.abc import Iterable

from wsgisrv.series import OVERFLOW, TABLE_BYTES, SeriesTable

WORDS_BYTES = 4096
ROW_BYTES = 192
ROWS = 64
SERIES_AT = WORDS_BYTES + ROWS * ROW_BYTES
SLOT_BYTES = SERIES_AT + TABLE_BYTES
LINE_BYTES = ROW_BYTES - 9
_ROW = struct.Struct(
    f"=d{LINE_BYTES + 1}p"
)  # started, 0.0 when nothing is there; line, which is cut
_ROW_REALS = ROW_BYTES // 8
_pack_row = _ROW.pack_into

BEAT_SECONDS = 0.25
"""How often a worker whose hub is free beats."""

LATENCY_BOUNDS = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0,
    10.0, 30.0, 60.0,
)  # fmt: skip
"""Upper bounds of the buckets in seconds; one more bucket holds what is above the last."""

BUCKETS = len(LATENCY_BOUNDS) + 1


class State(enum.IntEnum):
    """Where a worker stands, as it tells itself."""

    FREE = 0  # no worker has this slot
    BOOTING = 1
    READY = 2
    DRAINING = 3


class Word(enum.IntEnum):
    """The words of a slot: counters since the worker's start unless the comment says otherwise."""

    STATE = 0  # a State
    PID = 1
    GENERATION = 2
    CONNECTIONS = 3  # open now
    IN_FLIGHT = 4  # requests running now
    WAITING = 5  # requests waiting for a pool slot now
    ACCEPTED = 6  # connections
    REQUESTS = 7  # responses begun
    BYTES_IN = 8
    BYTES_OUT = 9
    DUMP_ASKED = 17  # by the master, of the watchdog: counts up
    GROUP = 18  # of workers that are alike, by its number in this generation
    POOL_SIZE = 19  # requests that may run at a time
    IDLE = 20  # connections, as of a second ago at most: between two requests
    READING = 21  # of which some of a request's head has come
    RUNNING = 22  # with a request that waits for a place or runs
    UPGRADED = 23  # that an app has taken over
    CLOSING = 24  # that only wait for their end
    PREFACE = 25  # that have to say first who they are from
    LATENCY = 32  # BUCKETS words from here on: seconds of requests
    QUEUE = 80  # likewise: that they waited for a place in the pool
    APP = 100  # likewise: that neither the pool nor the client took
    LAG = 160  # likewise: by which ticks of the hub's clock came late
    THREADS = 64  # of wsgisrv.blocking.in_thread, now
    THREADS_BUSY = 65  # calls that run in one now, abandoned ones included
    THREADS_WAITING = 66  # calls that wait for one now
    THREAD_CALLS = 67  # taken by one
    THREAD_DROPPED = 68  # calls whose caller had gone before one took them
    JOBS_WAITING = 69  # of wsgisrv.blocking.in_process: jobs that wait for a helper now
    JOBS_RUNNING = 70  # that a helper computes for this worker now
    JOBS = 71  # that were answered
    JOBS_LOST = 72  # whose helper died or was killed for their time
    JOBS_REFUSED = 73  # since too many waited
    TASKS_RUNNING = 74  # of the service's own (wsgisrv.worker.tasks), now
    TASK_RUNS = 75  # ended
    TASK_FAILURES = 76  # of them, those that raised
    PROFILE_ASKED = 184  # by the master, of the watchdog: counts up
    PROFILE_MS = 185  # milliseconds that it is to take
    PROFILE_RATE = 186  # samples a second
    PROFILE_DONE = 187  # the PROFILE_ASKED whose result is in the worker's profile file


class Real(enum.IntEnum):
    """The words that hold a floating-point number; their places follow on from Word's."""

    BEAT = 128  # time.monotonic() of the last beat
    STARTED = 129  # time.monotonic() of the fork
    HUB_LAG = 130  # seconds that the hub's clock last came late
    LATENCY_SUM = 131  # seconds
    BLOCK_REPORTED = 132  # the BEAT before a block of the hub that is in the log; the master's, too
    QUEUE_SUM = 133  # seconds
    APP_SUM = 134  # seconds
    LAG_SUM = 135  # seconds
    BLOCKED = 136  # seconds, of ticks that came later than blocked_warning
    THREAD_WAIT = 144  # seconds that all calls taken by a thread had waited for one
    JOB_WAIT = 145  # seconds that all jobs that waited had waited for a helper
    JOB_SECONDS = 146  # that all answered jobs took


HISTOGRAMS = {
    Word.LATENCY: Real.LATENCY_SUM,
    Word.QUEUE: Real.QUEUE_SUM,
    Word.APP: Real.APP_SUM,
    Word.LAG: Real.LAG_SUM,
}
"""Where the buckets of each begin, and its sum."""

COUNTERS = (
    Word.ACCEPTED, Word.REQUESTS, Word.BYTES_IN, Word.BYTES_OUT, Word.THREAD_CALLS,
    Word.THREAD_DROPPED, Word.JOBS, Word.JOBS_LOST, Word.JOBS_REFUSED, Word.TASK_RUNS, Word.TASK_FAILURES,
)  # fmt: skip
"""Words that only grow."""

SUMS = (*HISTOGRAMS.values(), Real.BLOCKED, Real.THREAD_WAIT, Real.JOB_WAIT, Real.JOB_SECONDS)
"""Reals that only grow."""


class Common(enum.IntEnum):
    """The words of the service as a whole; the master's."""

    USED = 0  # slots, from the first on, that ever had a worker
    STOPS = 1  # whether the service is about to
    FOLDS = 2  # counts up when a dead worker's counts begin to be added, and when that is done
    GENERATION = 3  # of the workers that serve
    WANTED = 4  # workers


class Slot:
    """One worker's part of the board.

    ``words`` and ``reals`` are indexed by ``Word`` and ``Real``.
    """

    __slots__ = ("_memory", "_starts", "reals", "series", "words")

    def __init__(self, memory: memoryview) -> None:
        self._memory = memory
        self.words = memory[:WORDS_BYTES].cast("Q")
        self.reals = memory[:WORDS_BYTES].cast("d")
        self._starts = memory[WORDS_BYTES:SERIES_AT].cast("d")
        self.series = SeriesTable(memory[SERIES_AT:])

    def clear(self) -> None:
        """Sets the whole slot to zero. Runs in: master loop, while no worker has the slot."""
        self._memory[:SERIES_AT] = bytes(SERIES_AT)
        self.series.clear()

    def add(self, other: Slot) -> None:
        """Adds the counts of another slot to those of this one."""
        words, reals = self.words, self.reals
        for word in COUNTERS:
            words[word] += other.words[word]
        for start in HISTOGRAMS:
            for place in range(start, start + BUCKETS):
                words[place] += other.words[place]
        for real in SUMS:
            reals[real] += other.reals[real]
        self.add_series(other.series)

    def add_series(self, rows: Iterable[tuple[str, int, float]]) -> None:
        """Adds each count with its labels to that of the same name."""
        known = {name: (count, seconds) for name, count, seconds in self.series}
        for name, count, seconds in rows:
            if not self._add(name, count, seconds, known):
                self._add(OVERFLOW, count, seconds, known)

    def _add(
        self, name: str, count: int, seconds: float, known: dict[str, tuple[int, float]]
    ) -> bool:
        before, seconds_before = known.get(name, (0, 0.0))
        known[name] = before + count, seconds_before + seconds
        return self.series.write(name, *known[name])

    def begin_request(self, row: int, started: float, line: bytes) -> None:
        """Names a request in flight in ``row`` (0 to ROWS - 1), cut to LINE_BYTES."""
        _pack_row(self._memory, WORDS_BYTES + row * ROW_BYTES, started, line)

    def end_request(self, row: int) -> None:
        """Marks ``row`` as free."""
        self._starts[row * _ROW_REALS] = 0.0

    def requests_in_flight(self) -> list[tuple[float, str]]:
        """Returns (time.monotonic() at its start, request line) of the named requests, oldest first.

        A worker names at most ROWS of them; ``Word.IN_FLIGHT`` counts them all.
        """
        found = []
        for at in range(WORDS_BYTES, WORDS_BYTES + ROWS * ROW_BYTES, ROW_BYTES):
            started, line = _ROW.unpack_from(self._memory, at)
            if started:
                found.append((started, line.decode("latin-1")))
        return sorted(found)


class Scoreboard:
    """All slots; made once by the master, inherited by every worker.

    Args:
        slots: how many, at least 1.

    Raises:
        OSError: when the kernel refuses the mapping.
    """

    def __init__(self, slots: int) -> None:
        self._mapping = mmap.mmap(-1, (slots + 1) * SLOT_BYTES + len(Common) * 8)
        whole = memoryview(self._mapping)
        self.common = whole[(slots + 1) * SLOT_BYTES :].cast("Q")
        self.retired, *self._slots = [
            Slot(whole[at : at + SLOT_BYTES])
            for at in range(0, (slots + 1) * SLOT_BYTES, SLOT_BYTES)
        ]

    @property
    def used(self) -> int:
        """How many slots, from the first on, ever had a worker: what a reader has to look through."""
        return self.common[Common.USED]

    @property
    def service_stops(self) -> bool:
        """Whether the service is about to stop, whatever becomes of a single worker."""
        return self.common[Common.STOPS] != 0

    def note_stop(self) -> None:
        """Says so to every worker, for good. Runs in: master loop."""
        self.common[Common.STOPS] = 1

    def hand_out(self, index: int) -> Slot:
        """Returns the slot, cleared for a new worker. Runs in: master loop."""
        self.common[Common.USED] = max(self.used, index + 1)
        self._slots[index].clear()
        return self._slots[index]

    def retire(self, index: int) -> None:
        """Keeps what a dead worker has counted, and frees its slot. Runs in: master loop."""
        slot = self._slots[index]
        self.common[Common.FOLDS] += 1
        self.retired.add(slot)
        slot.words[Word.STATE] = State.FREE
        self.common[Common.FOLDS] += 1

    def __len__(self) -> int:
        return len(self._slots)

    def __getitem__(self, index: int) -> Slot:
        return self._slots[index]
