"""What the scoreboard says of the service as a whole, at one moment: read once, added up, plain values.

Rules: counts are those of all workers there ever were, so they never fall. Reads shared memory and takes no
lock; a look that the master's adding up has disturbed is taken again. Must not import eventlet.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence

from wsgisrv.scoreboard import (
    BEAT_SECONDS,
    BUCKETS,
    COUNTERS,
    HISTOGRAMS,
    LATENCY_BOUNDS,
    SUMS,
    Common,
    Real,
    Scoreboard,
    Slot,
    State,
    Word,
)
from wsgisrv.series import REQUEST, SEPARATOR

_TRIES = 100
_PAUSE = 0.0005  # seconds: what the master does then takes about one millisecond

GAUGES = (
    Word.CONNECTIONS, Word.IN_FLIGHT, Word.WAITING, Word.POOL_SIZE, Word.IDLE, Word.READING, Word.RUNNING,
    Word.UPGRADED, Word.CLOSING, Word.PREFACE, Word.THREADS, Word.THREADS_BUSY, Word.THREADS_WAITING,
    Word.JOBS_WAITING, Word.JOBS_RUNNING, Word.TASKS_RUNNING,
)  # fmt: skip
"""Words that say how it is now."""


@dataclasses.dataclass(frozen=True, slots=True)
class WorkerFigures:
    """One worker; ``lag`` and ``lag_sum`` are seconds, ``started`` is by time.monotonic()."""

    slot: int
    pid: int
    generation: int
    state: State
    gauges: dict[Word, int]
    requests: int
    lag: float
    lag_sum: float
    started: float


@dataclasses.dataclass(frozen=True, slots=True)
class Figures:
    """The service.

    Args:
        at: time.monotonic() of the look.
        counts: by word, of COUNTERS.
        sums: by word, of SUMS.
        histograms: BUCKETS counts each, by the word that they begin at.
        series: counts and seconds by kind and labels.
        common: by word.
    """

    at: float
    workers: tuple[WorkerFigures, ...]
    counts: dict[Word, int]
    sums: dict[Real, float]
    histograms: dict[Word, list[int]]
    series: dict[tuple[str, ...], tuple[int, float]]
    common: dict[Common, int]

    def gauge(self, word: Word) -> int:
        """Returns the sum over the workers there are."""
        return sum(worker.gauges[word] for worker in self.workers)

    def of_kind(self, kind: str) -> dict[tuple[str, ...], tuple[int, float]]:
        """Returns the series of a kind, by their labels."""
        return {name[1:]: numbers for name, numbers in self.series.items() if name[0] == kind}

    def responses(self) -> dict[str, int]:
        """Returns how many requests were answered, by the class of their status."""
        found = dict.fromkeys(("1xx", "2xx", "3xx", "4xx", "5xx", "none"), 0)
        for labels, (count, _) in self.of_kind(REQUEST).items():
            found[labels[2]] += count
        return found


def read_figures(board: Scoreboard) -> Figures:
    """Looks at the board."""
    for _ in range(_TRIES):
        before = board.common[Common.FOLDS]
        if not before % 2:
            found = _read(board)
            if board.common[Common.FOLDS] == before:
                return found
        time.sleep(_PAUSE)
    return _read(board)  # the master has died in the midst of it: nothing will change any more


def _read(board: Scoreboard) -> Figures:
    slots = [
        (index, slot)
        for index in range(board.used)
        if (slot := board[index]).words[Word.STATE] != State.FREE
    ]
    every = [board.retired, *(slot for _, slot in slots)]
    now = time.monotonic()
    return Figures(
        at=now,
        workers=tuple(_worker(index, slot, now) for index, slot in slots),
        counts={word: sum(slot.words[word] for slot in every) for word in COUNTERS},
        sums={real: sum(slot.reals[real] for slot in every) for real in SUMS},
        histograms={word: _histogram(every, word) for word in HISTOGRAMS},
        series=_series(every),
        common={word: board.common[word] for word in Common},
    )


def _worker(index: int, slot: Slot, now: float) -> WorkerFigures:
    words, reals = slot.words, slot.reals
    return WorkerFigures(
        slot=index,
        pid=words[Word.PID],
        generation=words[Word.GENERATION],
        state=State(words[Word.STATE]),
        gauges={word: words[word] for word in GAUGES},
        requests=words[Word.REQUESTS],
        lag=lag_of(slot, now),
        lag_sum=reals[Real.LAG_SUM],
        started=reals[Real.STARTED],
    )


def lag_of(slot: Slot, now: float) -> float:
    """Returns by how many seconds a worker's hub last was late, or is now if that is more."""
    last, beat = slot.reals[Real.HUB_LAG], slot.reals[Real.BEAT]
    if slot.words[Word.STATE] not in (State.READY, State.DRAINING) or not beat:
        return last
    return max(last, now - beat - BEAT_SECONDS, 0.0)


def _histogram(slots: Sequence[Slot], start: Word) -> list[int]:
    columns = [slot.words[start : start + BUCKETS].tolist() for slot in slots]
    return [sum(column) for column in zip(*columns, strict=True)]


def _series(slots: Sequence[Slot]) -> dict[tuple[str, ...], tuple[int, float]]:
    found: dict[tuple[str, ...], tuple[int, float]] = {}
    for slot in slots:
        for name, count, seconds in slot.series:
            key = tuple(name.split(SEPARATOR))
            known = found.get(key, (0, 0.0))
            found[key] = known[0] + count, known[1] + seconds
    return found


def quantile(buckets: Sequence[int], share: float) -> float:
    """Returns the seconds that ``share`` of the requests stayed below, 0.0 when there were none.

    Within a bucket they are taken to lie evenly; above the last bound nobody knows, and it is returned.

    Args:
        buckets: counts, by LATENCY_BOUNDS and one more.
        share: 0 to 1.
    """
    wanted = share * sum(buckets)
    if not wanted:
        return 0.0
    below = 0.0
    for index, bound in enumerate(LATENCY_BOUNDS):
        count = buckets[index]
        if count and below + count >= wanted:
            lower = LATENCY_BOUNDS[index - 1] if index else 0.0
            return lower + (bound - lower) * (wanted - below) / count
        below += count
    return LATENCY_BOUNDS[-1]
