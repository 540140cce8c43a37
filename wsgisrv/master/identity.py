"""Whom the master becomes once everything is open that needs root: ``user`` and ``group``.

Rules: names are looked up at the start, before anything is bound; the change is for good: real, effective
and saved ids. Runs in: master, which has one thread.

Facts about Linux: a process that has changed its ids is not dumpable, so /proc/PID/fd and core files of it
are root's until it runs another program (proc(5)).
"""

from __future__ import annotations

import contextlib
import dataclasses
import grp
import os
import pwd
from collections.abc import Iterator, MutableMapping

from wsgisrv.errors import ConfigError, NotPermittedError

_ROOT = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Identity:
    """A user as the kernel knows one.

    Args:
        groups: all of them, as initgroups(3) finds them.
        name: of the user, empty where it has only a number.
        home: the user's, empty where it is not known.
    """

    uid: int
    gid: int
    groups: tuple[int, ...]
    name: str = ""
    home: str = ""

    @classmethod
    def of(cls, user: str, group: str) -> Identity | None:
        """Returns whom the options name, None when the process is that already.

        Raises:
            ConfigError: for a user or group that there is none of.
            NotPermittedError: when this process may not become another one.
        """
        found = _look_up(user, group)
        if (found.uid, found.gid) == (os.geteuid(), os.getegid()):
            return None
        if os.geteuid() != _ROOT:
            name = "user" if found.uid != os.geteuid() else "group"
            value = user if name == "user" else group
            raise NotPermittedError(f"[wsgisrv] {name} = {value}: only root becomes another one")
        return found

    @contextlib.contextmanager
    def acting(self) -> Iterator[None]:
        """Is this user inside the block, and root again behind it."""
        gid, groups = os.getegid(), os.getgroups()
        os.setgroups(self.groups)
        os.setegid(self.gid)
        os.seteuid(self.uid)
        try:
            yield
        finally:
            os.seteuid(_ROOT)
            os.setegid(gid)
            os.setgroups(groups)

    def become(self, environ: MutableMapping[str, str]) -> None:
        """Gives up what this process was, for good, and has HOME, USER and LOGNAME say so.

        Raises:
            NotPermittedError: when the kernel refuses, as in a container without CAP_SETUID.
        """
        try:
            os.setgroups(self.groups)
            os.setresgid(self.gid, self.gid, self.gid)
            os.setresuid(self.uid, self.uid, self.uid)
        except OSError as error:
            who = self.name or str(self.uid)
            raise NotPermittedError(
                f"[wsgisrv] user = {who}: cannot become it: {error.strerror}; it takes CAP_SETUID"
                " and CAP_SETGID"
            ) from None
        if self.name:
            environ.update(HOME=self.home, USER=self.name, LOGNAME=self.name)


def _look_up(user: str, group: str) -> Identity:
    try:
        entry = _user(user) if user else None
    except KeyError:
        raise ConfigError(f"[wsgisrv] user = {user}: there is no such user") from None
    gid = _gid_of(group) if group else None
    if entry is not None:
        own = entry.pw_gid if gid is None else gid
        groups = tuple(os.getgrouplist(entry.pw_name, own))
        return Identity(entry.pw_uid, own, groups, entry.pw_name, entry.pw_dir)
    if not user:
        own = os.getegid() if gid is None else gid
        return Identity(os.geteuid(), own, (own,))
    if gid is None:
        raise ConfigError(f"[wsgisrv] user = {user}: it has no entry, so group must be given")
    return Identity(int(user), gid, (gid,))


def _user(user: str) -> pwd.struct_passwd | None:
    """Returns the entry; None for a number without one. Raises KeyError for an unknown name."""
    try:
        return pwd.getpwnam(user)
    except KeyError:
        if not _is_id(user):
            raise
    try:
        return pwd.getpwuid(int(user))
    except KeyError:
        return None


def _gid_of(group: str) -> int:
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        if _is_id(group):
            return int(group)
        raise ConfigError(f"[wsgisrv] group = {group}: there is no such group") from None


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and int(text) < 2**32 - 1
