"""How the service stands, as ``wsgisrv status`` gets it: plain values out of what the master knows.

Rules: times are seconds, sizes bytes. What a worker has not told yet is 0.
"""

from __future__ import annotations

from wsgisrv.control import Fields
from wsgisrv.master.gauge import rss_of
from wsgisrv.master.member import State
from wsgisrv.master.worker_handle import WorkerHandle
from wsgisrv.scoreboard import BEAT_SECONDS, Real, Slot, Word


def worker_status(handle: WorkerHandle, state: State, slot: Slot, now: float) -> Fields:
    """Returns one worker's line.

    Args:
        now: time.monotonic().
    """
    words, reals = slot.words, slot.reals
    return {
        "id": handle.worker_id,
        "pid": handle.pid,
        "generation": handle.generation,
        "state": state.value,
        "age": round(now - handle.spawned_at, 1),
        "requests": words[Word.REQUESTS],
        "rate": round(handle.gauge.rate, 1),
        "in_flight": words[Word.IN_FLIGHT],
        "waiting": words[Word.WAITING],
        "connections": words[Word.CONNECTIONS],
        "hub_lag": round(_lag(state, reals[Real.HUB_LAG], reals[Real.BEAT], now), 3),
        "oldest_request": _oldest(slot, now),
        "threads": threads_status(slot),
        "jobs": jobs_status(slot),
        "rss_bytes": rss_of(handle.pid),
        "last_death": _death(handle, now),
    }


def threads_status(slot: Slot) -> Fields:
    """Returns how a worker's thread pool stands (wsgisrv.blocking)."""
    words = slot.words
    return {
        "threads": words[Word.THREADS],
        "running": words[Word.THREADS_BUSY],
        "waiting": words[Word.THREADS_WAITING],
        "calls": words[Word.THREAD_CALLS],
        "dropped": words[Word.THREAD_DROPPED],
        "wait_seconds": round(slot.reals[Real.THREAD_WAIT], 3),
    }


def jobs_status(slot: Slot) -> Fields:
    """Returns how a worker's jobs in helper processes stand (wsgisrv.blocking)."""
    words, reals = slot.words, slot.reals
    return {
        "running": words[Word.JOBS_RUNNING],
        "waiting": words[Word.JOBS_WAITING],
        "answered": words[Word.JOBS],
        "lost": words[Word.JOBS_LOST],
        "refused": words[Word.JOBS_REFUSED],
        "wait_seconds": round(reals[Real.JOB_WAIT], 3),
        "seconds": round(reals[Real.JOB_SECONDS], 3),
    }


def _lag(state: State, last: float, beat: float, now: float) -> float:
    """Returns by how much the hub last was late, or is now if that is more."""
    if state not in (State.READY, State.DRAINING) or not beat:
        return last
    return max(last, now - beat - BEAT_SECONDS, 0.0)


def _oldest(slot: Slot, now: float) -> Fields | None:
    for started, line in slot.requests_in_flight():
        return {"line": line, "age": round(now - started, 3)}
    return None


def _death(handle: WorkerHandle, now: float) -> Fields | None:
    """Returns how the worker ended that had this one's place before it."""
    if handle.last_death is None:
        return None
    at, reason = handle.last_death
    return {"reason": reason, "ago": round(now - at, 1)}
