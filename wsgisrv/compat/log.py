"""Where ``server``'s lines go: a logger, or anything with ``write``.

Rules: a line is written when what it tells of has happened, not gathered: its reader may look at any time.
A log that cannot be written costs no request its answer. Nothing that a client sends ends a line or
a quoted field.
"""

from __future__ import annotations

import logging
import sys
import time
from typing import Any

from wsgisrv.compat.options import Options

_LOG = logging.getLogger("wsgisrv.compat")


class Log:
    """Args:
    target: what has ``info`` and ``debug``, or ``write``; None is stderr.
    options: of the server.

    Raises:
        KeyError, TypeError, ValueError: for a ``log_format`` that cannot be filled.
    """

    def __init__(self, target: Any, options: Options) -> None:
        is_logger = callable(getattr(target, "info", None)) and callable(
            getattr(target, "debug", None)
        )
        self._logger = target if is_logger else None
        self._file = sys.stderr if target is None else target
        self._options = options
        self._line(("", ""), "", 0, 0, 0.0)

    def info(self, text: str, *args: object) -> None:
        """Logs a line, made of ``text % args``."""
        if not self._options.log_output:
            return
        if self._logger is not None:
            self._logger.info(text, *args)
        else:
            self._write(text % args)

    def debug(self, text: str, *args: object) -> None:
        """Logs a line for who wants to know it all."""
        if not self._options.log_output:
            return
        if self._logger is not None:
            self._logger.debug(text, *args)
        elif self._options.debug:
            self._write(text % args)

    def request(
        self, client: tuple[str, str], line: str, status: int, body_bytes: int, seconds: float
    ) -> None:
        """Logs an answered request by the caller's format.

        Args:
            client: address, after those that X-Forwarded-For names, and port.
            status: 0 if there was no answer.
        """
        if self._options.log_output:
            self.info("%s", self._line(client, line, status, body_bytes, seconds))

    def _line(
        self, client: tuple[str, str], line: str, status: int, body_bytes: int, seconds: float
    ) -> str:
        return self._options.log_format % {
            "client_ip": client[0].replace('"', "%22"),
            "client_port": client[1],
            "date_time": time.strftime("%d/%b/%Y %H:%M:%S"),
            "request_line": line.replace('"', "%22"),
            "status_code": status,
            "body_length": body_bytes,
            "wall_seconds": seconds,
        }

    def _write(self, line: str) -> None:
        try:
            self._file.write(line + "\n")
        except (OSError, ValueError) as error:  # a full disk, a closed file, text it cannot encode
            _LOG.warning("a line of the log is lost: %s", error)
