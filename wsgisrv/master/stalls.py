"""Workers that stand still or were killed, as the log has them: what the worker itself cannot say.

Rules: reads the scoreboard, on which the requests of a dead worker stand until its slot is another's, and
what faulthandler left in a worker's dump file. A block is reported once, by the worker's watchdog or here;
the scoreboard holds the claim. Runs in: master loop.
"""

from __future__ import annotations

import logging

from wsgisrv.logs import log_stack
from wsgisrv.master.worker_handle import WorkerHandle
from wsgisrv.report import dump_text
from wsgisrv.scoreboard import BEAT_SECONDS, ROWS, Real, Slot, Word

_LOG = logging.getLogger("wsgisrv.master")

HEAD_START = 1.0
"""Seconds that the worker's own watchdog has to report a block; it knows more."""

_NAMED = 5


def report_block(handle: WorkerHandle, slot: Slot, now: float, since: float) -> None:
    """Logs what faulthandler's timer wrote of a worker whose hub is blocked and has not said so.

    Args:
        since: what was before that was a stop of the machine or the master.
    """
    beat = slot.reals[Real.BEAT]
    late = now - max(beat, since) - BEAT_SECONDS
    if late < HEAD_START or slot.reals[Real.BLOCK_REPORTED] == beat or not handle.dump.size():
        return
    slot.reals[Real.BLOCK_REPORTED] = beat
    text = f"{handle}: its hub is blocked, for {late:.2f} s by now, and so is its interpreter"
    log_stack(_LOG, logging.WARNING, f"{text}; {in_flight(slot, now)}", handle.dump.read())


def report_hang(handle: WorkerHandle, slot: Slot, now: float) -> None:
    """Says what a worker was about that is to be replaced."""
    _LOG.error("%s stands still; %s", handle, in_flight(slot, now))


def report_last_dump(handle: WorkerHandle, slot: Slot) -> None:
    """Logs once, as ``wsgisrv dump`` shows it, what a worker has left after SIGABRT or its last beat.

    A dump of a block that has passed is not its last.
    """
    found = handle.report.read_json()
    if found is None or "facts" not in found:
        return  # nothing, or a profile
    if found.get("aborted") or found.get("beat") == slot.reals[Real.BEAT]:
        handle.report.clear()
        fields = {
            "id": handle.worker_id, "pid": handle.pid, "rss_bytes": handle.gauge.rss_bytes, **found,
        }  # fmt: skip
        log_stack(_LOG, logging.ERROR, f"{handle}: its last dump", dump_text({"workers": [fields]}))


def report_last_stacks(handle: WorkerHandle) -> None:
    """Logs what a worker left that died of a signal."""
    if handle.dump.size():
        log_stack(_LOG, logging.ERROR, f"{handle}: its last stacks", handle.dump.read())


def report_cut(handle: WorkerHandle, slot: Slot, now: float) -> None:
    """Says which requests ended with their worker, a line each: no client got a whole answer."""
    named = requests_in_flight(slot, now)
    for request in named:
        _LOG.warning("%s: cut %s", handle, request)
    words = slot.words
    rest = words[Word.WAITING] + (max(words[Word.IN_FLIGHT] - ROWS, 0) if len(named) == ROWS else 0)
    if rest:
        _LOG.warning("%s: cut %d requests more, as of its last beat", handle, rest)


def note_last_block(slot: Slot, now: float) -> None:
    """Counts the block of a hub that ended with its worker, which could not count it."""
    beat = slot.reals[Real.BEAT]
    late = now - beat - BEAT_SECONDS
    if beat and late >= HEAD_START:
        slot.reals[Real.BLOCKED] += late


def in_flight(slot: Slot, now: float) -> str:
    """Returns the requests that run in a worker, oldest first, in words."""
    found = requests_in_flight(slot, now)
    named = ", ".join(found[:_NAMED])
    more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
    return f"in flight: {named}{more}" if found else "no request is in flight"


def requests_in_flight(slot: Slot, now: float) -> list[str]:
    """Returns each request's line and age, oldest first."""
    return [f"{line} ({now - started:.2f} s old)" for started, line in slot.requests_in_flight()]
