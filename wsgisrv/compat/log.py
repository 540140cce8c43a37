"""Where ``server``'s lines go: a logger, or anything with ``write``.

A line is written when what it tells of has happened, not gathered: its reader may look at any time.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from wsgisrv.compat.options import Options


class Log:
    """Args:
    target: what has ``info`` and ``debug``, or ``write``; None is stderr.
    options: of the server.
    """

    def __init__(self, target: Any, options: Options) -> None:
        is_logger = callable(getattr(target, "info", None)) and callable(
            getattr(target, "debug", None)
        )
        self._logger = target if is_logger else None
        self._file = sys.stderr if target is None else target
        self._options = options

    def info(self, text: str, *args: object) -> None:
        """Logs a line, made of ``text % args``."""
        if not self._options.log_output:
            return
        if self._logger is not None:
            self._logger.info(text, *args)
        else:
            self._file.write(text % args + "\n")

    def debug(self, text: str, *args: object) -> None:
        """Logs a line for who wants to know it all."""
        if not self._options.log_output:
            return
        if self._logger is not None:
            self._logger.debug(text, *args)
        elif self._options.debug:
            self._file.write(text % args + "\n")

    def request(
        self, client: tuple[str, str], line: str, status: int, body_bytes: int, seconds: float
    ) -> None:
        """Logs an answered request by the caller's format; a status of 0 is none.

        Args:
            client: address, after those that X-Forwarded-For names, and port.
        """
        if not self._options.log_output:
            return
        now = time.strftime("%d/%b/%Y %H:%M:%S")
        self.info(
            "%s",
            self._options.log_format
            % {
                "client_ip": client[0],
                "client_port": client[1],
                "date_time": now,
                "request_line": line,
                "status_code": status,
                "body_length": body_bytes,
                "wall_seconds": seconds,
            },
        )
