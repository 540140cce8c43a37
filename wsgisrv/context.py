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
from wsgisrv.helper_board import HelperPlace
from wsgisrv.line_ring import LineRing
from wsgisrv.log_file import LogFile
from wsgisrv.scoreboard import Scoreboard
from wsgisrv.titles import Titles
from wsgisrv.tls import TlsContexts


@dataclasses.dataclass(frozen=True, slots=True)
class Served:
    """One server, as a worker has to serve it.

    Args:
        listeners: bound, listening, non-blocking sockets, shared with the siblings: never shut down.
        tls: what TCP connections are encrypted with; None for plain ones.
        ring: for the lines of the access log, this worker's alone; None for a server without.
    """

    name: str
    settings: Settings
    listeners: tuple[socket.socket, ...]
    tls: TlsContexts | None
    ring: LineRing | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class WorkerContext:
    """All that a worker knows of its master and its place.

    Args:
        worker_id: counts up for each spawn in this master's life; never used twice.
        slot: the worker's own slot on the scoreboard.
        generation: counts up with each reload.
        settings: the options of its group as they were when the worker was spawned.
        servers: that it serves, one at least.
        names_servers: whether what it logs has to say which server it is about.
        channel: the worker's end.
        dump: where faulthandler leaves stacks.
        report: where the watchdog leaves a profile, or the last dump of a worker that hangs.
        scoreboard: the whole of it; the worker writes only its own slot.
        global_conf: values that the command adds to the paste file's ``[DEFAULT]``.
        backdoor: bound and listening, this worker's alone; None for none.
        jobs: where idle helpers of the generation offer themselves; None for a service without.
        log_file: the server's log, to be opened anew on REOPEN; None for stderr.
        titles: what ps shows of it.
    """

    worker_id: int
    slot: int
    generation: int
    settings: Settings
    servers: tuple[Served, ...]
    names_servers: bool
    channel: Channel
    dump: DumpFile
    report: DumpFile
    scoreboard: Scoreboard
    global_conf: Mapping[str, str]
    titles: Titles
    log_file: LogFile | None = None
    backdoor: socket.socket | None = None
    jobs: socket.socket | None = None


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class HelperContext:
    """All that a process knows that computes for workers (wsgisrv.blocking.helper).

    Args:
        queue: where it offers itself to the workers of its generation; shared with the other helpers.
        channel: the helper's end; the master only speaks.
        place: the helper's own on the board.
        looks_here: whether workers look for modules in the working directory, too, last of all.
    """

    queue: socket.socket
    channel: Channel
    place: HelperPlace
    looks_here: bool = False


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class AdminContext:
    """All that the process knows that shows how the service is (wsgisrv.admin.process).

    Args:
        listeners: bound and listening, its alone.
        channel: its end; the master only speaks, and is gone at EOF.
        scoreboard: read and never written.
        control_path: of the control socket; "" for none.
        settings: of the service.
        master_pid: for its memory.
        started: time.time() of the master's start.
        titles: what ps shows of it.
    """

    listeners: tuple[socket.socket, ...]
    channel: Channel
    scoreboard: Scoreboard
    control_path: str
    settings: Settings
    master_pid: int
    started: float
    titles: Titles


RunWorker = Callable[[WorkerContext], int]
"""What the master runs in a fresh child; its result is the child's exit code."""
