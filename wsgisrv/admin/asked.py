"""What the admin process asks the master for: status and stacks, over the control socket.

Rules: asked for when somebody looks, once a second at most, however many look. A query may hold a secret, so
none is passed on; of what the master answers only what is named here is.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable
from typing import Any

from wsgisrv.control import Fields
from wsgisrv.control_client import ask
from wsgisrv.errors import WsgisrvError, first_line

FRESH = 1.0
"""Seconds for which an answer is good."""

SECONDS = 5.0
"""That the master may take."""

_QUERY = re.compile(r"\?\S*")


class Asked:
    """Args:
    path: of the control socket; "" for none.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._status = _Kept(lambda: self._ask("status", _status))
        self._stacks = _Kept(lambda: self._ask("dump", _stacks))

    def status(self) -> Fields:
        """Returns what the master knows beside the scoreboard; ``error`` when it does not answer."""
        return self._status.get()

    def stacks(self) -> Fields:
        """Returns every worker's stacks, or ``error``."""
        return self._stacks.get()

    def _ask(self, command: str, chosen: Callable[[Fields], Fields]) -> Fields:
        if not self._path:
            return {"error": "control_socket is off, so the master cannot be asked"}
        try:
            return chosen(ask(self._path, {"command": command}, seconds=SECONDS))
        except WsgisrvError as error:
            return {"error": first_line(error)}


class _Kept:
    """An answer that is asked for anew when it has become old; who comes meanwhile waits for it."""

    def __init__(self, make: Callable[[], Fields]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._found: Fields = {}
        self._at = 0.0

    def get(self) -> Fields:
        with self._lock:
            if not self._found or time.monotonic() - self._at >= FRESH:
                self._found = self._make()
                self._at = time.monotonic()
            return self._found


def without_query(line: str) -> str:
    """Returns a request line, or a text about one, with ``?...`` where its query was."""
    return _QUERY.sub("?…", line, count=1)


def _status(answer: Fields) -> Fields:
    return {
        "version": answer["version"],
        "pid": answer["pid"],
        "state": answer["state"],
        "uptime": answer["uptime"],
        "generation": answer["generation"],
        "addresses": answer["addresses"],
        "workers_wanted": answer["workers_wanted"],
        "reload": answer["reload"],
        "last_reload": answer["last_reload"],
        "events": answer["events"],
        "slowest": [
            {**request, "line": without_query(request["line"])} for request in answer["slowest"]
        ],
        "workers": [_worker(worker) for worker in answer["workers"]],
        "helpers": len(answer["helpers"]),
    }


def _worker(worker: Fields) -> Fields:
    names = (
        "id", "pid", "generation", "state", "age", "requests", "rate", "in_flight", "waiting",
        "connections", "hub_lag", "threads", "rss_bytes", "last_death", "servers",
    )  # fmt: skip
    return {name: worker[name] for name in names}


def _stacks(answer: Fields) -> Fields:
    return {"workers": [_worker_stacks(worker) for worker in answer["workers"]]}


def _worker_stacks(worker: Fields) -> dict[str, Any]:
    return {
        "id": worker["id"],
        "pid": worker["pid"],
        "answered_by": worker["answered_by"],
        "stacks": [
            {
                "kind": stack["kind"],
                "count": stack["count"],
                "requests": [without_query(request) for request in stack["requests"]],
                "text": stack["text"],
            }
            for stack in worker["stacks"]
        ],
    }
