"""How this worker's blocking calls stand, on the scoreboard. Runs in: hub."""

from __future__ import annotations

from wsgisrv.blocking.threads import thread_figures
from wsgisrv.scoreboard import Real, Slot, Word


def publish_threads(slot: Slot) -> None:
    """Writes what the thread pool counts to the worker's slot."""
    figures = thread_figures()
    if figures is None or not figures.threads:
        return
    words = slot.words
    words[Word.THREADS] = figures.threads
    words[Word.THREADS_BUSY] = figures.running
    words[Word.THREADS_WAITING] = figures.waiting
    words[Word.THREAD_CALLS] = figures.calls
    words[Word.THREAD_DROPPED] = figures.dropped
    slot.reals[Real.THREAD_WAIT] = figures.wait_seconds
