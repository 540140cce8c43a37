"""``oslo_service.wsgi``: ``Loader`` names an app, ``Server`` says how it is served.

Rules: nothing is bound, loaded or served here: the launcher makes a master of the process, which binds, and
workers, which load the app.
"""

from __future__ import annotations

import configparser
import dataclasses
import os
import socket
from typing import Any

from oslo_config import cfg

from wsgisrv.compat.oslo_service import sslutils
from wsgisrv.compat.oslo_service.base import ServiceBase
from wsgisrv.compat.oslo_service.options import SERVICE, WSGI
from wsgisrv.config import Settings
from wsgisrv.named import is_named

_FOR_EVER = 86400
_PREFIXES = ("app", "application", "composite", "composit", "pipeline", "filter-app")


class InvalidInput(Exception):  # noqa: N818 - oslo.service's name
    """Raised by ``Server`` for an argument that is out of range."""


class ConfigNotFound(Exception):  # noqa: N818 - likewise
    """Raised by ``Loader`` when ``api_paste_config`` is not there."""

    def __init__(self, path: str) -> None:
        super().__init__(f"{path}: no such paste file")


class PasteAppNotFound(Exception):  # noqa: N818 - likewise
    """Raised by ``Loader`` when the paste file has no such app."""

    def __init__(self, name: str, path: str) -> None:
        super().__init__(
            f"{path}: no section [app:{name}], [composite:{name}] or [pipeline:{name}]"
        )


def register_opts(conf: cfg.ConfigOpts) -> None:
    """Registers the options that are about HTTP."""
    conf.register_opts(WSGI)


def list_opts() -> list[tuple[None, list[cfg.Opt]]]:
    """Returns them, for oslo-config-generator."""
    return [(None, list(WSGI))]


@dataclasses.dataclass(frozen=True, slots=True)
class NamedApp:
    """An app in a paste file, which each worker loads for itself.

    Args:
        path: of the file.
        name: of the section, behind ``app:`` or the like.
    """

    path: str
    name: str


class Loader:
    """Finds apps in the paste file of ``api_paste_config``.

    Raises:
        ConfigNotFound: when there is no such file.
    """

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        register_opts(conf)
        path = conf.api_paste_config
        found = path if os.path.isabs(path) else conf.find_file(path)
        if not found or not os.path.exists(found):
            raise ConfigNotFound(path)
        self.config_path = os.path.abspath(found)

    def load_app(self, name: str) -> NamedApp:
        """Returns the name of the app, which nothing is imported for.

        Raises:
            PasteAppNotFound: when the file has no section for it.
        """
        parser = configparser.RawConfigParser(strict=False)
        parser.read(self.config_path)
        if not any(parser.has_section(f"{prefix}:{name}") for prefix in _PREFIXES):
            raise PasteAppNotFound(name, self.config_path)
        return NamedApp(self.config_path, name)


class Server(ServiceBase):
    """What is served, where and how. Its life is the worker's, which calls ``start`` and ``stop``.

    Args:
        conf: the service's.
        name: of the API, which its section in the configuration is called after if there are several.
        app: from ``Loader.load_app``, or ``module:callable``.
        host, port: to listen on; port 0 is one that is free, which ``port`` has in the workers.
        pool_size: requests that run at a time; by default ``wsgi_default_pool_size``.
        protocol, logger_name: have no effect.
        backlog: connections that wait to be accepted; at least 1.
        use_ssl: TLS with the files of group [ssl].
        max_url_len: longest request target in bytes; at least 8000.
        socket_family, socket_file, socket_mode: of a unix socket.

    Raises:
        TypeError: for an app object.
        InvalidInput: for a backlog below 1.
        RuntimeError: for files of TLS that are not there.
    """

    def __init__(
        self,
        conf: cfg.ConfigOpts,
        name: str,
        app: NamedApp | str,
        host: str = "0.0.0.0",  # noqa: S104 - oslo.service's default
        port: int = 0,
        pool_size: int | None = None,
        protocol: Any = None,
        backlog: int | None = None,
        use_ssl: bool = False,
        max_url_len: int | None = None,
        logger_name: str = "",
        socket_family: int | None = None,
        socket_file: str | None = None,
        socket_mode: int | None = None,
    ) -> None:
        register_opts(conf)
        conf.register_opts(SERVICE)
        if not isinstance(app, NamedApp) and not (isinstance(app, str) and is_named(app)):
            raise TypeError(
                f"{name}: an app object cannot be carried into workers, since it was made before they are"
                " patched: pass what Loader.load_app returns, or 'module:callable'"
            )
        if backlog is not None and backlog < 1:
            raise InvalidInput(f"{name}: backlog {backlog}: it is 1 or more")
        self.conf = conf
        self.name = name
        self.app = app
        self.host, self.port = host, port
        self.pool_size = pool_size or conf.wsgi_default_pool_size
        self._backlog = backlog
        self._tls = sslutils.is_enabled(conf) if use_ssl else False
        self._max_url_len = max_url_len
        self._unix = socket_file if socket_family == socket.AF_UNIX else None
        self._unix_mode = socket_mode

    def start(self) -> None:
        """The worker begins to serve."""

    def stop(self) -> None:
        """The worker drains."""

    def wait(self) -> None:
        """The worker waits for its requests."""

    def reset(self) -> None:
        """The files were read again."""

    def bound_to(self, addresses: tuple[Any, ...]) -> None:
        """Has host and port say what the listener has. Runs in: worker."""
        for address in addresses:
            if isinstance(address, tuple):
                self.host, self.port = address[:2]
                return

    def defaults(self) -> dict[str, Any]:
        """Returns options of [wsgisrv] that mean what the arguments and the service's options do."""
        conf = self.conf
        found: dict[str, Any] = {
            "bind": [self._address()],
            "pool_size": self.pool_size,
            "access_log_format": conf.wsgi_log_format,
            "tcp_keepidle": conf.tcp_keepidle,
            "max_header_bytes": max(conf.max_header_line, 1024),
            "keepalive_timeout": self._idle_seconds(),
        }
        if isinstance(self.app, NamedApp):
            found["paste_config"] = f"{self.app.path}#{self.app.name}"
        if self._backlog is not None:
            found["backlog"] = self._backlog
        if self._max_url_len is not None:
            found["max_target_bytes"] = max(self._max_url_len, Settings().max_target_bytes)
        if self._unix is not None and self._unix_mode is not None:
            found["unix_mode"] = f"{self._unix_mode & 0o777:04o}"
        if self._tls:
            ssl = conf.ssl
            found["tls_certificate"] = [f"{ssl.cert_file}:{ssl.key_file}"]
            found |= {"tls_client_ca": ssl.ca_file} if ssl.ca_file else {}
            found |= {"tls_ciphers": ssl.ciphers} if ssl.ciphers else {}
        return found

    def _address(self) -> str:
        if self._unix is not None:
            return f"unix:{self._unix}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def _idle_seconds(self) -> int:
        if not self.conf.wsgi_keep_alive:
            return 0
        return min(self.conf.client_socket_timeout or _FOR_EVER, _FOR_EVER)
