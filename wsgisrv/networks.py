"""Sets of addresses that options name: networks, and the peers of unix sockets.

Imports nothing of the project: options are checked with it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

UNIX = "unix"
"""The word for peers of unix sockets, who have no address."""

_MOST_REMEMBERED = 1024


class Networks:
    """A set of addresses. What was found out about one is remembered, of a bounded number of them.

    Args:
        names: networks or addresses as text, such as 10.0.0.0/8, ::1 or ``unix``.

    Raises:
        ValueError: for text that is none.
    """

    __slots__ = ("_has_unix", "_known", "_networks")

    def __init__(self, names: Iterable[str]) -> None:
        names = tuple(names)
        self._has_unix = UNIX in names
        self._networks = tuple(ipaddress.ip_network(name) for name in names if name != UNIX)
        self._known: dict[str, bool] = {}

    def __bool__(self) -> bool:
        return self._has_unix or bool(self._networks)

    def __contains__(self, address: str) -> bool:
        """Whether ``address`` is in it; "" is the peer of a unix socket, and other text is in none."""
        if not address:
            return self._has_unix
        known = self._known.get(address)
        if known is None:
            known = self._look_up(address)
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            self._known[address] = known
        return known

    def _look_up(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        mapped = getattr(found, "ipv4_mapped", None)  # ::ffff:10.0.0.1 is 10.0.0.1
        return any((mapped or found) in network for network in self._networks)


def check_networks(names: tuple[str, ...]) -> str:
    """Returns what is wrong with names of networks and what is allowed, "" for nothing."""
    try:
        Networks(names)
    except ValueError as error:
        return f"{error}; allowed is a network as 10.0.0.0/8, an address, or {UNIX}"
    return ""
