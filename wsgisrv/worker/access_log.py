"""The access log of one worker: one line a response, written a few times a second.

Rules: lines are gathered and written whole in one write(2), so that the lines of several workers never
mix and a request pays for no system call; at most one TICK of them is lost when the process is killed.
Nothing that a client sends can end a line or a quoted field.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from wsgisrv.errors import ConfigError, SystemRefusedError

if TYPE_CHECKING:
    from wsgisrv.worker.gateway import Exchange

_LOG = logging.getLogger("wsgisrv.worker")

MOST_LINES = 1000
"""Lines that are gathered before they are written at once."""

FIELDS = (
    "client_ip", "client_port", "date_time", "request_line", "status_code", "body_length",
    "wall_seconds", "server",
)  # fmt: skip


class AccessLog:
    """Args:
        target: ``-`` for stderr, a path, or ``off``.
        line_format: with %-fields out of FIELDS.
        write: os.write, unpatched: a green one would let another request in between.
        server: its name.

    Raises:
        SystemRefusedError: when the file cannot be opened.
        ConfigError: when the format has an unknown field.
    """

    def __init__(
        self, target: str, line_format: str, write: Callable[[int, bytes], int], server: str = ""
    ) -> None:
        self.is_on = target != "off"
        self._target = target
        self._format = line_format + "\n"
        self._write = write
        self._server = server
        self._lines: list[str] = []
        self._second = -1
        self._date_time = ""
        self._fd = -1
        try:
            self._format % dict.fromkeys(FIELDS, 0)
        except (KeyError, ValueError, TypeError) as error:
            raise ConfigError(
                f"[wsgisrv] access_log_format: {error}; allowed fields are {', '.join(FIELDS)}"
            ) from None
        self.reopen()

    def note(self, exchange: Exchange, seconds: float) -> None:
        """Notes a response, ``seconds`` after the request's head was complete."""
        head = exchange.head
        self.note_line(
            exchange.client,
            head.line.decode("ascii"),
            str(exchange.status or "-"),
            exchange.body_bytes,
            seconds,
        )

    def note_line(
        self, peer: tuple[str, str], line: str, status: str, body_bytes: int, seconds: float
    ) -> None:
        """Notes one response; a quote in the request line is written as %22."""
        if '"' in line:
            line = line.replace('"', "%22")
        self._lines.append(
            self._format
            % {
                "client_ip": peer[0] or "-",
                "client_port": peer[1] or "-",
                "date_time": self._now(),
                "request_line": line,
                "status_code": status,
                "body_length": body_bytes,
                "wall_seconds": seconds,
                "server": self._server or "-",
            }
        )
        if len(self._lines) >= MOST_LINES:
            self.flush()

    def flush(self) -> None:
        """Writes what was gathered; what the file does not take is dropped and counted in the log."""
        if not self._lines:
            return
        lines, self._lines = self._lines, []
        data = "".join(lines).encode("utf-8", "backslashreplace")
        try:
            while data:
                data = data[self._write(self._fd, data) :]
        except OSError as error:
            _LOG.warning(
                "access log %s: %s; %d lines lost", self._target, error.strerror, len(lines)
            )

    def reopen(self) -> None:
        """Opens the file anew, so that a rotated one is let go.

        Raises:
            SystemRefusedError: when it cannot be opened; the old one stays in use.
        """
        if self._target in ("-", "off"):
            self._fd = 2
            return
        try:
            fd = os.open(self._target, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise SystemRefusedError(
                f"[wsgisrv] access_log = {self._target}: {error.strerror}"
            ) from None
        self.flush()
        if self._fd > 2:
            os.close(self._fd)
        self._fd = fd

    def _now(self) -> str:
        second = int(time.time())
        if second != self._second:
            self._second = second
            self._date_time = time.strftime("%d/%b/%Y %H:%M:%S", time.localtime(second))
        return self._date_time
