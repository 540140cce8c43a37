"""What the master hands to a worker: the one value that crosses the fork.

Imported by both sides, so it stands below both and imports neither eventlet nor the app's libraries.
"""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Callable, Mapping

from wsgisrv.channel import Channel
from wsgisrv.config import Settings
from wsgisrv.dumpfile import DumpFile
from wsgisrv.log_file import LogFile
from wsgisrv.scoreboard import Scoreboard
from wsgisrv.titles import Titles
from wsgisrv.tls import TlsContexts


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WorkerContext:
    """All that a worker knows of its master and its place.

    Args:
        worker_id: counts up for each spawn in this master's life; never used twice.
        slot: the worker's own slot on the scoreboard.
        generation: counts up with each reload.
        settings: the options as they were when the worker was spawned.
        listeners: bound, listening, non-blocking sockets, shared with the siblings: never shut down.
        channel: the worker's end.
        dump: where faulthandler leaves stacks.
        scoreboard: the whole of it; the worker writes only its own slot.
        global_conf: values that the command adds to the paste file's ``[DEFAULT]``.
        log_file: the server's log, to be opened anew on REOPEN; None for stderr.
        titles: what ps shows of it.
        tls: what TCP connections are encrypted with; None for plain ones.
    """

    worker_id: int
    slot: int
    generation: int
    settings: Settings
    listeners: tuple[socket.socket, ...]
    channel: Channel
    dump: DumpFile
    scoreboard: Scoreboard
    global_conf: Mapping[str, str]
    titles: Titles
    log_file: LogFile | None = None
    tls: TlsContexts | None = None


RunWorker = Callable[[WorkerContext], int]
"""What the master runs in a fresh child; its result is the child's exit code."""
