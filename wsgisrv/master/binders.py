"""How an address is bound: by its kind, and what the system may say to it.

Rules: an address is ``host:port``, ``[v6]:port``, ``unix:/path`` or ``fd://N``. One that is none is a
ConfigError that names it. Binding never waits.

Facts about unix sockets: bind(2) makes the file and nothing removes it, so a file that nobody answers on
is a dead server's and may go; one that somebody answers on may not. Facts about ports: SO_REUSEADDR is needed
past the TIME_WAIT of a predecessor.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Callable, Hashable, Sequence
from typing import cast

from wsgisrv.errors import (
    AddressInUseError,
    ConfigError,
    NotPermittedError,
    SystemRefusedError,
    WsgisrvError,
)
from wsgisrv.master.listener import Listener, url_of
from wsgisrv.master.overlap import bind_over
from wsgisrv.master.socket_options import SocketOptions, closed_umask

_MOST_DIGITS = 9  # of a number that a descriptor or a port may be; C takes it as an int

ADDRESSES = "an address is host:port, [v6]:port, unix:/path or fd://N"

Bind = Callable[[Sequence[Listener]], Listener]
"""Binds one socket, given the listeners that are about to go."""
Place = tuple[str, int] | tuple[str, int, int, int]
"""As bind(2) takes it; an IPv6 one has a flow label and a scope, which a link-local address needs."""


def binders(address: str, options: SocketOptions) -> list[tuple[Hashable, Bind]]:
    """Returns what binds ``address``: place and call for each socket, since a host may have several.

    Raises:
        ConfigError: for an address that is none, or a host that is not known.
    """
    if address.startswith("unix:"):
        path = address.removeprefix("unix:")
        if not path.startswith("/"):
            raise ConfigError(f"bind {address}: the path of a unix socket is absolute; {ADDRESSES}")
        place = os.path.normpath(path)
        return [(place, lambda _leaving: _bind_unix(path, place, options))]
    if address.startswith("fd://"):
        number = address.removeprefix("fd://")
        if not number.isdecimal() or len(number) > _MOST_DIGITS:
            raise ConfigError(f"bind {address}: N is a file descriptor's number; {ADDRESSES}")
        return [(address, lambda _leaving: adopt(int(number), address))]
    host, port = _split(address)
    return [
        (place, _inet_binder(family, place, options))
        for family, place in resolve(address, host, port)
    ]


def _split(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ConfigError(f"bind {address}: an IPv6 address stands in brackets; {ADDRESSES}")
    is_number = port.isdecimal() and len(port) <= _MOST_DIGITS
    if not colon or not host or not is_number or int(port) > 65535:
        raise ConfigError(f"bind {address}: {ADDRESSES}, with a port of 0 to 65535")
    return host, int(port)


def resolve(address: str, host: str, port: int) -> list[tuple[socket.AddressFamily, Place]]:
    """Returns family and place of each address that a host has.

    Raises:
        ConfigError: for a host that is not known.
    """
    try:
        found = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
        )
    except (socket.gaierror, UnicodeError) as error:
        raise ConfigError(f"bind {address}: unknown host: {error}") from None
    return list(dict.fromkeys((info[0], cast(Place, info[4])) for info in found))


def places_of(address: str) -> list[Place]:
    """Returns what ``host:port`` or ``[v6]:port`` stands for; nothing for a unix socket's path.

    Raises:
        ConfigError: for an address that is none, or a host that is not known.
    """
    if address.startswith("unix:"):
        if not address.startswith("unix:/"):
            raise ConfigError(f"bind {address}: the path of a unix socket is absolute; {ADDRESSES}")
        return []
    return [place for _, place in resolve(address, *_split(address))]


def _inet_binder(family: socket.AddressFamily, place: Place, options: SocketOptions) -> Bind:
    def bind(leaving: Sequence[Listener]) -> Listener:
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            options.share_port(sock)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            with bind_over(sock, place, [listener.socket for listener in leaving]):
                sock.bind(place)
                # Two servers may bind one port with SO_REUSEADDR; only listen(2) tells them apart.
                sock.listen(1)
        except OSError:
            sock.close()
            raise
        return Listener(sock, url_of(sock), place=place)

    return bind


def _bind_unix(path: str, place: Hashable, options: SocketOptions) -> Listener:
    _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with closed_umask():
            sock.bind(path)
        listener = Listener(sock, f"unix:{path}", path, os.lstat(path).st_ino, place)
    except OSError:
        sock.close()
        raise
    try:
        # At once: until it listens, another master would take the file for a dead server's. Nobody can
        # connect yet but root, who always may.
        sock.listen(1)
        options.open_up(path)
    except BaseException:
        listener.close()
        raise
    return listener


def _remove_stale(path: str) -> None:
    """Removes the file of a server that is dead.

    Raises:
        ConfigError: when the file is no socket.
        OSError: EADDRINUSE when a server answers there.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise ConfigError(f"bind unix:{path}: the file is there and is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
            return
        except BlockingIOError:
            pass  # a full backlog: somebody is there
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def adopt(number: int, place: Hashable) -> Listener:
    """Takes a socket that whoever started us has bound.

    Raises:
        ConfigError: when it is no listening stream socket.
    """
    try:
        sock = socket.socket(fileno=number)
        listens = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise ConfigError(f"bind fd://{number}: {error.strerror}") from None
    if not listens or sock.type != socket.SOCK_STREAM:
        sock.detach()
        raise ConfigError(f"bind fd://{number}: not a listening stream socket")
    sock.set_inheritable(False)
    return Listener(sock, url_of(sock), place=place)


def refused(address: str, error: OSError, ours: Sequence[Listener]) -> WsgisrvError:
    """Returns in words why an address could not be bound.

    Args:
        ours: listeners of this service that are about to go.
    """
    if error.errno == errno.EADDRINUSE:
        port = address.rpartition(":")[2]
        held = next((each.url for each in ours if each.url.rpartition(":")[2] == port), None)
        if held is not None:
            return AddressInUseError(
                f"bind {address}: this service itself listens on {held}; leave that first, in a reload of"
                " its own"
            )
        return AddressInUseError(f"bind {address}: the address is in use by another process")
    if error.errno in (errno.EACCES, errno.EPERM):
        return NotPermittedError(
            f"bind {address}: not permitted; a port below 1024 needs CAP_NET_BIND_SERVICE, a path"
            " write access to its directory"
        )
    return SystemRefusedError(f"bind {address}: {error.strerror or error}")
