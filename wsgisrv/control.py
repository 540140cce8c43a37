"""The control protocol: what ``wsgisrv status`` and its siblings say to a running master, and where.

Rules: a stream socket of the file system that only its owner may open. One command on a connection: a
line of JSON up, one down, each an object in UTF-8 that a newline ends. A request has ``command`` and what
the command takes; an answer has ``ok``, and ``error`` with ``exit_code`` when that is false. To a command
that takes its time ``{"wait": true}`` is said at once, and the outcome on a second line; ``stop`` is
answered by the end of the connection, when the master has ended.

    {"command": "scale", "workers": 4}      {"ok": true, "workers": 4}
    {"command": "scale", "workers": 0}      {"ok": false, "error": "scale: ...", "exit_code": 2}
    {"command": "reload"}                   {"wait": true} ... {"ok": true, "generation": 2}

    status, logs-reopen         answered at once
    reload, dump                answered later
    stop                        now: whether at once (false)
    scale                       workers: 1 to 256; server: whose, where there are several groups of them
    log-level                   level: as the option; logger: its name, empty (the default) for the root

Where it is: the option ``control_socket``. By default each master makes one of its own, named by its pid,
in a directory of this user's that nobody else may enter, so that a command finds it without being told.
"""

from __future__ import annotations

import json
import os
import socket
import stat
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wsgisrv.errors import SystemRefusedError

LINE_BYTES = 4096
"""Longest request."""

ANSWER_BYTES = 32 * 1024 * 1024
"""Longest answer; a longer dump is cut by the master."""

LEVELS = ("debug", "info", "warning", "error", "critical")
MOST_WORKERS = 256

AUTO = "auto"
OFF = "off"

Fields = dict[str, Any]

_CREDENTIALS = struct.Struct("=iII")  # unix(7), SO_PEERCRED: pid, uid, gid


def encode(fields: Mapping[str, Any]) -> bytes:
    """Returns one line of the protocol."""
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> Fields:
    """Returns what a line says.

    Raises:
        ValueError: when it is no JSON object.
    """
    try:
        fields = json.loads(line)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(fields, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 -- a wrong text, not a wrong type of ours
    return fields


def failure(error: str, exit_code: int) -> Fields:
    """Returns the answer to a command that was not carried out; ``error`` is one line."""
    return {"ok": False, "error": error, "exit_code": exit_code}


# Where the socket is


def default_path(environ: Mapping[str, str], pid: int) -> str:
    """Returns the socket's path for the master ``pid``, after making its directory.

    Raises:
        SystemRefusedError: when the directory cannot be made, or somebody else could enter it.
    """
    directory = directory_of(environ)
    make_private(directory)
    return str(directory / f"control-{pid}.sock")


def make_private(directory: Path) -> None:
    """Makes a directory that nobody else may enter, or sees that it is one.

    Raises:
        SystemRefusedError: when it cannot be made, or somebody else could enter it.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = directory.lstat()
    except OSError as error:
        raise SystemRefusedError(f"{directory}: {error.strerror}") from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise SystemRefusedError(f"{directory}: must be a directory that only this user may enter")


def user_of(sock: socket.socket) -> int:
    """Returns the uid of whoever connected; where the system cannot say, the file's mode is the guard."""
    if not hasattr(socket, "SO_PEERCRED"):
        return os.geteuid()
    data = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _pid, uid, _gid = _CREDENTIALS.unpack(data)
    return int(uid)


def directory_of(environ: Mapping[str, str]) -> Path:
    """Returns where the sockets of this user's masters are: in memory where the system has a place."""
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/") and _is_ours(runtime):
        return Path(runtime) / "wsgisrv"
    if os.geteuid() == 0 and os.path.isdir("/run"):
        return Path("/run/wsgisrv")
    state = environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(state) / "wsgisrv" / "run"


def _is_ours(directory: str) -> bool:
    try:
        return os.stat(directory).st_uid == os.geteuid()
    except OSError:
        return False
