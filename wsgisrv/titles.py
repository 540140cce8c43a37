"""What ps shows of a process of the service (``proc_name``), by setproctitle where it is asked for.

Imported by master and workers; reaches no eventlet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wsgisrv.errors import ConfigError


class Titles:
    """Args:
    name: in front of each title; empty leaves the process's own.

    Raises:
        ConfigError: when setproctitle is wanted and not installed.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._shown = ""
        self._set: Callable[[str], Any] | None = None
        if not name:
            return
        try:
            from setproctitle import setproctitle
        except ImportError:
            raise ConfigError(
                f"[wsgisrv] proc_name = {name}: setproctitle is not installed;"
                " pip install 'wsgisrv[proctitle]'"
            ) from None
        self._set = setproctitle

    @property
    def name(self) -> str:
        """What stands in front, "" for the process's own title."""
        return self._name

    def show(self, what: str) -> None:
        """Shows what the process is now, as ``master, generation 2, serving``."""
        if self._set is not None and what != self._shown:
            self._shown = what
            self._set(f"{self._name}: {what}")
