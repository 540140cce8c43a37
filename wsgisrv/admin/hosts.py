"""By which names the admin listener may be asked.

Rules: a browser sends the name that it was told in Host, whatever address the name has, so a page elsewhere
that has its own name lead here is known by it (DNS rebinding). Addresses and localhost need no name server.
"""

from __future__ import annotations

import ipaddress
import socket

from wsgisrv.config import Settings


class Hosts:
    """Args:
    settings: of the service.
    family: of the listener: no browser reaches a unix socket, so that any name will do there.
    """

    def __init__(self, settings: Settings, family: int) -> None:
        named = settings.admin_bind.rpartition(":")[0].lower()
        self._any = family == socket.AF_UNIX
        self._names = {"localhost", named, *(name.lower() for name in settings.admin_hosts)} - {""}

    def __contains__(self, host: str) -> bool:
        """Whether ``host``, as the field has it, is one of them."""
        if self._any:
            return True
        name = host.strip().lower()
        name = name[1:].partition("]")[0] if name.startswith("[") else name.partition(":")[0]
        if name.removesuffix(".") in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True
