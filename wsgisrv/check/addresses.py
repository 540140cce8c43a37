"""Whether the addresses could be bound, and who has those that could not.

Rules: disturbs nobody: no connection is made, no file touched, and a port is shared with nobody even for a
moment, or it would take connections of a running service (SO_REUSEPORT).

Facts about proc(5): /proc/net/tcp and tcp6 have a line for each socket, with the port in hexadecimal, state
0A for one that listens, and its inode; /proc/PID/fd has a link named after the inode; /proc/net/unix has the
path, and 00010000 among the flags of one that listens.
"""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path
from typing import Any

from wsgisrv.config import Settings
from wsgisrv.errors import AddressInUseError, ConfigError, WsgisrvError, first_line
from wsgisrv.master.try_bind import try_bind

_SOCKET_NAME = re.compile(r"(?!\d+$)[!-9;-~]{1,255}")  # sd_listen_fds_with_names(3): no colon
_LISTENS = "0A"
_LISTENING_FLAG = 0x10000


def check_addresses(settings: Settings, problems: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Returns each address with its state: free, in use (and by whom), handed over by systemd, or wrong."""
    found = []
    for index, address in enumerate(settings.bind):
        if is_named(address):
            found.append({"address": address, "state": "systemd hands it over", "owner": ""})
            continue
        state, owner = "free", ""
        try:
            if address in settings.bind[:index]:
                raise ConfigError(f"bind {address}: the address is given twice")
            try_bind(address, is_served=_unix_inode(address) != "")
        except AddressInUseError as error:
            owner = owner_of(address)
            state = "in use"
            if not settings.reuse_port or address.startswith("unix:"):
                by = f", by {owner}" if owner else ""
                problems.append({"text": f"{error}{by}", "exit_code": error.exit_code})
        except WsgisrvError as error:
            state = "wrong"
            problems.append({"text": first_line(error), "exit_code": error.exit_code})
        found.append({"address": address, "state": state, "owner": owner})
    return found


def is_named(address: str) -> bool:
    """Whether it is a socket of systemd's by its FileDescriptorName=."""
    name = address.removeprefix("fd://")
    return name != address and _SOCKET_NAME.fullmatch(name) is not None


def owner_of(address: str) -> str:
    """Returns the processes that listen there, as far as this user may know; empty for nobody known."""
    inodes = {_unix_inode(address)} if address.startswith("unix:") else set(_tcp_inodes(address))
    wanted = {f"socket:[{inode}]" for inode in inodes if inode}
    owners = []
    for directory in Path("/proc").glob("[0-9]*/fd"):
        with contextlib.suppress(OSError):
            if wanted & {os.readlink(link) for link in directory.iterdir()}:
                owners.append(int(directory.parent.name))
    if not owners:
        return ""
    first = min(owners)  # a master before its workers, unless the numbers have wrapped
    more = f" and {len(owners) - 1} more" if len(owners) > 1 else ""
    return f"pid {first} ({_command_of(first)}){more}"


def _command_of(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return "unknown"
    text = b" ".join(words).decode("utf-8", "replace").strip()
    return "".join(c if c.isprintable() else "?" for c in text)[:120]


def _tcp_inodes(address: str) -> list[str]:
    port = address.rpartition(":")[2]
    wanted = f"{int(port):04X}" if port.isdecimal() else "none"
    found = []
    for name in ("tcp", "tcp6"):
        for fields in _lines(f"/proc/net/{name}"):
            if fields[1].endswith(f":{wanted}") and fields[3] == _LISTENS:
                found.append(fields[9])
    return found


def _unix_inode(address: str) -> str:
    """Returns the inode of the socket that listens at a path; empty when none does."""
    path = address.removeprefix("unix:")
    for fields in _lines("/proc/net/unix"):
        if len(fields) > 7 and fields[7] == path and int(fields[3], 16) & _LISTENING_FLAG:
            return fields[6]
    return ""


def _lines(path: str) -> list[list[str]]:
    try:
        return [line.split() for line in Path(path).read_text().splitlines()[1:]]
    except OSError:
        return []
