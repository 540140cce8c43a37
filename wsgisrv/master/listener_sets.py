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
from collections.abc import Collection, Sequence

from wsgisrv.config import Settings
from wsgisrv.errors import WsgisrvError
from wsgisrv.master.listeners import Listener, Wait, open_addresses
from wsgisrv.master.socket_options import SocketOptions

_LOG = logging.getLogger("wsgisrv.master")


@dataclasses.dataclass(frozen=True, slots=True)
class ListenerSet:
    """The listeners of one version.

    Args:
        by_address: as the addresses stand in ``bind``.
        backlog: for listen(2).
    """

    by_address: dict[str, tuple[Listener, ...]]
    backlog: int
    options: SocketOptions

    @property
    def listeners(self) -> list[Listener]:
        """Returns each of them once, in the order of the addresses."""
        return list(dict.fromkeys(each for several in self.by_address.values() for each in several))

    @classmethod
    def of(cls, listeners: Sequence[Listener]) -> ListenerSet:
        """Returns a set of listeners that are known by their URLs only, for tests of the master."""
        return cls({each.url: (each,) for each in listeners}, 1, SocketOptions())

    @classmethod
    def open(
        cls, settings: Settings, known: dict[str, tuple[Listener, ...]], timeout: float, wait: Wait
    ) -> ListenerSet:
        """Binds what the settings name and is not ``known``, as ``open_addresses``."""
        options = SocketOptions.of(settings)
        opened = open_addresses(
            settings.bind, known, backlog=settings.backlog, timeout=timeout, wait=wait,
            options=options,
        )  # fmt: skip
        return cls(opened, settings.backlog, options)


class ListenerSets:
    """Args:
    first: of version 0, open already.
    """

    def __init__(self, first: ListenerSet) -> None:
        self._sets = {0: first}

    def of(self, version: int) -> list[Listener]:
        """Returns the version's listeners."""
        return self._sets[version].listeners

    def open(self, version: int, settings: Settings) -> None:
        """Opens the set of a version that is newer than all others. Never waits.

        Raises:
            WsgisrvError: when that cannot be done; all is as it was.
        """
        known = {
            address: listeners
            for _, found in sorted(self._sets.items())
            for address, listeners in found.by_address.items()
        }
        opened = ListenerSet.open(settings, known, timeout=0, wait=lambda _seconds: None)
        self._sets[version] = opened
        for listener in opened.listeners:
            if not any(listener in several for several in known.values()):
                _LOG.info("listening on %s", listener.url)
        try:
            for listener in opened.listeners:
                listener.configure(opened.backlog, opened.options)
        except WsgisrvError:
            self._drop(version)
            raise

    def keep(self, versions: Collection[int]) -> None:
        """Drops every other version: what only they had is closed."""
        for version in self._sets.keys() - versions:
            self._drop(version)

    def _drop(self, version: int) -> None:
        gone = self._sets.pop(version)
        left = [self._sets[each] for each in sorted(self._sets, reverse=True)]
        for listener in gone.listeners:
            newest = next((each for each in left if listener in each.listeners), None)
            if newest is None:
                _LOG.info("no longer listening on %s", listener.url)
                listener.close()
                continue
            try:
                listener.configure(newest.backlog, newest.options)
            except WsgisrvError as error:
                _LOG.warning("%s: %s", listener.url, error)

    def close_others(self, version: int) -> None:
        """Lets go of what the version has no part in. Runs in: the child; files are the master's."""
        kept = self.of(version)
        for listener in {each for found in self._sets.values() for each in found.listeners}:
            if listener not in kept:
                listener.socket.close()

    def close(self) -> None:
        """Closes everything."""
        for listener in {each for found in self._sets.values() for each in found.listeners}:
            with contextlib.suppress(OSError):
                listener.close()
