"""Listening sockets: parsed, bound with patience, inherited, and cleaned up.

Rules: an address is ``host:port``, ``[v6]:port``, ``unix:/path`` or ``fd://N``. Either every address is
bound or none is left behind. Listeners are non-blocking and close-on-exec; workers inherit them by fork.
What is bound already is not bound anew: it stays the very same socket, and whoever waits on it is served.

Facts about unix sockets: bind(2) makes the file and nothing removes it, so a file that nobody answers on
is a dead server's and may go; one that somebody answers on may not. Facts about ports: EADDRINUSE may
pass while a predecessor leaves; SO_REUSEADDR is needed past its TIME_WAIT.
Source: sd_listen_fds(3) for LISTEN_FDS.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import logging
import os
import socket
import stat
import time
from collections.abc import Callable, Hashable, Mapping, MutableMapping, Sequence
from typing import cast

from wsgisrv.errors import (
    AddressInUseError,
    ConfigError,
    NotPermittedError,
    SystemRefusedError,
    WsgisrvError,
)
from wsgisrv.master.overlap import bind_over
from wsgisrv.master.socket_options import SocketOptions, closed_umask

_LOG = logging.getLogger("wsgisrv.master")

_RETRY_SECONDS = 0.1
_FIRST_LISTEN_FD = 3
_MOST_DIGITS = 9  # of a number that a descriptor or a port may be; C takes it as an int
_ALLOWED = "an address is host:port, [v6]:port, unix:/path or fd://N"

_NO_OPTIONS = SocketOptions()

Wait = Callable[[float], None]
Bind = Callable[[Sequence["Listener"]], "Listener"]
"""Binds one socket, given the listeners that are about to go."""
Place = tuple[str, int] | tuple[str, int, int, int]
"""As bind(2) takes it; an IPv6 one has a flow label and a scope, which a link-local address needs."""


@dataclasses.dataclass(slots=True, eq=False)
class Listener:
    """A bound, listening socket.

    ``inode`` identifies the file of a unix socket that this process made; 0 for all others. ``place`` is
    what it is bound to, alike for two addresses that mean the same.
    """

    socket: socket.socket
    url: str
    path: str = ""
    inode: int = 0
    place: Hashable = None
    backlog: int = 0
    options: SocketOptions = _NO_OPTIONS
    address: str = ""  # as it stood in bind when it was bound
    name: str = ""  # that systemd gave it (FileDescriptorName=)

    def is_there(self) -> bool:
        """Whether clients still find it: the file of a unix socket may have been removed."""
        if not self.inode:
            return True
        try:
            return os.lstat(self.path).st_ino == self.inode
        except OSError:
            return False

    def close(self) -> None:
        """Closes it and removes the file, unless somebody has put another one in its place.

        Does nothing the second time.
        """
        # The file first: an open socket keeps its inode, so no other file can have the number yet.
        if self.inode and self.is_there():
            with contextlib.suppress(FileNotFoundError):
                _remove(self.path)
        self.inode = 0
        self.socket.close()

    def configure(self, backlog: int, options: SocketOptions) -> None:
        """Gives a socket that listens already another backlog and other options.

        Raises:
            ConfigError, NotPermittedError, SystemRefusedError: as ``SocketOptions.change``.
        """
        if (backlog, options) == (self.backlog, self.options):
            return
        if backlog != self.backlog:
            self.socket.listen(backlog)  # once more: only the number changes
        options.change(self.socket, self.path if self.inode else "", self.options)
        self.backlog, self.options = backlog, options


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except PermissionError as error:  # made as root, in a directory that is root's
        _LOG.warning("%s: the file stays until the next start: %s", path, error.strerror)


def open_listeners(
    addresses: Sequence[str],
    *,
    backlog: int,
    timeout: float,
    wait: Wait = time.sleep,
    options: SocketOptions = _NO_OPTIONS,
) -> list[Listener]:
    """Binds every address and listens.

    Args:
        addresses: at least one.
        backlog: for listen(2).
        timeout: seconds during which an address in use is tried again.
        wait: sleeps for the seconds it is given; may raise to give up.
        options: of the sockets; for one that is inherited, only what concerns its peers.

    Raises:
        ConfigError: for an address that is none or is given twice, or a host, user or group that is not
            known.
        AddressInUseError: when it still is after ``timeout``.
        NotPermittedError: for a port below 1024 or a path without the right.
        SystemRefusedError: for whatever else the system refuses.
    """
    wanted = [Wanted(address, backlog, options) for address in addresses]
    opened = open_addresses(wanted, {}, timeout=timeout, wait=wait)
    return [listener for listeners in opened.values() for listener in listeners]


@dataclasses.dataclass(frozen=True, slots=True)
class Wanted:
    """An address that is to be listened on.

    Args:
        backlog: for listen(2).
        options: of its sockets.
        server: that it is of, "" where there is but one.
    """

    address: str
    backlog: int
    options: SocketOptions
    server: str = ""


def open_addresses(
    wanted: Sequence[Wanted],
    known: Mapping[str, Sequence[Listener]],
    *,
    timeout: float,
    wait: Wait = time.sleep,
) -> dict[str, tuple[Listener, ...]]:
    """Binds what is not bound already.

    Args:
        wanted: at least one.
        known: by address, what this service listens on; it stays as it is, options included, until
            ``Listener.configure`` is called. None of it is closed if anything fails.
        timeout, wait: as for ``open_listeners``.

    Returns:
        The listeners of each address, those of ``known`` among them.

    Raises:
        WsgisrvError: as ``open_listeners``; ConfigError also for an ``fd://N`` that is new in a reload.
    """
    _check_distinct([each.address for each in wanted])
    plan = [(each, _plan(each, known)) for each in wanted]
    kept = _kept(plan)
    leaving = [each for several in known.values() for each in several if each not in kept]
    opened: dict[str, list[Listener]] = {each.address: [] for each in wanted}
    fresh: list[Listener] = []
    until = time.monotonic() + timeout
    try:
        for each, steps in plan:
            for step in steps:
                if isinstance(step, Listener):
                    opened[each.address].append(step)
                    continue
                listener = _patiently(step, each.address, until, wait, leaving)
                opened[each.address].append(listener)
                listener.backlog, listener.options = each.backlog, each.options
                listener.address = each.address
                fresh.append(listener)
        for listener in fresh:
            listener.socket.listen(listener.backlog)
            listener.options.probe_idle_peers(listener.socket)
            listener.socket.setblocking(False)
    except BaseException:
        for listener in fresh:
            listener.close()
        raise
    return {address: tuple(listeners) for address, listeners in opened.items()}


def _kept(plan: Sequence[tuple[Wanted, Sequence[Listener | Bind]]]) -> dict[Listener, str]:
    """Returns the address that each listener is kept for.

    Raises:
        ConfigError: when it is two, which could not both be bound at a start.
    """
    kept: dict[Listener, str] = {}
    for each, steps in plan:
        for step in steps:
            if isinstance(step, Listener):
                if step in kept:
                    raise ConfigError(f"bind {each.address}: is the same as {kept[step]}")
                kept[step] = each.address
    return kept


def _check_distinct(addresses: Sequence[str]) -> None:
    for index, address in enumerate(addresses):
        if address in addresses[:index]:
            raise ConfigError(f"bind {address}: the address is given twice")


def _plan(wanted: Wanted, known: Mapping[str, Sequence[Listener]]) -> list[Listener | Bind]:
    """Returns for each socket of the address the listener that there is, or what binds it."""
    address = wanted.address
    if address in known and all(listener.is_there() for listener in known[address]):
        return [*known[address]]
    if known and address.startswith("fd://"):
        raise ConfigError(f"bind {address}: a descriptor is inherited, so it is named at the start")
    by_place = {
        listener.place: listener
        for listeners in known.values()
        for listener in listeners
        if listener.is_there()
    }
    return [by_place.get(place, bind) for place, bind in _binders(address, wanted.options)]


def inherited_listeners(environ: MutableMapping[str, str]) -> list[tuple[str, str]]:
    """Returns ``fd://N`` and the name of each socket that systemd hands over.

    The variables are taken away. A socket without a name has an empty one.

    Raises:
        ConfigError: when LISTEN_FDS is no number.
    """
    pid = environ.get("LISTEN_PID", "")
    if pid != str(os.getpid()):
        return []
    count = environ.get("LISTEN_FDS", "0")
    if not count.isdecimal():
        raise ConfigError(f"LISTEN_FDS={count}: not a number of sockets")
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        environ.pop(name, None)
    found = range(int(count))
    names += [""] * len(found)
    return [(f"fd://{_FIRST_LISTEN_FD + index}", names[index]) for index in found]


def choose_addresses(
    given: Sequence[str] | None,
    inherited: Sequence[tuple[str, str]],
    default: Sequence[str],
    takes_all: bool = True,
) -> list[str]:
    """Returns what to listen on.

    Args:
        given: ``bind`` if it was given; it may name an inherited socket as ``fd://NAME``.
        inherited: address and name of the sockets from systemd: all of them are taken, unless ``given``
            names some of them.
        default: without either.
        takes_all: False takes none that is not named, as where there are several servers.

    Raises:
        ConfigError: for a name that no socket has.
    """
    if given is None:
        return [address for address, _ in inherited] or [*default]
    chosen: list[str] = []
    named: set[str] = set()
    for address in given:
        name = address.removeprefix("fd://")
        same = [each for each, has in inherited if address in (each, f"fd://{has}")]
        if not same and address.startswith("fd://") and not name.isdecimal():
            known = ", ".join(has for _, has in inherited if has) or "none with a name"
            raise ConfigError(
                f"bind {address}: N is a file descriptor's number, or the name of a socket from systemd:"
                f" {known}; {_ALLOWED}"
            )
        named.update(same)
        chosen += same or [address]
    return [*([] if named or not takes_all else [each for each, _ in inherited]), *chosen]


def _patiently(
    bind: Bind, address: str, until: float, wait: Wait, leaving: Sequence[Listener]
) -> Listener:
    while True:
        try:
            return bind(leaving)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and time.monotonic() < until:
                wait(_RETRY_SECONDS)
                continue
            raise _refused(address, error, leaving) from None


def _refused(address: str, error: OSError, ours: Sequence[Listener]) -> WsgisrvError:
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


def _binders(address: str, options: SocketOptions) -> list[tuple[Hashable, Bind]]:
    """Returns what binds ``address``: place and call for each socket, since a host may have several."""
    if address.startswith("unix:"):
        path = address.removeprefix("unix:")
        if not path.startswith("/"):
            raise ConfigError(f"bind {address}: the path of a unix socket is absolute; {_ALLOWED}")
        place = os.path.normpath(path)
        return [(place, lambda _leaving: _bind_unix(path, place, options))]
    if address.startswith("fd://"):
        number = address.removeprefix("fd://")
        if not number.isdecimal() or len(number) > _MOST_DIGITS:
            raise ConfigError(f"bind {address}: N is a file descriptor's number; {_ALLOWED}")
        return [(address, lambda _leaving: _adopt(int(number), address))]
    host, port = _split(address)
    return [
        (place, _inet_binder(family, place, options))
        for family, place in _resolve(address, host, port)
    ]


def _split(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ConfigError(f"bind {address}: an IPv6 address stands in brackets; {_ALLOWED}")
    is_number = port.isdecimal() and len(port) <= _MOST_DIGITS
    if not colon or not host or not is_number or int(port) > 65535:
        raise ConfigError(f"bind {address}: {_ALLOWED}, with a port of 0 to 65535")
    return host, int(port)


def _resolve(address: str, host: str, port: int) -> list[tuple[socket.AddressFamily, Place]]:
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
            raise ConfigError(f"bind {address}: the path of a unix socket is absolute; {_ALLOWED}")
        return []
    return [place for _, place in _resolve(address, *_split(address))]


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
        return Listener(sock, _url_of(sock), place=place)

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


def _adopt(number: int, place: Hashable) -> Listener:
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
    return Listener(sock, _url_of(sock), place=place)


def _url_of(sock: socket.socket) -> str:
    address = sock.getsockname()
    if sock.family == socket.AF_INET:
        return f"http://{address[0]}:{address[1]}"
    if sock.family == socket.AF_INET6:
        return f"http://[{address[0]}]:{address[1]}"
    return f"unix:{os.fsdecode(address)}"
