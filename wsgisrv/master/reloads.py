"""A reload until the roster has it: settings read, certificates read, listeners opened.

Rules: the old generation is not touched; whatever is wrong is found here, before anything is forked. An
address that is in use is tried again for ``bind_timeout``, since a worker that drains may be about to leave
it, and the loop goes on meanwhile. A newer reload overtakes one that still waits so. Runs in: master loop.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Collection, Mapping

from wsgisrv.config import Settings
from wsgisrv.errors import AddressInUseError, ConfigError, WsgisrvError, first_line
from wsgisrv.layout import Layout
from wsgisrv.master.cpus import usable_cpus
from wsgisrv.master.events import Plan, Policy
from wsgisrv.master.listener_sets import ListenerSet, ListenerSets
from wsgisrv.master.plans import MOST_WORKERS
from wsgisrv.master.worker_handle import WorkerHandle
from wsgisrv.tls import TlsFiles

RETRY_SECONDS = 0.1

Locate = Callable[[str], str]
"""Returns what is wrong with an option's value with the place of that value."""


@dataclasses.dataclass(frozen=True, slots=True)
class Version:
    """What one reading of the configuration has brought.

    Args:
        tls: the certificates of each server, by its name.
        locate: for what turns out to be wrong with it later.
    """

    layout: Layout
    tls: Mapping[str, TlsFiles]
    locate: Locate

    @classmethod
    def read(cls, layout: Layout, locate: Locate = str) -> Version:
        """Reads the certificates.

        Raises:
            ConfigError: when one is wrong.
        """
        tls = {}
        for server in layout.servers:
            locate_in = functools.partial(_locate_in, server.name, locate)
            try:
                tls[server.name] = TlsFiles(server.settings, locate_in)
            except ConfigError as error:
                raise ConfigError(locate_in(str(error))) from None
        return cls(layout, tls, locate)

    def plan(self, number: int) -> Plan:
        """Returns what the roster is to keep to with these settings, as version ``number``."""
        return Plan(number, {group.name: policy_of(group.settings) for group in self.layout.groups})


def _locate_in(server: str, locate: Locate, text: str) -> str:
    return locate(f"{server}: {text}" if server else text)


@dataclasses.dataclass(slots=True)
class _Opening:
    version: int
    until: float
    next_try: float


class Reloads:
    """Args:
    first: version 0, read at the start.
    listeners: its listeners.
    read: reads options and certificates anew; raises WsgisrvError for what is wrong.
    begin: called with a version whose listeners are open: a generation may be forked.
    fail: called with one that cannot have them, and why.
    """

    def __init__(
        self,
        first: Version,
        listeners: ListenerSet,
        read: Callable[[], Version],
        begin: Callable[[int], None],
        fail: Callable[[int, str], None],
    ) -> None:
        self.listeners = ListenerSets(listeners)
        self._versions = {0: first}
        self._read = read
        self._begin = begin
        self._fail = fail
        self._opening: _Opening | None = None

    def __getitem__(self, version: int) -> Version:
        return self._versions[version]

    def read(self) -> int:
        """Reads options and certificates.

        Returns:
            Their version.

        Raises:
            WsgisrvError: when they are wrong; nothing has changed.
        """
        found = self._read()
        version = max(self._versions) + 1
        self._versions[version] = found
        return version

    def tune(self, live: Layout) -> None:
        """Gives every version what is mutable as ``live`` has it: workers to come have it, too."""
        self._versions = {
            number: dataclasses.replace(version, layout=version.layout.tuned(live))
            for number, version in self._versions.items()
        }

    def begin(self, version: int) -> None:
        """Opens the listeners of ``version`` and has its generation begun, now or in a moment."""
        now = time.monotonic()
        until = now + self._versions[version].layout.settings.bind_timeout
        self._opening = _Opening(version, until, now)
        self.tick()

    def tick(self) -> None:
        """Tries once more what had to wait."""
        opening, now = self._opening, time.monotonic()
        if opening is None or now < opening.next_try:
            return
        try:
            self.listeners.open(opening.version, self._versions[opening.version].layout.servers)
        except AddressInUseError as error:
            if now < opening.until:
                opening.next_try = now + RETRY_SECONDS
                return
            self._end(self._fail, opening.version, first_line(error))
        except WsgisrvError as error:
            self._end(self._fail, opening.version, first_line(error))
        else:
            self._end(self._begin, opening.version)

    def _end(self, tell: Callable[..., None], *args: object) -> None:
        self._opening = None
        tell(*args)

    def deadline(self) -> float | None:
        """Returns when ``tick`` has something to do, None for never."""
        return self._opening.next_try if self._opening is not None else None

    def forget(self) -> None:
        """Gives up what has not begun: the service stops."""
        self._opening = None

    def addresses(self, version: int) -> dict[str, list[str]]:
        """Returns the URLs of each server's listeners, by the server's name."""
        found, listeners = self._versions[version], self.listeners[version]
        return {
            server.name: [
                listener.url.replace("http://", "https://")
                if found.tls[server.name].contexts
                else listener.url
                for listener in listeners.of(server.name)
            ]
            for server in found.layout.servers
        }

    def servers_of(self, handle: WorkerHandle) -> list[str]:
        """Returns the names of the servers that a worker serves."""
        group = self._versions[handle.version].layout.group(handle.group)
        return [server.name for server in group.servers if server.name]

    def keep(self, live: Collection[int], running: Collection[int]) -> None:
        """Lets go of what no generation needs any more.

        Args:
            live: versions that serve, or are about to.
            running: of workers that have not exited.
        """
        opening = {self._opening.version} if self._opening is not None else set[int]()
        self.listeners.keep({*live, *opening})
        needed = {*live, *opening, *running, max(self._versions)}
        self._versions = {key: each for key, each in self._versions.items() if key in needed}


def check_workers(layout: Layout) -> None:
    """Looks whether one master can have so many workers.

    Raises:
        ConfigError: when the groups together want more than MOST_WORKERS.
    """
    wanted = {group.name: policy_of(group.settings).workers for group in layout.groups}
    total = sum(wanted.values())
    if total > MOST_WORKERS:
        given = {group.name: group.settings.workers for group in layout.groups}
        most = max(given, key=lambda name: given[name])
        others = ", ".join(
            f"{number} of [wsgisrv{'_' * bool(name)}{name}]"
            for name, number in wanted.items()
            if name != most
        )
        label = f"{most}: " if most else ""
        raise ConfigError(
            f"{label}[wsgisrv] workers = {given[most]}: with {others} these are {total}; allowed are"
            f" {MOST_WORKERS} of all servers together"
        )


def policy_of(settings: Settings) -> Policy:
    """Returns what the roster is to keep to in a group of workers with these settings."""
    return Policy(
        workers=settings.workers or min(usable_cpus(), MOST_WORKERS),
        boot_timeout=settings.boot_timeout,
        worker_timeout=settings.worker_timeout,
        graceful_timeout=settings.graceful_timeout,
        shutdown_delay=settings.shutdown_delay,
        max_requests=settings.max_requests,
        max_requests_jitter=settings.max_requests_jitter,
        max_worker_lifetime=settings.max_worker_lifetime,
        max_worker_lifetime_jitter=settings.max_worker_lifetime_jitter,
        max_worker_rss_bytes=settings.max_worker_rss_bytes,
    )
