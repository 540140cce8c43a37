"""A small service as those on oslo.service are written, on wsgisrv.compat.oslo_service instead.

What it declares is as such a service has it: a WSGIService that loads its app by name in the parent, holds a
wsgi.Server, and is launched by a ProcessLauncher or by launch().
"""

from __future__ import annotations

import logging
import os
import sys

from oslo_config import cfg

from wsgisrv.compat.oslo_service import service, wsgi

LOG = logging.getLogger("ported")

CONF = cfg.CONF
CONF.register_opts(
    [
        cfg.StrOpt("osapi_volume_listen", default="0.0.0.0", help="Address."),
        cfg.PortOpt("osapi_volume_listen_port", default=8776, help="Port."),
        cfg.IntOpt("osapi_volume_workers", help="Workers."),
        cfg.BoolOpt("osapi_volume_use_ssl", default=False, help="TLS."),
        cfg.StrOpt("zone", default="nova", help="Told by the app.", mutable=True),
    ]
)


class Manager:
    """What a service starts beside its server."""

    def init_host(self) -> None:
        LOG.warning("init_host in the worker: %s", os.getpid() != os.getpgrp())


class WSGIService(service.ServiceBase):
    """Provides the API of one section of the paste file."""

    def __init__(self, name: str, loader: wsgi.Loader | None = None) -> None:
        self.name = name
        self.manager = Manager()
        self.loader = loader or wsgi.Loader(CONF)
        self.app = self.loader.load_app(name)
        self.host = getattr(CONF, f"{name}_listen", "0.0.0.0")
        self.port = getattr(CONF, f"{name}_listen_port", 0)
        self.workers = getattr(CONF, f"{name}_workers", None) or 1
        self.use_ssl = getattr(CONF, f"{name}_use_ssl", False)
        self.server = wsgi.Server(
            CONF, name, self.app, host=self.host, port=self.port, use_ssl=self.use_ssl
        )

    def start(self) -> None:
        self.manager.init_host()
        self.server.start()
        self.port = self.server.port
        LOG.warning("%s started on port %d", self.name, self.port)

    def stop(self) -> None:
        LOG.warning("%s stops", self.name)
        self.server.stop()

    def wait(self) -> None:
        self.server.wait()
        LOG.warning("%s has waited", self.name)

    def reset(self) -> None:
        self.server.reset()
        LOG.warning("%s reset, zone %s", self.name, CONF.zone)


def main() -> None:
    CONF(sys.argv[1:], project="ported", version="1.0")
    names = os.environ.get("PORTED", "osapi_volume").split(",")
    if len(names) == 1:
        server = WSGIService(names[0])
        service.launch(CONF, server, workers=server.workers).wait()
        return
    launcher = service.ProcessLauncher(CONF)
    for name in names:
        server = WSGIService(name)
        launcher.launch_service(server, workers=server.workers)
    launcher.wait()
    LOG.warning("main goes on")


if __name__ == "__main__":
    main()
