"""The access log of one server in a worker: one line a response, written a few times a second.

Rules: a request puts its line into memory that the master shares (wsgisrv.line_ring), which is no system
call, and a native thread writes what has gathered, many lines in one write: those of several workers never
mix. A worker that dies, by whatever, leaves the rest to its master. Only where both are killed at once are
lines lost: those of a quarter of a second. Runs in: hub, unless it says otherwise.

What else than lines goes where: a line for syslog has its priority, time and name in front; the journal gets
fields beside the line, so that ``journalctl HTTP_STATUS=500`` finds it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from wsgisrv.current import GLOBAL_REQUEST_ID, REQUEST_ID, ROUTE
from wsgisrv.line_ring import LineRing
from wsgisrv.log_target import OFF, Target, is_journal, is_syslog, open_target
from wsgisrv.worker.access_format import (
    Answered,
    Refused,
    Render,
    make_render,
    printable,
    project_of,
    trace_of,
    user_of,
)
from wsgisrv.worker.line_writer import LineWriter

if TYPE_CHECKING:
    from wsgisrv.worker.connection import Connection
    from wsgisrv.worker.gateway import Exchange

_FINISH_SECONDS = 1.0
_DAEMON_INFO = 3 * 8 + 6
"""RFC 3164 4.1.1: the facility of system daemons, and the severity of information."""

_NAME = "wsgisrv"

Frame = Callable[[str, Answered, float], str]
"""Makes a record of a line, without its mark."""


class AccessLog:
    """Args:
        option: ``access_log``.
        given: ``access_log_format``.
        ring: made by the master; None for ``off``.
        log_fd: of the server's own log.
        server: its name.
        names_server: whether the default format is to tell it.

    Raises:
        SystemRefusedError: when the file cannot be opened.
        ConfigError: when the format, or the path of a socket, is wrong.
    """

    def __init__(
        self,
        option: str,
        given: str,
        ring: LineRing | None,
        log_fd: int,
        server: str = "",
        *,
        names_server: bool = False,
    ) -> None:
        self._render: Render = make_render(given, server, names_server=names_server)
        self.is_on = option != OFF and ring is not None
        self._frame: Frame | None = None
        if ring is None or not self.is_on:
            return
        if is_syslog(option):
            self._frame = _syslog_frame()
        elif is_journal(option):
            self._frame = _journal_frame(server)
        self._target: Target = open_target(option, log_fd)
        self._mark = self._target.mark.decode()
        self._ring = ring
        self._writer = LineWriter(ring, self._target, option)

    def note(self, exchange: Exchange, seconds: float) -> None:
        """Notes a response, ``seconds`` after the request's head was complete. Runs in: pool greenlet."""
        self._put(exchange, seconds)

    def note_refused(self, connection: Connection, status: int, body_bytes: int) -> None:
        """Notes a malformed request that was answered with an error and so long a body."""
        self._put(Refused(connection.peer, status, body_bytes), 0.0)

    def tick(self, now: float) -> None:
        """Has what was noted written."""
        if self.is_on:
            self._writer.tick(now)

    def reopen(self) -> None:
        """Opens the file anew, so that a rotated one is let go.

        Raises:
            SystemRefusedError: when it cannot be opened; the old one stays in use.
        """
        if self.is_on:
            self._target = self._target.reopened()
            self._writer.replace(self._target)

    def finish(self) -> None:
        """Waits until all is written, a second at most: the process is about to end."""
        if self.is_on:
            self._writer.finish(_FINISH_SECONDS)

    def _put(self, found: Answered, seconds: float) -> None:
        line = self._render(found, seconds)
        if self._frame is not None:
            line = self._frame(line, found, seconds)
        data = f"{line}{self._mark}".encode("utf-8", "backslashreplace")
        if self._ring.put(data) > self._writer.wake_at:
            self._writer.wake()


def _syslog_frame() -> Frame:
    name = f"{_NAME}[{os.getpid()}]"

    def frame(line: str, _found: Answered, _seconds: float) -> str:
        now = time.localtime()
        # RFC 3164 4.1.2: names of months in English, days with a space in front.
        stamp = f"{_MONTHS[now.tm_mon - 1]} {now.tm_mday:2d} {time.strftime('%H:%M:%S', now)}"
        return f"<{_DAEMON_INFO}>{stamp} {name}: {line}"

    return frame


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _journal_frame(server: str) -> Frame:
    def frame(line: str, found: Answered, seconds: float) -> str:
        environ = found.environ
        fields = {
            "MESSAGE": line,
            "PRIORITY": "6",
            "SYSLOG_IDENTIFIER": _NAME,
            "SERVER": server,
            "CLIENT": found.client[0],
            "HTTP_METHOD": found.head.method,
            "HTTP_TARGET": found.head.target,
            "HTTP_STATUS": str(found.status or ""),
            "BYTES_IN": str(found.bytes_in),
            "BYTES_OUT": str(found.body_bytes),
            "SECONDS": f"{seconds:.6f}",
            "REQUEST_ID": str(environ.get(REQUEST_ID, "")),
            "GLOBAL_REQUEST_ID": environ.get(GLOBAL_REQUEST_ID, ""),
            "TRACE_ID": trace_of(environ),
            "ROUTE": environ.get(ROUTE, ""),
            "USER_ID": user_of(environ),
            "PROJECT_ID": project_of(environ),
        }
        return (
            "\n".join(f"{name}={printable(value)}" for name, value in fields.items() if value)
            + "\n"
        )

    return frame
