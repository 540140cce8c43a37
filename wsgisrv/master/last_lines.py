"""The access log's lines that a worker which has died could not write any more.

Rules: they stand in memory that both share (wsgisrv.line_ring), and are written when the worker was reaped. A
write that the worker was killed in is done again, so that lines may stand there twice but are never missing.
What cannot be written at once is lost, and said so: the master waits for no log. Runs in: master loop.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from wsgisrv import logs
from wsgisrv.context import Served
from wsgisrv.errors import WsgisrvError
from wsgisrv.log_target import open_target

_LOG = logging.getLogger("wsgisrv.master")


def write_last_lines(worker: object, servers: Sequence[Served]) -> None:
    """Writes what is left of each server's log, and lets go of the memory.

    Args:
        worker: for the log.
    """
    for server in servers:
        ring = server.ring
        if ring is None:
            continue
        if not ring.is_empty:
            _write(worker, server)
        ring.close()


def _write(worker: object, server: Served) -> None:
    option = server.settings.access_log
    ring = server.ring
    if ring is None:
        return
    left = ring.put_bytes - ring.taken_bytes
    try:
        target = open_target(option, logs.log_fd())
        try:
            while data := ring.take(target.most):
                sent = target.send(data)
                if not sent:
                    break
                ring.taken(sent)
        finally:
            target.close()
        reason = "it takes nothing"
    except (OSError, WsgisrvError) as error:
        reason = str(error)
    if not ring.is_empty:
        _LOG.warning("%s: access log %s: %s; %d bytes are lost", worker, option, reason, left)
