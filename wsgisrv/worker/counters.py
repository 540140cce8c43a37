"""What a worker counts, and how it reaches the scoreboard.

Rules: a request adds to plain attributes; the clock publishes them, so that no request pays for the
shared memory.
"""

from __future__ import annotations

from bisect import bisect_left

from wsgisrv.scoreboard import LATENCY_BOUNDS, Real, Slot, Word


class Counters:
    """Counts since the worker's start."""

    __slots__ = (
        "accepted", "bytes_in", "bytes_out", "latency", "latency_sum",
        "refused", "refused_headers", "status_class", "timed_out",
    )  # fmt: skip

    def __init__(self) -> None:
        self.accepted = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.refused = 0
        self.refused_headers = 0  # of the PROXY protocol; they are among the refused
        self.timed_out = 0
        self.status_class = [0] * 6  # by the code's first digit; 0: no response
        self.latency = [0] * (len(LATENCY_BOUNDS) + 1)
        self.latency_sum = 0.0

    def note(self, status: int, seconds: float) -> None:
        """Counts a response, whose status is 0 when nothing of one was sent."""
        self.latency[bisect_left(LATENCY_BOUNDS, seconds)] += 1
        self.latency_sum += seconds
        self.status_class[status // 100] += 1

    def publish(self, slot: Slot, running: int, waiting: int) -> None:
        """Writes everything to the worker's slot."""
        words = slot.words
        words[Word.IN_FLIGHT] = running
        words[Word.WAITING] = waiting
        words[Word.ACCEPTED] = self.accepted
        words[Word.REQUESTS] = sum(self.latency)
        words[Word.BYTES_IN] = self.bytes_in
        words[Word.BYTES_OUT] = self.bytes_out
        words[Word.REFUSED] = self.refused
        words[Word.TIMED_OUT] = self.timed_out
        for place, count in enumerate(self.status_class[1:], Word.STATUS_1XX):
            words[place] = count
        for place, count in enumerate(self.latency, Word.LATENCY):
            words[place] = count
        slot.reals[Real.LATENCY_SUM] = self.latency_sum
