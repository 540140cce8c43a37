"""The commands' end of the control socket: finds the master, asks, and waits no longer than it may.

Rules: whatever goes wrong is one error that says so. Source: wsgisrv.control for the protocol.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from wsgisrv.control import ANSWER_BYTES, AUTO, OFF, Fields, decode, directories_of, encode
from wsgisrv.errors import (
    BY_EXIT_CODE,
    ConfigError,
    NotPermittedError,
    ReloadError,
    SystemRefusedError,
    UnavailableError,
    UsageError,
    WsgisrvError,
)

ANSWER_SECONDS = 10.0
"""How long a master that is well may take for its first answer."""

_SILENT = "the master does not answer"


def find_socket(option: str, environ: Mapping[str, str]) -> str:
    """Returns the path of the socket to ask.

    Args:
        option: ``control_socket``.

    Raises:
        ConfigError: when the service has none.
        UnavailableError: when no master of this user's is to be found.
        UsageError: when several are.
    """
    if option == OFF:
        raise ConfigError("[wsgisrv] control_socket = off: the service takes no commands")
    if option != AUTO:
        return option
    directory, *others = directories_of(environ)
    live = [
        str(path) for place in (directory, *others) for path in _sockets_in(place) if _answers(path)
    ]
    if not live:
        raise UnavailableError(
            f"no running service of yours has a control socket in {directory};"
            " --control-socket PATH names another one"
        )
    if len(live) > 1:
        raise UsageError(f"several services run: say --control-socket with {' or '.join(live)}")
    return live[0]


def ask(path: str, request: Fields, *, seconds: float | None = None) -> Fields:
    """Sends one request and returns the outcome.

    Args:
        path: of the socket.
        seconds: until the outcome; None waits ANSWER_SECONDS for the first answer, and for a later
            outcome as long as it takes.

    Raises:
        UnavailableError: when no master is there, or it does not answer in time.
        NotPermittedError: when the socket is another user's.
        WsgisrvError: of the class that the master names, when it refuses.
    """
    until = time.monotonic() + (ANSWER_SECONDS if seconds is None else seconds)
    later = None if seconds is None else until
    while (answer := _ask_once(path, request, until, later)) is None:
        pass  # until its own deadline
    return answer


def _ask_once(path: str, request: Fields, until: float, later: float | None) -> Fields | None:
    """Returns the outcome; None when another master has followed the one that was asked."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        _connect(sock, path, until)
        with contextlib.suppress(OSError):  # refused already: the answer says why
            sock.sendall(encode(request))
        lines = _Lines(sock)
        first = lines.next(until)
        if first.get("again"):
            return None
        answer = _checked(first)
        if not answer.get("wait"):
            return answer
        if "pid" in answer:
            return _wait_end(lines, int(answer["pid"]), later)
        return _checked(lines.next(later))


class _Lines:
    """What the master says, line by line."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._input = bytearray()

    def next(self, until: float | None) -> Fields:
        """Returns the next line's fields.

        Raises:
            UnavailableError: at the deadline, at the end, and for what is no answer.
        """
        while b"\n" not in self._input:
            data = self._receive(until)
            if not data:
                raise UnavailableError("the master ended before it answered")
            self._input += data
            if len(self._input) > ANSWER_BYTES:
                raise UnavailableError("what answers there is no master of wsgisrv's")
        line, _, rest = bytes(self._input).partition(b"\n")
        self._input = bytearray(rest)
        try:
            return decode(line)
        except ValueError:
            raise UnavailableError("what answers there is no master of wsgisrv's") from None

    def wait_end(self, until: float | None) -> None:
        """Waits until the master closes; raises UnavailableError at the deadline."""
        while self._receive(until):
            pass

    def _receive(self, until: float | None) -> bytes:
        left = None if until is None else max(until - time.monotonic(), 0.0)
        if not select.select([self._sock], [], [], left)[0]:
            raise UnavailableError(f"{_SILENT} in time")
        try:
            return self._sock.recv(65536)
        except ConnectionResetError:
            return b""


def _connect(sock: socket.socket, path: str, until: float) -> None:
    sock.settimeout(max(until - time.monotonic(), 0.001))
    try:
        sock.connect(path)
    except TimeoutError:
        raise UnavailableError(f"{path}: {_SILENT}") from None
    except OSError as error:
        raise _refused(path, error) from None


def _refused(path: str, error: OSError) -> WsgisrvError:
    if error.errno == errno.ENOENT:
        return UnavailableError(f"{path}: no such socket: is the service running?")
    if error.errno == errno.ECONNREFUSED:
        return UnavailableError(f"{path}: nobody answers: the master that made it is gone")
    if error.errno in (errno.EACCES, errno.EPERM):
        return NotPermittedError(f"{path}: not permitted; the master's own user and root are")
    return SystemRefusedError(f"{path}: {error.strerror or error}")


def _checked(answer: Fields) -> Fields:
    """Returns an answer that is no refusal; raises what the master refused with."""
    if answer.get("ok") or answer.get("wait"):
        return answer
    text = str(answer.get("error", "the master refused"))
    code = answer.get("exit_code")
    if code == ReloadError.exit_code:
        raise ReloadError(text)
    raise BY_EXIT_CODE.get(code if isinstance(code, int) else 0, SystemRefusedError)(text)


def _wait_end(lines: _Lines, pid: int, until: float | None) -> Fields:
    """Waits until the master has closed its end and is gone."""
    try:
        descriptor = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else -1
    except ProcessLookupError:
        descriptor = -1
    try:
        lines.wait_end(until)
        if descriptor >= 0:  # the last thing it does is to exit
            select.select([descriptor], [], [], ANSWER_SECONDS)
    finally:
        if descriptor >= 0:
            os.close(descriptor)
    return {"ok": True, "pid": pid}


def _sockets_in(directory: Path) -> list[Path]:
    try:
        return sorted(directory.glob("control-*.sock"))
    except OSError:
        return []


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(ANSWER_SECONDS)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
