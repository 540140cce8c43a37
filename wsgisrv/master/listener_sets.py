"""Which listeners each version of the settings has: opened before its generation, closed after it.

Rules: a set is opened as a whole or not at all. What two sets have in common is one socket, and is closed
when the last of them is dropped; it has the options of the newest. So a reload that fails, or is overtaken
before it began, leaves nothing of itself. Runs in: master loop.

Facts about listeners and fork(2): a socket listens until every process that has it has closed it. So a worker
lets go of what is not its own, else an address would outlive the generation that it belonged to.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import socket
from collections.abc import Collection, Sequence

from wsgisrv.errors import WsgisrvError
from wsgisrv.layout import ServerSettings
from wsgisrv.master.listener import Listener
from wsgisrv.master.listeners import Wait, Wanted, open_addresses
from wsgisrv.master.socket_options import SocketOptions

_LOG = logging.getLogger("wsgisrv.master")


@dataclasses.dataclass(frozen=True, slots=True)
class ListenerSet:
    """The listeners of one version.

    Args:
        by_address: as the addresses stand in ``bind``.
        wanted: every address, in order.
    """

    by_address: dict[str, tuple[Listener, ...]]
    wanted: tuple[Wanted, ...]

    def all(self) -> list[Listener]:
        """Returns each of them once, in the order of the addresses."""
        return [listener for each in self.wanted for listener in self.by_address[each.address]]

    def of(self, server: str) -> list[Listener]:
        """Returns those of one server."""
        return [
            listener
            for each in self.wanted
            if each.server == server
            for listener in self.by_address[each.address]
        ]

    def configure(self, listener: Listener) -> None:
        """Gives one of them the backlog and options that it has in this version."""
        for each in self.wanted:
            if listener in self.by_address[each.address]:
                listener.configure(each.backlog, each.options)

    def check(self) -> None:
        """Looks whether what is borrowed can have the options of this version one day.

        Raises:
            WsgisrvError: as ``Listener.check``.
        """
        for each in self.wanted:
            for listener in self.by_address[each.address]:
                listener.check(each.options)

    @classmethod
    def open(
        cls,
        servers: Sequence[ServerSettings],
        known: dict[str, tuple[Listener, ...]],
        timeout: float,
        wait: Wait,
    ) -> ListenerSet:
        """Binds what the settings name and is not ``known``, as ``open_addresses``."""
        wanted = [
            Wanted(address, server.settings.backlog, SocketOptions.of(server.settings), server.name)
            for server in servers
            for address in server.settings.bind
        ]
        return cls(open_addresses(wanted, known, timeout=timeout, wait=wait), tuple(wanted))


class ListenerSets:
    """Args:
    first: of version 0, open already.
    """

    def __init__(self, first: ListenerSet) -> None:
        self._sets = {0: first}
        self._is_closed = False

    def __getitem__(self, version: int) -> ListenerSet:
        return self._sets[version]

    def open(self, version: int, servers: Sequence[ServerSettings]) -> None:
        """Opens the set of a version that is newer than all others. Never waits.

        Raises:
            WsgisrvError: when that cannot be done; all is as it was.
        """
        known = {
            address: listeners
            for _, found in sorted(self._sets.items())
            for address, listeners in found.by_address.items()
        }
        opened = ListenerSet.open(servers, known, timeout=0, wait=lambda _seconds: None)
        self._sets[version] = opened
        for listener in opened.all():
            if not any(listener in several for several in known.values()):
                _LOG.info("listening on %s", listener.url)
        try:
            for listener in opened.all():
                opened.configure(listener)
        except WsgisrvError:
            self._drop(version)
            raise

    def keep(self, versions: Collection[int]) -> None:
        """Drops every other version: what only they had is closed. Does nothing once all are."""
        if self._is_closed:
            return
        for version in self._sets.keys() - versions:
            self._drop(version)

    def _drop(self, version: int) -> None:
        gone = self._sets.pop(version)
        for listener in gone.all():
            if listener in self._all():
                self._configure(listener)
            else:
                _LOG.info("no longer listening on %s", listener.url)
                listener.close()

    def configure(self) -> None:
        """Gives the listeners their backlog and options, now that none is borrowed any more."""
        if self._is_closed:
            return
        for listener in self._all():
            self._configure(listener)

    def _configure(self, listener: Listener) -> None:
        """Gives a listener what the newest of those versions wants that have it."""
        newest = max(number for number, found in self._sets.items() if listener in found.all())
        try:
            self._sets[newest].configure(listener)
        except WsgisrvError as error:
            _LOG.warning("%s: %s", listener.url, error)

    def close_others(self, kept: Collection[socket.socket]) -> None:
        """Lets go of what a worker does not serve. Runs in: the child; files are the master's."""
        for listener in self._all():
            if listener.socket not in kept:
                listener.socket.close()

    def close_in_helper(self) -> None:
        """Lets go of all of them. Runs in: a child that serves nobody."""
        self.close_others(())

    def close(self) -> None:
        """Closes everything; what each version had can still be asked for."""
        self._is_closed = True
        for listener in self._all():
            with contextlib.suppress(OSError):
                listener.close()

    def _all(self) -> set[Listener]:
        return {listener for found in self._sets.values() for listener in found.all()}
