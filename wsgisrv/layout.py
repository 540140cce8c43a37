"""What a service is made of: servers, each with its addresses and its app, and the workers that serve them.

Rules: values only. A server that says ``workers`` has a group of worker processes of its own; all others are
served together by the group that has no name. Without ``servers`` there is one server without a name, and one
group. Must not import eventlet, webob, paste or routes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from wsgisrv.config import Settings
from wsgisrv.errors import ConfigError

SHARED = ""
"""Name of the group that serves whoever has no workers of its own."""


MUTABLE = tuple(field.name for field in dataclasses.fields(Settings) if field.metadata["mutable"])
"""Names of the options that change live."""


def live_of(settings: Settings) -> dict[str, Any]:
    """Returns the values of the options that change live."""
    return {name: getattr(settings, name) for name in MUTABLE}


def _tuned(settings: Settings, live: Settings) -> Settings:
    return dataclasses.replace(settings, **live_of(live))


@dataclasses.dataclass(frozen=True, slots=True)
class ServerSettings:
    """One API: its name, "" where there is but one without, and all its options."""

    name: str
    settings: Settings


@dataclasses.dataclass(frozen=True, slots=True)
class WorkerGroup:
    """Worker processes that are alike.

    Args:
        name: of the server that they are for, or SHARED.
        settings: of the processes: those with the scope WORKERS.
        servers: that each of them serves, one at least.
    """

    name: str
    settings: Settings
    servers: tuple[ServerSettings, ...]

    def tuned(self, live: Settings) -> WorkerGroup:
        """Returns this group with what is mutable as ``live`` has it."""
        servers = (ServerSettings(each.name, _tuned(each.settings, live)) for each in self.servers)
        return WorkerGroup(self.name, _tuned(self.settings, live), tuple(servers))


@dataclasses.dataclass(frozen=True, slots=True)
class Layout:
    """The service.

    Args:
        settings: of all of it: those with the scope SERVICE.
        groups: one at least; SHARED first.
    """

    settings: Settings
    groups: tuple[WorkerGroup, ...]

    @property
    def looks_here(self) -> bool:
        """Whether an app has no paste file, so that its modules may be in the working directory."""
        servers = (server.settings for group in self.groups for server in group.servers)
        return any(settings.app or settings.factory for settings in servers)

    @classmethod
    def single(cls, settings: Settings) -> Layout:
        """Returns the layout of a service with one server."""
        return cls(settings, (WorkerGroup(SHARED, settings, (ServerSettings("", settings),)),))

    @classmethod
    def of(cls, settings: Settings, sections: Mapping[str, Mapping[str, Any]]) -> Layout:
        """Returns the layout of several servers.

        Args:
            settings: what ``[wsgisrv]`` says.
            sections: by the server's name, in the order of ``servers``, what its own section says.
        """
        found = [
            ServerSettings(name, dataclasses.replace(settings, **section))
            for name, section in sections.items()
        ]
        shared = tuple(server for server in found if "workers" not in sections[server.name])
        groups = [WorkerGroup(SHARED, settings, shared)] if shared else []
        groups += [
            WorkerGroup(server.name, server.settings, (server,))
            for server in found
            if server not in shared
        ]
        return cls(settings, tuple(groups))

    @property
    def servers(self) -> list[ServerSettings]:
        """Returns every server, in the order of ``servers``."""
        found = [server for group in self.groups for server in group.servers]
        order = self.settings.servers
        return sorted(found, key=lambda server: order.index(server.name) if server.name else 0)

    @property
    def names_servers(self) -> bool:
        """Whether logs and answers have to say which server they are about."""
        return len(self.servers) > 1

    def tuned(self, live: Layout) -> Layout:
        """Returns this layout with what is mutable as ``live`` has it."""
        settings = {group.name: group.settings for group in live.groups}
        return Layout(
            _tuned(self.settings, live.settings),
            tuple(group.tuned(settings.get(group.name, live.settings)) for group in self.groups),
        )

    def owned_by(self, owner: str) -> Layout:
        """Returns this layout with ``owner`` for unix sockets that no ``unix_owner`` is given for."""

        def own(settings: Settings) -> Settings:
            return dataclasses.replace(settings, unix_owner=settings.unix_owner or owner)

        return Layout(
            own(self.settings),
            tuple(
                WorkerGroup(
                    group.name,
                    own(group.settings),
                    tuple(ServerSettings(each.name, own(each.settings)) for each in group.servers),
                )
                for group in self.groups
            ),
        )

    def group(self, name: str) -> WorkerGroup:
        """Returns a group by its name.

        Raises:
            KeyError: when there is none.
        """
        return {group.name: group for group in self.groups}[name]

    def group_serving(self, server: str) -> WorkerGroup:
        """Returns the group whose workers serve ``server``; "" is for the one group that there is.

        Raises:
            ConfigError: when there is no such server, or none is named and there are several groups.
        """
        names = ", ".join(each.name for each in self.servers)
        if not server:
            if len(self.groups) > 1:
                raise ConfigError(f"say which server's workers: {names}")
            return self.groups[0]
        for group in self.groups:
            if server in (each.name for each in group.servers):
                return group
        raise ConfigError(
            f"there is no server {server}; there is {names}"
            if names
            else "there is one server, and it has no name"
        )
