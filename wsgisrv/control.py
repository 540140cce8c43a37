"""The control protocol: what ``wsgisrv status`` and its siblings say to a running master, and where.

Rules: a stream socket of the file system that only its owner may open. One command on a connection: a
line of JSON up, one down, each an object in UTF-8 that a newline ends. A request has ``command`` and what
the command takes; an answer has ``ok``, and ``error`` with ``exit_code`` when that is false. To a command
that takes its time ``{"wait": true}`` is said at once, and the outcome on a second line; ``stop`` is
answered by the end of the connection, when the master has ended. A refusal with ``"again": true`` comes of a
master that another one has followed meanwhile (USR2): nothing was done, and on a new connection that one
answers.

    {"command": "scale", "workers": 4}      {"ok": true, "workers": 4}
    {"command": "scale", "workers": 0}      {"ok": false, "error": "scale: ...", "exit_code": 2}
    {"command": "reload"}                   {"wait": true} ... {"ok": true, "generation": 2}

    status, logs-reopen         answered at once
    reload, dump, upgrade       answered later
    profile                     answered later; worker: its number; seconds: 0.1 to 600 (10); rate: samples
                                a second, 1 to 1000 (100)
    stop                        now: whether at once (false)
    scale                       workers: 1 to 256; server: whose, where there are several groups of them
    log-level                   level: as the option; logger: its name, empty (the default) for the root

Where it is: the option ``control_socket``. By default each master makes one of its own, named by its pid,
in a directory of this user's that nobody else may enter, so that a command finds it without being told. For
a master that root started and that became another user it is /run/wsgisrv-UID, where root looks as well.
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
MOST_PROFILE_SECONDS = 600
MOST_RATE, DEFAULT_RATE = 1000, 100

AUTO = "auto"
_ROOTS = "/run/wsgisrv"
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


def path_for(uid: int, gid: int, pid: int) -> str:
    """Returns the socket's path for a master that root has started and that becomes another user.

    Its directory is that user's own, so that the master can remove the socket at its end.

    Raises:
        SystemRefusedError: when the directory cannot be made, or somebody else could enter it.
    """
    directory = Path(f"{_ROOTS}-{uid}")
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        found = directory.lstat()
        if stat.S_ISDIR(found.st_mode) and found.st_uid == 0:
            os.chown(directory, uid, gid, follow_symlinks=False)
            found = directory.lstat()
    except OSError as error:
        raise SystemRefusedError(f"{directory}: {error.strerror}") from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != uid or found.st_mode & 0o077:
        raise SystemRefusedError(f"{directory}: must be a directory that only user {uid} may enter")
    return str(directory / f"control-{pid}.sock")


def directories_of(environ: Mapping[str, str]) -> list[Path]:
    """Returns where the sockets of masters may be that this user may speak to."""
    uid = os.geteuid()
    name = f"{_ROOTS}-*" if uid == 0 else f"{_ROOTS}-{uid}"
    others = sorted(Path(name).parent.glob(Path(name).name))
    return [directory_of(environ), *others]


def directory_of(environ: Mapping[str, str]) -> Path:
    """Returns where the sockets of this user's masters are: in memory where the system has a place."""
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    if runtime.startswith("/") and _is_ours(runtime):
        return Path(runtime) / "wsgisrv"
    if os.geteuid() == 0 and os.path.isdir("/run"):
        return Path(_ROOTS)
    state = environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(state) / "wsgisrv" / "run"


def _is_ours(directory: str) -> bool:
    try:
        return os.stat(directory).st_uid == os.geteuid()
    except OSError:
        return False
