"""``oslo_service.service``: launchers that make a master of the process that waits for them.

Rules: a service is made in the process that becomes the master, and started in each worker, as oslo.service
does it; an HTTP service holds its ``wsgi.Server`` in an attribute, or is one. ``launch_service`` only takes
note; ``wait`` serves. A reload starts fresh workers, whatever ``restart_method`` says: their files are read
again, and ``reset`` is called in those that run.
"""

from __future__ import annotations

import dataclasses
import os
import re
import signal
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from oslo_config import cfg

from wsgisrv.compat.oslo_service.base import ServiceBase
from wsgisrv.compat.oslo_service.options import SERVICE
from wsgisrv.compat.oslo_service.wsgi import Server
from wsgisrv.extension import Called, Extension, Moment, WorkerInfo
from wsgisrv.service import Service

__all__ = ["Launcher", "ProcessLauncher", "ServiceBase", "ServiceLauncher", "launch"]

_FOR_EVER = 86400
_RESTART_METHODS = ("reload", "mutate")


@dataclasses.dataclass(frozen=True, slots=True)
class _Launched:
    """A service with its servers, by the names that they have in the configuration."""

    service: ServiceBase
    servers: Mapping[str, Server]
    workers: int


class Launcher:
    """Args:
    conf: the service's own, which was called.
    restart_method: ``reload`` or ``mutate``.

    Raises:
        ValueError: for another one.
    """

    def __init__(
        self, conf: cfg.ConfigOpts, restart_method: str = "reload", wait_interval: float = 0.01
    ) -> None:
        if restart_method not in _RESTART_METHODS:
            raise ValueError(f"restart_method {restart_method!r}: it is reload or mutate")
        conf.register_opts(SERVICE)
        self.conf = conf
        self._launched: list[_Launched] = []

    def launch_service(self, service: ServiceBase, workers: int | None = 1) -> None:
        """Has ``wait`` serve the service.

        Args:
            workers: processes, 1 or more; None is 1.

        Raises:
            TypeError: for what is no service, or serves no HTTP.
            ValueError: for no workers.
        """
        if not isinstance(service, ServiceBase):
            raise TypeError(f"{service!r}: a service is a ServiceBase")
        if workers is not None and workers < 1:
            raise ValueError(f"{workers} workers: it is 1 or more")
        servers = list(_servers_of(service))
        if not servers:
            raise TypeError(
                f"{type(service).__name__} has no wsgi.Server: only what serves HTTP is launched here"
            )
        taken = {name for each in self._launched for name in each.servers}
        named: dict[str, Server] = {}
        for server in servers:
            named[_name_of(server.name, taken | named.keys())] = server
        self._launched.append(_Launched(service, named, workers or 1))

    def wait(self) -> None:
        """Serves until told to stop.

        Raises:
            SystemExit: with the exit code, when that is not 0; one line on stderr has said why.
        """
        if not self._launched:
            return
        code = _Ported(self.conf, self._launched).run()
        if code:
            raise SystemExit(code)

    def stop(self) -> None:
        """Ends ``wait`` as SIGTERM does."""
        os.kill(os.getpid(), signal.SIGTERM)


class ProcessLauncher(Launcher):
    """Serves from several processes."""

    def __init__(
        self, conf: cfg.ConfigOpts, wait_interval: float = 0.01, restart_method: str = "reload"
    ) -> None:
        super().__init__(conf, restart_method, wait_interval)


class ServiceLauncher(Launcher):
    """Serves from one process, which has a master of its own here, too."""


def launch(
    conf: cfg.ConfigOpts,
    service: ServiceBase,
    workers: int | None = 1,
    restart_method: str = "reload",
) -> Launcher:
    """Returns a launcher that serves the service when it is waited for.

    Raises:
        TypeError, ValueError: as of ``Launcher``.
    """
    if workers is not None and not isinstance(workers, int):
        raise TypeError("workers is a whole number")
    kind: type[Launcher] = ServiceLauncher if workers in (None, 1) else ProcessLauncher
    launcher = kind(conf, restart_method=restart_method)
    launcher.launch_service(service, workers=workers)
    return launcher


def _servers_of(service: ServiceBase) -> Iterable[Server]:
    if isinstance(service, Server):
        yield service
        return
    for value in vars(service).values():
        several = value if isinstance(value, list | tuple) else [value]
        yield from (each for each in several if isinstance(each, Server))


def _name_of(name: str, taken: set[str]) -> str:
    """Returns a server's name as the configuration may have it, that no other one has."""
    plain = re.sub("[^a-z0-9_]+", "_", name.lower()).strip("_")[:28]
    plain = plain if plain[:1].isalpha() else f"api_{plain}".rstrip("_")[:28]
    candidates = [plain, *(f"{plain}_{number}" for number in range(2, 100))]
    return next(each for each in candidates if each not in taken)


class _Ported(Service):
    """The services of a launcher as one of ours."""

    def __init__(self, conf: cfg.ConfigOpts, launched: Sequence[_Launched]) -> None:
        seconds = conf.graceful_shutdown_timeout or _FOR_EVER
        common: dict[str, Any] = {"graceful_timeout": min(seconds, _FOR_EVER)}
        servers = [(found, *pair) for found in launched for pair in found.servers.items()]
        self._launched = launched
        self._is_single = len(servers) == 1
        if len(launched) == 1:
            common["workers"] = launched[0].workers
        if self._is_single:
            _, _, server = servers[0]
            super().__init__(conf, _app_of(server), defaults={**common, **server.defaults()})
            return
        super().__init__(conf, defaults=common)
        for found, name, server in servers:
            own = {"workers": found.workers} if len(launched) > 1 else {}
            self.add(name, _app_of(server), defaults={**own, **server.defaults()})

    def extension(self) -> Extension:
        """Returns the services' own methods as what workers call."""
        draining: tuple[str | Called, ...] = (self._stop,)
        return dataclasses.replace(
            super().extension(),
            boot=self._start,
            mutated=self._reset,
            hooks={Moment.DRAINING: draining},
        )

    # Runs in: worker

    def _here(self, info: WorkerInfo) -> Iterable[_Launched]:
        for found in self._launched:
            if self._is_single or any(name in info.servers for name in found.servers):
                yield found

    def _start(self, info: WorkerInfo) -> None:
        for found in self._here(info):
            for name, server in found.servers.items():
                server.bound_to(info.addresses.get("" if self._is_single else name, ()))
            found.service.start()

    def _stop(self, info: WorkerInfo) -> None:
        for found in self._here(info):
            found.service.stop()
            found.service.wait()

    def _reset(self, info: WorkerInfo) -> None:
        for found in self._here(info):
            found.service.reset()


def _app_of(server: Server) -> str:
    return server.app if isinstance(server.app, str) else ""
