"""Listening sockets: bound with patience, all or none.

Rules: either every address is bound or none is left behind. What this service listens on already is kept, the
very same socket.

Facts about ports: EADDRINUSE may pass while a predecessor leaves.
"""

from __future__ import annotations

import dataclasses
import errno
import time
from collections.abc import Callable, Mapping, Sequence

from wsgisrv.errors import ConfigError
from wsgisrv.master.binders import Bind, binders, refused
from wsgisrv.master.listener import Listener
from wsgisrv.master.socket_options import SocketOptions

_RETRY_SECONDS = 0.1

_NO_OPTIONS = SocketOptions()

Wait = Callable[[float], None]


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
    return [by_place.get(place, bind) for place, bind in binders(address, wanted.options)]


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
            raise refused(address, error, leaving) from None
