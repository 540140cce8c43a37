"""Whether an address could be bound, for ``wsgisrv check``: what ``binders`` do, undone at once.

Rules: touches no unix socket's file, and takes a port that is free for a moment only.
"""

from __future__ import annotations

import errno
import os
import stat

from wsgisrv.errors import ConfigError
from wsgisrv.master.binders import adopt, binders, refused
from wsgisrv.master.socket_options import SocketOptions


def try_bind(address: str, *, is_served: bool) -> None:
    """Binds an address and lets go of it at once; of a unix socket looks at the path and touches nothing.

    Args:
        is_served: whether a socket listens at that path, which only the system's tables say.

    Raises:
        WsgisrvError: what ``open_listeners`` would raise.
    """
    try:
        if address.startswith("fd://"):
            _adopt_copy(address)
            return
        found = binders(address, SocketOptions())
        if address.startswith("unix:"):
            _look_at(address.removeprefix("unix:"), is_served)
            return
        for _, bind in found:
            bind(()).close()
    except OSError as error:
        raise refused(address, error, ()) from None


def _adopt_copy(address: str) -> None:
    binders(address, SocketOptions())
    number = int(address.removeprefix("fd://"))
    try:
        copy = os.dup(number)
    except OSError as error:
        raise ConfigError(f"bind {address}: {error.strerror}") from None
    try:
        adopt(copy, address).close()
    except ConfigError:
        os.close(copy)
        raise ConfigError(f"bind {address}: not a listening stream socket") from None


def _look_at(path: str, is_served: bool) -> None:
    """Raises what binding a unix socket there would."""
    if is_served:
        raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
    if os.path.lexists(path) and not stat.S_ISSOCK(os.lstat(path).st_mode):
        raise ConfigError(f"bind unix:{path}: the file is there and is no socket")
    directory = os.path.dirname(path)
    if not os.path.isdir(directory):
        raise OSError(errno.ENOENT, os.strerror(errno.ENOENT))
    if not os.access(directory, os.W_OK | os.X_OK):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))
