"""The fork: a child that has nothing of the master's but what it was given.

Facts about fork and signals: a signal that reaches the child before it has its own dispositions would run
the master's handler and write to the master's wake-up pipe, which both share; so every signal is blocked
across the fork and let through when the child is ready for it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable

from wsgisrv.context import RunWorker, WorkerContext
from wsgisrv.errors import BootError, first_line
from wsgisrv.master.signals import restore_in_worker

_LOG = logging.getLogger("wsgisrv.master")

CloseMasters = Callable[[], None]
Fork = Callable[[RunWorker, WorkerContext, CloseMasters], int]


def spawn(run_worker: RunWorker, context: WorkerContext, close_masters: CloseMasters) -> int:
    """Forks a worker; the child runs ``run_worker`` and never returns from here.

    Args:
        close_masters: closes, in the child, every descriptor that is the master's alone.

    Returns:
        The child's pid.

    Raises:
        OSError: when the kernel refuses (EAGAIN, ENOMEM).
    """
    return spawn_process(lambda: run_worker(context), close_masters, f"worker {context.worker_id}")


def spawn_process(run: Callable[[], int], close_masters: CloseMasters, name: str) -> int:
    """Forks a process; the child runs ``run`` and never returns from here.

    Args:
        close_masters: as for ``spawn``.
        name: for the log, if it fails.

    Returns:
        The child's pid.

    Raises:
        OSError: when the kernel refuses (EAGAIN, ENOMEM).
    """
    _flush()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        pid = os.fork()
        if not pid:
            _run_child(run, close_masters, name, before)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pid


def _run_child(
    run: Callable[[], int],
    close_masters: CloseMasters,
    name: str,
    mask: set[int] | set[signal.Signals],
) -> None:
    code = BootError.exit_code
    try:
        restore_in_worker()
        close_masters()
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        code = run()
    except BaseException as error:  # nothing of the child may run on in the master's frames
        _LOG.error("%s failed: %s", name, first_line(error), exc_info=error)
    finally:
        try:
            _flush()
        finally:
            os._exit(code)


def _flush() -> None:
    """Empties the buffers, which a fork would copy; whoever reads them may be gone, which is no matter.

    A stream is None when the process was started with its descriptor closed.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
