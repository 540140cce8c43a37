"""Sockets that systemd hands over, and which of them are listened on.

Source: sd_listen_fds(3).
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping, Sequence

from wsgisrv.errors import ConfigError
from wsgisrv.master.binders import ADDRESSES

_FIRST_LISTEN_FD = 3


def inherited_listeners(environ: MutableMapping[str, str]) -> list[tuple[str, str]]:
    """Returns ``fd://N`` and the name of each socket that systemd hands over.

    The variables are taken away. A socket without a name has an empty one.

    Raises:
        ConfigError: when LISTEN_FDS is no number.
    """
    pid = environ.get("LISTEN_PID", "")
    if pid != str(os.getpid()):
        return []
    count = environ.get("LISTEN_FDS", "0")
    if not count.isdecimal():
        raise ConfigError(f"LISTEN_FDS={count}: not a number of sockets")
    names = environ.get("LISTEN_FDNAMES", "").split(":")
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"):
        environ.pop(name, None)
    found = range(int(count))
    names += [""] * len(found)
    return [(f"fd://{_FIRST_LISTEN_FD + index}", names[index]) for index in found]


def choose_addresses(
    given: Sequence[str] | None,
    inherited: Sequence[tuple[str, str]],
    default: Sequence[str],
    takes_all: bool = True,
) -> list[str]:
    """Returns what to listen on.

    Args:
        given: ``bind`` if it was given; it may name an inherited socket as ``fd://NAME``.
        inherited: address and name of the sockets from systemd: all of them are taken, unless ``given``
            names some of them.
        default: without either.
        takes_all: False takes none that is not named, as where there are several servers.

    Raises:
        ConfigError: for a name that no socket has.
    """
    if given is None:
        return [address for address, _ in inherited] or [*default]
    chosen: list[str] = []
    named: set[str] = set()
    for address in given:
        name = address.removeprefix("fd://")
        same = [each for each, has in inherited if address in (each, f"fd://{has}")]
        if not same and address.startswith("fd://") and not name.isdecimal():
            known = ", ".join(has for _, has in inherited if has) or "none with a name"
            raise ConfigError(
                f"bind {address}: N is a file descriptor's number, or the name of a socket from systemd:"
                f" {known}; {ADDRESSES}"
            )
        named.update(same)
        chosen += same or [address]
    return [*([] if named or not takes_all else [each for each, _ in inherited]), *chosen]
