"""Where a worker's backdoor is: a unix socket of its own that only the master's user and root may open.

Rules: made before the fork, so that its mode and its errors are the master's. The file goes when the worker
is gone, however it ended; those of a master that was killed go when the next one comes. A service without one
serves all the same. Runs in: master loop.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Mapping
from pathlib import Path

from wsgisrv.control import AUTO, OFF, directory_of, make_private
from wsgisrv.errors import WsgisrvError
from wsgisrv.master.listener import Listener
from wsgisrv.master.listeners import open_listeners
from wsgisrv.master.socket_options import SocketOptions

_LOG = logging.getLogger("wsgisrv.master")

BACKLOG = 2
_NAME = re.compile(r"backdoor-([0-9]{1,9})-[0-9]+\.sock")  # the master's pid, the worker's id


def open_backdoor(option: str, environ: Mapping[str, str], worker_id: int) -> Listener | None:
    """Returns a new worker's socket, bound and listening; None for none, or when that cannot be.

    Args:
        option: ``backdoor``.
    """
    if option == OFF:
        return None
    directory = directory_of(environ) if option == AUTO else Path(option)
    path = directory / f"backdoor-{os.getpid()}-{worker_id}.sock"
    try:
        make_private(directory)
        _remove_left_over(directory)
        (listener,) = open_listeners(
            [f"unix:{path}"], backlog=BACKLOG, timeout=0, options=SocketOptions(unix_mode=0o600)
        )
    except (WsgisrvError, OSError) as error:
        _LOG.warning("worker %d has no backdoor: %s", worker_id, error)
        return None
    return listener


def _remove_left_over(directory: Path) -> None:
    """Removes the files of masters that are gone; asking who answers would open the doors of others."""
    for path in directory.iterdir():
        match = _NAME.fullmatch(path.name)
        if match is None:
            continue
        try:
            os.kill(int(match[1]), 0)
        except ProcessLookupError:
            with contextlib.suppress(OSError):
                path.unlink()
        except PermissionError:
            continue  # another user's process has the number now
