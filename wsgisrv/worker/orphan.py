"""A worker that boots when its master dies: nobody would ever stop it, so it ends itself.

Rules: imported before the standard library is patched, and must not import eventlet. A worker that serves
sees the end of its channel in its hub; until then its hub does not run, and an app may load for ever.

Facts about poll(2): without any event asked for, it still reports POLLHUP, which a socket of a pair has once
nobody holds the other end.
"""

from __future__ import annotations

import _thread
import logging
import os
import select

from wsgisrv.errors import BootError
from wsgisrv.logs import write_now

_LOG = logging.getLogger("wsgisrv.worker")

STEP_MS = 500
"""How long the thread outlives the boot at most."""

# Taken here, before any patching.
_start_thread = _thread.start_new_thread
_poll = select.poll
_exit = os._exit


class OrphanGuard:
    """Watches the master from a native thread, from ``start`` to ``stop``.

    Args:
        channel: its descriptor.
    """

    def __init__(self, channel: int) -> None:
        self._channel = channel
        self._stopped = False

    def start(self) -> None:
        """Begins to watch."""
        _start_thread(self._watch, ())

    def stop(self) -> None:
        """The hub watches from now on."""
        self._stopped = True

    def _watch(self) -> None:
        """Runs in: native thread."""
        poller = _poll()
        poller.register(self._channel, 0)
        while not self._stopped:
            if poller.poll(STEP_MS) and not self._stopped:
                write_now(_LOG, logging.WARNING, "the master is gone; this worker did not boot", "")
                _exit(BootError.exit_code)
