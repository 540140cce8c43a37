"""Asks servers to stop statements whose clients have gone.

A server goes on with a statement until it has something to say to its client, so what a deadline has cut
would hold its locks and burn its cores, with the retry on top. Closing the connection does not help.

Rules: best effort, and never in anybody's way: one native thread of its own, a short queue, nothing that is
older than a few seconds. A KILL goes only to a connection of which the server says that it runs this very
statement: behind a load balancer the number may be another client's.
Nothing is logged, since a native thread may not (README, "Design").
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from _queue import SimpleQueue  # of C, and never patched
from typing import Any

import MySQLdb

MOST_WAITING = 64
OLDEST_SECONDS = 10.0
PATIENCE = 10
"""Seconds, whole ones, for a server to answer: one that never does would keep the thread from all others."""
_COMPARED_CHARS = 200
"""Of the statement: a proxy may cut it."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Job:
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    thread_id: int
    statement: bytes | str
    at: float


class Killer:
    """The queue and its thread, which is there once something was to be killed.

    Args:
        patience: seconds for each answer of a server, 1 or more.
    """

    def __init__(self, patience: int = PATIENCE) -> None:
        self._patience = patience
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        self._thread: Any = None

    def kill(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], thread_id: int, statement: bytes | str
    ) -> None:
        """Has the statement of a connection stopped, soon, if that can be done.

        Args:
            args, kwargs: of the connection, as MySQLdb has them.
            thread_id: its number at the server.
        """
        if self._thread is None:
            from eventlet import patcher

            threading = patcher.original("threading")
            self._thread = threading.Thread(target=self._work, name="mysql-kill", daemon=True)
            self._thread.start()
        if self._jobs.qsize() < MOST_WAITING:
            self._jobs.put(_Job(args, kwargs, thread_id, statement, time.monotonic()))

    def _work(self) -> None:
        while True:
            job = self._jobs.get()
            if time.monotonic() - job.at < OLDEST_SECONDS:
                with contextlib.suppress(Exception):
                    _kill(job, self._patience)


def _kill(job: _Job, patience: int) -> None:
    own = {"cursorclass", "conv", "init_command", "use_unicode"}
    kwargs = {name: value for name, value in job.kwargs.items() if name not in own}
    for name in ("connect_timeout", "read_timeout", "write_timeout"):
        kwargs[name] = min(kwargs.get(name) or patience, patience)
    connection = MySQLdb.connect(*job.args, **kwargs)
    try:
        cursor = connection.cursor()
        cursor.execute("SHOW FULL PROCESSLIST")
        names = [column[0].lower() for column in cursor.description]
        place, number = names.index("info"), names.index("id")
        for row in cursor.fetchall():
            if row[number] == job.thread_id and _is_same(row[place], job.statement):
                cursor.execute(f"KILL QUERY {job.thread_id:d}")
    finally:
        connection.close()


def _is_same(running: str | bytes | None, ours: bytes | str) -> bool:
    def begin(text: str | bytes | None) -> str:
        decoded = text.decode("utf-8", "replace") if isinstance(text, bytes) else text or ""
        return decoded.strip()[:_COMPARED_CHARS]

    return bool(running) and begin(running) == begin(ours)
