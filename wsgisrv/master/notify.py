"""Telling systemd how the service stands (sd_notify(3)); silent where nobody listens."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable, Mapping

_BEAT_SECONDS = 1.0
"""Within which a worker that is well has beaten."""


class Notifier:
    """Args:
    environ: of the process; NOTIFY_SOCKET names the socket, ``@`` an abstract one.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._interval = _watchdog_seconds(environ)  # between two pings; 0 for none
        self._due = 0.0

    def ready(self, status: str) -> None:
        """The start or a reload is complete."""
        self._send(f"READY=1\nSTATUS={status}")

    def reloading(self, status: str = "reloading") -> None:
        """A reload or an upgrade has begun; ``ready`` ends it."""
        microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send(f"RELOADING=1\nMONOTONIC_USEC={microseconds}\nSTATUS={status}")

    def main_pid(self, pid: int, status: str) -> None:
        """Another master is the service's main process, and ready; only the old one is believed yet."""
        self._send(f"MAINPID={pid}\nREADY=1\nSTATUS={status}")

    def due(self, now: float) -> float:
        """Returns when ``watch`` wants to be called again, at most a second away."""
        return min(self._due, now + 1.0) if self._interval else now + 1.0

    def watch(self, beats: Iterable[float], now: float) -> None:
        """Pings systemd's watchdog (WatchdogSec=), if it is time and any worker beats.

        Args:
            beats: the last ones of the workers, on the clock of ``now``.
        """
        if not self._interval or now < self._due:
            return
        if now - max(beats, default=0.0) < max(self._interval, _BEAT_SECONDS):
            self._due = now + self._interval
            self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """The service is about to end."""
        self._send("STOPPING=1\nSTATUS=stopping")

    def _send(self, text: str) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            try:
                sock.sendto(text.encode(), self._address)
            except OSError:
                return  # whoever listened is gone; the service runs on


def _watchdog_seconds(environ: Mapping[str, str]) -> float:
    """Returns half of what systemd waits for a ping (sd_watchdog_enabled(3)); 0 where it does not."""
    wanted = environ.get("WATCHDOG_USEC", "")
    if not wanted.isdecimal() or environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return 0.0
    return int(wanted) / 2_000_000
