"""Binding an address that contains one of our own: ``0.0.0.0:8080`` while ``127.0.0.1:8080`` still serves.

Rules: only over listeners of this service that are about to go, and only by a wildcard. The other way round
the new socket, more specific, would have the clients at once, long before a worker accepts from it.

Facts about bind(2) on Linux: a port on which somebody listens cannot be bound on an address that overlaps,
SO_REUSEADDR or not, unless both sockets have SO_REUSEPORT and the same user, which may be set on a socket
that listens already and taken back. Whoever binds without it afterwards is refused as before (tried on 6.x).
A connection goes to the more specific listener as long as there is one.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Sequence
from typing import Any

_WILDCARDS = ("0.0.0.0", "::")  # noqa: S104 -- recognised, not bound
_PORT = 1


@contextlib.contextmanager
def bind_over(sock: socket.socket, place: Any, leaving: Sequence[socket.socket]) -> Iterator[None]:
    """Lets ``sock`` be bound to ``place`` though sockets of ours hold its port on other addresses.

    Args:
        place: as bind(2) takes it.
        leaving: listeners of ours that are about to go.
    """
    held = [
        each
        for each in leaving
        if place[0] in _WILDCARDS
        and each.family == sock.family
        and each.getsockname()[_PORT] == place[_PORT]
    ]
    if not held:
        yield
        return
    before = {each: _shares(each) for each in (sock, *held)}
    try:
        for each in before:
            _share(each, True)
        yield
    finally:
        for each, shared in before.items():
            _share(each, shared)


def _shares(sock: socket.socket) -> bool:
    return bool(sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT))


def _share(sock: socket.socket, shares: bool) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shares))
