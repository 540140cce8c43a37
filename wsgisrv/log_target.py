"""Where the records of an access log go: a file, a pipe, syslog or the journal.

Rules: imported before the standard library is patched, and uses the original calls: a worker's native
thread sends, and the master does for a worker that has died. What cannot be sent at once waits PATIENCE at
most; nothing is retried here. Must not import eventlet.

Facts about pipes: a write of PIPE_BUF bytes at most is never mixed with another process's, and poll(2) says
that one can be written only when so much fits, so that it does not block (pipe(7)).
Facts about syslog and the journal: each is a datagram socket of the file system. A message to syslog begins
with its priority in brackets (RFC 3164 4.1.1); one to the journal is FIELD=value lines (systemd.io,
JOURNAL_NATIVE_PROTOCOL). Either comes back under its name when the daemon was restarted.
"""

from __future__ import annotations

import _socket  # never patched
import abc
import contextlib
import errno
import os
import select
import stat
from typing import Any

from wsgisrv.errors import ConfigError, SystemRefusedError

OFF, STDERR = "off", "-"
_SYSLOG, _JOURNAL = "syslog", "journal"
_SYSLOG_PATH = "/dev/log"
_JOURNAL_PATH = "/run/systemd/journal/socket"

LINE_MARK, MESSAGE_MARK = b"\n", b"\0"

PATIENCE = 0.5
"""Seconds that a full pipe or a busy daemon is waited for, in one go."""

_PIPE_BUF = getattr(select, "PIPE_BUF", 512)
_MOST = 65536
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY

_write = os.write
_new_poll: Any = getattr(select, "poll", None)  # gone in a patched process, which serves nobody


class Target(abc.ABC):
    """One destination, opened.

    Attributes:
        mark: what a record ends in.
        most: bytes to hand over at a time.
    """

    mark = LINE_MARK
    most = _MOST

    @abc.abstractmethod
    def send(self, data: bytes) -> int:
        """Sends whole records and returns how many bytes of them have gone: 0 for nothing at this time.

        Raises:
            OSError: when it cannot.
        """

    def take_too_long(self) -> int:
        """Returns how many records were longer than it takes at all, since the last call."""
        return 0

    @abc.abstractmethod
    def reopened(self) -> Target:
        """Returns another one, opened anew, to take the place of this one.

        Raises:
            SystemRefusedError: when it cannot be opened.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Lets go of it."""


class StreamTarget(Target):
    """A descriptor: a file, a pipe or a terminal.

    Args:
        fd: kept open by its owner unless there is a path.
        path: of the file; "" for the server's own log.
    """

    def __init__(self, fd: int, path: str = "") -> None:
        self._fd = fd
        self._path = path
        self._is_file = False
        with contextlib.suppress(OSError):  # a process may have no stderr
            self._is_file = stat.S_ISREG(os.fstat(fd).st_mode)
        self.most = _MOST if self._is_file else _PIPE_BUF

    @classmethod
    def open(cls, path: str) -> StreamTarget:
        """Opens a file to append to.

        Raises:
            SystemRefusedError: when the system refuses.
        """
        try:
            fd = os.open(path, _FLAGS | os.O_NONBLOCK, 0o640)  # a FIFO without a reader would block
        except OSError as error:
            raise SystemRefusedError(f"[wsgisrv] access_log = {path}: {error.strerror}") from None
        return cls(fd, path)

    def send(self, data: bytes) -> int:  # noqa: D102 -- the docstrings are Target's
        if not self._is_file:
            poller = _new_poll()
            poller.register(self._fd, select.POLLOUT)
            if not poller.poll(PATIENCE * 1000):
                return 0
        try:
            return _write(self._fd, data)
        except BlockingIOError:
            return 0

    def reopened(self) -> Target:  # noqa: D102
        return StreamTarget.open(self._path) if self._path else StreamTarget(self._fd)

    def close(self) -> None:  # noqa: D102
        if self._path:
            os.close(self._fd)


class DatagramTarget(Target):
    """syslog or the journal, one datagram a record; connected when there is something to send.

    Args:
        path: of the daemon's socket.
    """

    mark = MESSAGE_MARK

    def __init__(self, path: str) -> None:
        self._path = path
        self._socket: Any = None
        self._too_long = 0

    def take_too_long(self) -> int:  # noqa: D102
        found, self._too_long = self._too_long, 0
        return found

    def send(self, data: bytes) -> int:  # noqa: D102
        sent = 0
        for record in data[:-1].split(MESSAGE_MARK):
            try:
                self._connected().send(record)
            except TimeoutError:
                break
            except OSError as error:
                if error.errno == errno.EMSGSIZE:
                    self._too_long += 1
                else:
                    self.close()
                    if sent:
                        break
                    raise
            sent += len(record) + 1
        return sent

    def _connected(self) -> Any:
        if self._socket is None:
            sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
            sock.settimeout(PATIENCE)
            try:
                sock.connect(self._path)
            except OSError:
                sock.close()
                raise
            self._socket = sock
        return self._socket

    def reopened(self) -> Target:  # noqa: D102
        return DatagramTarget(self._path)

    def close(self) -> None:  # noqa: D102
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def is_syslog(option: str) -> bool:
    """Whether the option ``access_log`` means syslog: ``syslog`` or ``syslog:/path``."""
    return option == _SYSLOG or option.startswith(f"{_SYSLOG}:")


def is_journal(option: str) -> bool:
    """Whether it means the journal: ``journal`` or ``journal:/path``."""
    return option == _JOURNAL or option.startswith(f"{_JOURNAL}:")


def file_of(option: str) -> str:
    """Returns the path of the file that it means, "" when it means none."""
    other = option in (OFF, STDERR) or is_syslog(option) or is_journal(option)
    return "" if other else option


def mark_of(option: str) -> bytes:
    """Returns what records for it end in."""
    return MESSAGE_MARK if is_syslog(option) or is_journal(option) else LINE_MARK


def open_target(option: str, log_fd: int) -> Target:
    """Opens what the option ``access_log`` says; not ``off``.

    Args:
        log_fd: of the server's own log.

    Raises:
        ConfigError: for a socket whose path is not absolute.
        SystemRefusedError: when it cannot be opened.
    """
    if option == STDERR:
        return StreamTarget(log_fd)
    if path := file_of(option):
        return StreamTarget.open(path)
    kind, _, path = option.partition(":")
    if path and not path.startswith("/"):
        raise ConfigError(f"[wsgisrv] access_log = {option}: the path of a socket is absolute")
    return DatagramTarget(path or (_SYSLOG_PATH if kind == _SYSLOG else _JOURNAL_PATH))
