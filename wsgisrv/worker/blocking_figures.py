"""This worker's blocking calls and its place in the scoreboard: set up at boot, told at each tick.

Rules: imported after the patching. Runs in: hub.
"""

from __future__ import annotations

from typing import Any

from wsgisrv.blocking.job_queue import JobPlace, JobQueue
from wsgisrv.blocking.processes import install_processes
from wsgisrv.blocking.threads import thread_figures
from wsgisrv.context import WorkerContext
from wsgisrv.scoreboard import Real, Slot, Word


def install_jobs(hub: Any, context: WorkerContext) -> None:
    """Lets ``in_process`` find the helpers of this worker's generation."""
    settings = context.settings
    place = JobPlace(
        queue=context.jobs,
        scoreboard=context.scoreboard,
        slot=context.slot,
        generation=context.generation,
        helpers=settings.cpu_workers,
        most_waiting=settings.cpu_queue,
        seconds=settings.cpu_timeout,
    )
    install_processes(JobQueue(hub, place))


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
