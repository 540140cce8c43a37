"""The control socket's file: 0600 from its first moment on, and gone when the master is.

Rules: a file that nobody answers on is a dead master's and is replaced; a live one is refused. It is bound
as any unix listener, under a closed umask, with a mode that no option changes.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from collections.abc import Mapping

from wsgisrv.control import AUTO, OFF, default_path, path_for
from wsgisrv.errors import AddressInUseError, ConfigError, SystemRefusedError, WsgisrvError
from wsgisrv.master.identity import Identity
from wsgisrv.master.listener import Listener
from wsgisrv.master.listeners import open_listeners
from wsgisrv.master.socket_options import SocketOptions

_LOG = logging.getLogger("wsgisrv.master")

BACKLOG = 64


def open_control_socket(
    option: str, environ: Mapping[str, str], identity: Identity | None = None
) -> Listener | None:
    """Returns the socket, bound and listening, or None when there is to be none.

    Args:
        option: ``control_socket``.
        identity: whom the master is about to become, and whose the file is; None stays.

    Raises:
        ConfigError: for a path that is not absolute, or names what is no socket.
        AddressInUseError: when another master answers there.
        NotPermittedError, SystemRefusedError: when a path that was named cannot be bound. Where none
            was named the service does without, and says so.
    """
    if option == OFF:
        return None
    if option != AUTO:
        return _open(option, identity)
    try:
        if identity is not None:
            path = path_for(identity.uid, identity.gid, os.getpid())
        else:
            path = default_path(environ, os.getpid())
        _remove_left_over(os.path.dirname(path))
        return _open(path, identity)
    except WsgisrvError as error:
        _LOG.warning("no control socket: %s", error)
        return None


def _open(path: str, identity: Identity | None) -> Listener:
    if not path.startswith("/"):
        raise ConfigError(
            f"[wsgisrv] control_socket = {path}: allowed is auto, off or an absolute path"
        )
    try:
        (listener,) = open_listeners(
            [f"unix:{path}"],
            backlog=BACKLOG,
            timeout=0,
            options=SocketOptions(
                unix_mode=0o600,
                unix_owner=f"{identity.uid}:{identity.gid}" if identity is not None else "",
            ),
        )
    except AddressInUseError:
        raise AddressInUseError(
            f"[wsgisrv] control_socket = {path}: another master answers there"
        ) from None
    except WsgisrvError as error:
        reason = str(error).rpartition(": ")[2]
        raise type(error)(f"[wsgisrv] control_socket = {path}: {reason}") from None
    except OSError as error:  # a path too long for an address
        raise SystemRefusedError(f"[wsgisrv] control_socket = {path}: {error}") from None
    return listener


def _remove_left_over(directory: str) -> None:
    """Removes the sockets of masters that were killed."""
    for name in os.listdir(directory):
        path = os.path.join(directory, name)
        if name.startswith("control-") and not _answers(path):
            with contextlib.suppress(OSError):
                os.unlink(path)


def _answers(path: str) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            return False
        except OSError:
            return True  # a full backlog, or not ours to judge
        return True
