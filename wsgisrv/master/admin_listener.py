"""The admin listener's address: checked before anything is bound, and private unless told otherwise.

Rules: TCP of this machine's own, or a unix socket that only its user may open. What a name stands for is
looked up here, so that nothing public is bound even for a moment.
"""

from __future__ import annotations

import importlib.util
import ipaddress
import logging

from wsgisrv.config import Settings
from wsgisrv.errors import AddressInUseError, ConfigError, WsgisrvError
from wsgisrv.master.binders import places_of
from wsgisrv.master.identity import Identity
from wsgisrv.master.listener import Listener
from wsgisrv.master.listeners import open_listeners
from wsgisrv.master.socket_options import SocketOptions

_LOG = logging.getLogger("wsgisrv.master")

BACKLOG = 64
_ALLOWED = "allowed is 127.0.0.1:PORT, [::1]:PORT or unix:/path"


def is_wanted(settings: Settings) -> bool:
    """Whether there is to be a process that shows how the service is."""
    return bool(settings.admin_bind or settings.statsd)


def check_admin(settings: Settings) -> None:
    """Looks at the options of the admin listener and of statsd.

    Raises:
        ConfigError: when one is wrong, names a public address, or needs what is not installed.
    """
    if settings.admin_bind:
        _check_private(settings)
        if importlib.util.find_spec("prometheus_client") is None:
            _LOG.warning(
                "[wsgisrv] admin_bind: /metrics needs prometheus_client: pip install 'wsgisrv[metrics]'"
            )
    if settings.statsd:
        host, colon, port = settings.statsd.rpartition(":")
        if not (colon and host and port.isdecimal() and 0 < int(port) < 65536):
            raise ConfigError(f"[wsgisrv] statsd = {settings.statsd}: allowed is HOST:PORT")
        if importlib.util.find_spec("datadog") is None:
            raise ConfigError(
                f"[wsgisrv] statsd = {settings.statsd}: datadog's client is not installed;"
                " pip install 'wsgisrv[statsd]'"
            )


def _check_private(settings: Settings) -> None:
    address = settings.admin_bind
    if address.startswith("fd://"):
        raise ConfigError(f"[wsgisrv] admin_bind = {address}: {_ALLOWED}")
    try:
        places = places_of(address)
    except ConfigError as error:
        raise _told(address, error) from None
    if settings.admin_public or address.startswith("unix:"):
        return
    for place in places:
        host = str(place[0]).partition("%")[0]
        if not ipaddress.ip_address(host).is_loopback:
            raise ConfigError(
                f"[wsgisrv] admin_bind = {address}: other machines could reach it; {_ALLOWED}, or set"
                " admin_public = true"
            )


def open_admin(settings: Settings, identity: Identity | None) -> list[Listener]:
    """Binds the admin listener, which may be two sockets for a name with two addresses.

    Args:
        identity: whom the master is about to become, and whose the file of a unix socket is.

    Raises:
        ConfigError: as ``check_admin``.
        AddressInUseError: when somebody else listens there.
        NotPermittedError, SystemRefusedError: when the system refuses.
    """
    owner = f"{identity.uid}:{identity.gid}" if identity is not None else ""
    options = SocketOptions(unix_mode=0o600, unix_owner=owner)
    try:
        return open_listeners([settings.admin_bind], backlog=BACKLOG, timeout=0, options=options)
    except AddressInUseError:
        raise AddressInUseError(
            f"[wsgisrv] admin_bind = {settings.admin_bind}: the address is in use by another process"
        ) from None
    except WsgisrvError as error:
        raise _told(settings.admin_bind, error) from None


def _told(address: str, error: WsgisrvError) -> WsgisrvError:
    reason = str(error).removeprefix(f"bind {address}: ").partition("; an address is")[0]
    return type(error)(f"[wsgisrv] admin_bind = {address}: {reason}")
