"""What a listening socket is given beside its address: who may use it, and how idle peers are noticed.

Rules: everything is set on the listener, once, by the master; an accepted TCP socket inherits its listener's
options (tcp(7)), so workers do nothing. Errors name the option, since the address is not to blame.

Facts about unix sockets: bind(2) makes the file with mode 0777 less the umask, and connect(2) needs the
right to write it. A file that is opened up after bind is therefore open to nobody before, if the umask lets
nothing through; chown(2) comes before chmod(2), else the old group would have the new mode for a moment.

Facts about SO_REUSEPORT on Linux: a port that was bound with it can be bound by further sockets of the same
user that have it, also when it was turned off since, until the last socket of the port is closed (tried on
6.x). Sockets without it are refused in any case.
"""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import grp
import os
import pwd
import socket
import stat
import tempfile
from collections.abc import Iterator
from typing import Self

from wsgisrv.config import Settings
from wsgisrv.errors import ConfigError, NotPermittedError, SystemRefusedError, WsgisrvError

_CLOSED_UMASK = 0o777
_SAME = -1  # to chown(2): leave it as it is


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class SocketOptions:
    """The options of that name (see ``Settings``).

    Args:
        unix_mode: permission bits.
        unix_owner: ``user``, ``user:group``, ``:group`` or empty.
        tcp_keepidle: seconds; 0 sends no probes.
        tcp_keepintvl: seconds; 0 is the system's.
        tcp_keepcnt: probes; 0 is the system's.
    """

    unix_mode: int = 0o660
    unix_owner: str = ""
    reuse_port: bool = False
    tcp_keepidle: int = 0
    tcp_keepintvl: int = 0
    tcp_keepcnt: int = 0

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Returns what the settings say."""
        return cls(
            unix_mode=int(settings.unix_mode, 8),
            unix_owner=settings.unix_owner,
            reuse_port=settings.reuse_port,
            tcp_keepidle=settings.tcp_keepidle,
            tcp_keepintvl=settings.tcp_keepintvl,
            tcp_keepcnt=settings.tcp_keepcnt,
        )

    def share_port(self, sock: socket.socket) -> None:
        """Lets other masters bind the same port, if ``reuse_port`` says so; to be called before bind(2)."""
        if self.reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)

    def probe_idle_peers(self, sock: socket.socket) -> None:
        """Has the kernel probe peers that are silent (tcp(7), SO_KEEPALIVE); not for a unix socket."""
        if sock.family not in (socket.AF_INET, socket.AF_INET6):
            return
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, int(self.tcp_keepidle > 0))
        if not self.tcp_keepidle:
            return
        # macOS has the same option by another name.
        idle = getattr(socket, "TCP_KEEPIDLE", None) or getattr(socket, "TCP_KEEPALIVE")  # noqa: B009
        sock.setsockopt(socket.IPPROTO_TCP, idle, self.tcp_keepidle)
        if self.tcp_keepintvl:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, self.tcp_keepintvl)
        if self.tcp_keepcnt:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, self.tcp_keepcnt)

    def change(self, sock: socket.socket, path: str, before: SocketOptions) -> None:
        """Gives a socket that listens already these options in place of those ``before``.

        Args:
            path: of a unix socket that this process has bound, else empty.

        Raises:
            ConfigError, NotPermittedError: as ``open_up``.
            SystemRefusedError: when the system cannot change one of them on such a socket.
        """
        try:
            if sock.family in (socket.AF_INET, socket.AF_INET6):
                if self.reuse_port != before.reuse_port:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(self.reuse_port))
                self._forget_probes(sock, before)
                self.probe_idle_peers(sock)
        except OSError as error:
            raise SystemRefusedError(
                f"cannot change the options of a listener: {error.strerror}"
            ) from None
        if path and (self.unix_mode, self.unix_owner) != (before.unix_mode, before.unix_owner):
            self.open_up(path, before)

    def _forget_probes(self, sock: socket.socket, before: SocketOptions) -> None:
        """Sets what is the system's again to what a new socket has of it."""
        with socket.socket(sock.family, socket.SOCK_STREAM) as new:
            for name in ("tcp_keepintvl", "tcp_keepcnt"):
                if getattr(before, name) and not getattr(self, name):
                    option = getattr(socket, name.upper())
                    default = new.getsockopt(socket.IPPROTO_TCP, option)
                    sock.setsockopt(socket.IPPROTO_TCP, option, default)

    def open_up(self, path: str, before: SocketOptions | None = None) -> None:
        """Gives a unix socket its owner and mode.

        Args:
            before: what it had, None when it was bound under ``closed_umask`` and is nobody's yet.

        Raises:
            ConfigError: for a user or group that is not known.
            NotPermittedError: for one that this process may not give a file to.
            SystemRefusedError: for whatever else the system refuses.
        """
        user, group = self._owner_after(before)
        try:
            if before is not None:
                os.chmod(path, self.unix_mode & before.unix_mode)
            if (user, group) != (_SAME, _SAME):
                os.chown(path, user, group, follow_symlinks=False)
            os.chmod(path, self.unix_mode)
        except OSError as error:
            raise self._refused(path, error) from None

    def check_change(self, path: str, before: SocketOptions) -> None:
        """Looks whether ``change`` could change the file of a unix socket, and leaves it as it is.

        Raises:
            ConfigError, NotPermittedError, SystemRefusedError: as ``open_up``.
        """
        if (self.unix_mode, self.unix_owner) == (before.unix_mode, before.unix_owner):
            return
        user, group = self._owner_after(before)
        try:
            os.chmod(path, stat.S_IMODE(os.lstat(path).st_mode))
            with tempfile.TemporaryFile() as own:
                os.fchown(own.fileno(), user, group)
        except OSError as error:
            raise self._refused(path, error) from None

    def _refused(self, path: str, error: OSError) -> WsgisrvError:
        if error.errno == errno.EPERM:
            return NotPermittedError(
                f"[wsgisrv] unix_owner = {self.unix_owner}: not permitted; only root gives a file to"
                " another user, or to a group that it is not in"
            )
        return SystemRefusedError(f"bind unix:{path}: {error.strerror}")

    def _owner_after(self, before: SocketOptions | None) -> tuple[int, int]:
        """Returns the ids of a file that belonged to whom ``before`` says: without an owner any more it is
        the master's again.
        """
        user, group = self._owner()
        if before is not None and before.unix_owner:
            user = os.geteuid() if user == _SAME else user
            group = os.getegid() if group == _SAME else group
        return user, group

    def _owner(self) -> tuple[int, int]:
        """Returns the ids of user and group, names or numbers; -1 for what stays as it is."""
        user, _, group = self.unix_owner.partition(":")
        uid = gid = _SAME
        try:
            if user:
                uid = int(user) if user.isdecimal() else pwd.getpwnam(user).pw_uid
            if group:
                gid = int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid
        except KeyError:
            unknown = f"group {group}" if uid != _SAME or not user else f"user {user}"
            raise ConfigError(
                f"[wsgisrv] unix_owner = {self.unix_owner}: there is no {unknown}"
            ) from None
        return uid, gid


@contextlib.contextmanager
def closed_umask() -> Iterator[None]:
    """Makes files that nobody may use; for the master, which has one thread."""
    before = os.umask(_CLOSED_UMASK)
    try:
        yield
    finally:
        os.umask(before)
