"""Telling systemd how the service stands (sd_notify(3)); silent where nobody listens."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping


class Notifier:
    """Args:
    environ: of the process; NOTIFY_SOCKET names the socket, ``@`` an abstract one.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET", "")
        self._address = "\0" + address[1:] if address.startswith("@") else address

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
