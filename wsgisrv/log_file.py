"""The file that the server's log is appended to, opened anew by whoever is told to: master and workers.

Rules: its descriptors keep their numbers when the file behind them changes, so whoever writes to one need
not know. Reaches no eventlet.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from wsgisrv.errors import SystemRefusedError

_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


class LogFile:
    """Args:
    path: absolute.
    fd: of the file, open already; taken over.
    standard: descriptors of 0 to 2 that are to lead there, too, as in a daemon.
    """

    def __init__(self, path: str, fd: int, standard: Sequence[int] = ()) -> None:
        self._path = path
        self._standard = standard
        self.fd = fd
        self._lead(fd)

    def reopen(self) -> None:
        """Opens the file anew, so that a rotated one is let go.

        Raises:
            SystemRefusedError: when it cannot be opened; the old one stays in use.
        """
        try:
            fd = os.open(self._path, _FLAGS, 0o640)
        except OSError as error:
            raise SystemRefusedError(
                f"[wsgisrv] log_file = {self._path}: {error.strerror}"
            ) from None
        os.dup2(fd, self.fd, inheritable=False)
        self._lead(fd)
        os.close(fd)

    def _lead(self, fd: int) -> None:
        for number in self._standard:
            os.dup2(fd, number)
