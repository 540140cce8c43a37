"""Files that root opens for the user whom the master is about to become.

Rules: whoever may change a name may have it lead anywhere, so a file is opened as the user where that
works. Only where the user can change no part of the path root opens it, and gives it to the user.
"""

from __future__ import annotations

import os
import stat

from wsgisrv.errors import SystemRefusedError, WsgisrvError
from wsgisrv.master.identity import Identity

LOG_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC


def open_for(identity: Identity | None, path: str, flags: int, mode: int) -> int:
    """Returns a descriptor of the file, which ``identity`` owns afterwards if it was made now or root's.

    Args:
        identity: None opens it as whoever this process is.
        path: absolute.

    Raises:
        OSError: as open(2).
    """
    if identity is None:
        return os.open(path, flags, mode)
    with identity.acting():
        try:
            return os.open(path, flags, mode)
        except PermissionError:
            if _may_change(path, identity):
                raise
    fd = os.open(path, flags | os.O_NOFOLLOW, mode)
    found = os.fstat(fd)
    if stat.S_ISREG(found.st_mode) and found.st_uid == 0 and found.st_nlink == 1:
        os.fchown(fd, identity.uid, identity.gid)
    return fd


def _may_change(path: str, identity: Identity) -> bool:
    """Whether the user, whom this process acts as, could put something else in any part's place."""
    directory = os.path.realpath(os.path.dirname(path))
    entry: os.stat_result | None = None  # in the directory
    while True:
        try:
            found = os.stat(directory)
        except PermissionError:  # the user cannot even get there
            entry, directory = None, os.path.dirname(directory)
            continue
        if found.st_uid == identity.uid:
            return True
        # In a sticky directory, as /tmp, an entry is its owner's alone.
        is_kept = entry is not None and found.st_mode & stat.S_ISVTX
        if os.access(directory, os.W_OK, effective_ids=True) and not is_kept:
            return True
        if directory == "/":
            return False
        entry, directory = found, os.path.dirname(directory)


def open_log(identity: Identity | None, path: str, option: str) -> int:
    """Opens a log file for appending.

    Raises:
        WsgisrvError: SystemRefusedError that names the option.
    """
    try:
        return open_for(identity, path, LOG_FLAGS, 0o640)
    except OSError as error:
        raise refused(option, path, error) from None


def refused(option: str, path: str, error: OSError) -> WsgisrvError:
    """Makes one line of what the system said."""
    return SystemRefusedError(f"[wsgisrv] {option} = {path}: {error.strerror or error}")
