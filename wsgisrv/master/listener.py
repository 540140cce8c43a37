"""One listening socket, from bind to close.

Rules: non-blocking and close-on-exec; workers inherit it by fork. What is bound already is not bound anew: it
stays the very same socket, and whoever waits on it is served. One that is borrowed from an old master
(wsgisrv.master.handover) is its own until it hands over: nothing about it is changed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import socket
from collections.abc import Hashable

from wsgisrv.master.socket_options import SocketOptions

_LOG = logging.getLogger("wsgisrv.master")

_NO_OPTIONS = SocketOptions()


@dataclasses.dataclass(slots=True, eq=False)
class Listener:
    """A bound, listening socket.

    ``inode`` identifies the file of a unix socket that this process made; 0 for all others. ``place`` is
    what it is bound to, alike for two addresses that mean the same.
    """

    socket: socket.socket
    url: str
    path: str = ""
    inode: int = 0
    place: Hashable = None
    backlog: int = 0
    options: SocketOptions = _NO_OPTIONS
    address: str = ""  # as it stood in bind when it was bound
    name: str = ""  # that systemd gave it (FileDescriptorName=)
    is_borrowed: bool = False  # from an old master that has not handed over yet

    def is_there(self) -> bool:
        """Whether clients still find it: the file of a unix socket may have been removed."""
        if not self.inode:
            return True
        try:
            return os.lstat(self.path).st_ino == self.inode
        except OSError:
            return False

    def close(self) -> None:
        """Closes it and removes the file, unless somebody has put another one in its place.

        Does nothing the second time.
        """
        # The file first: an open socket keeps its inode, so no other file can have the number yet.
        if self.inode and not self.is_borrowed and self.is_there():
            with contextlib.suppress(FileNotFoundError):
                _remove(self.path)
        self.inode = 0
        self.socket.close()

    def configure(self, backlog: int, options: SocketOptions) -> None:
        """Gives a socket that listens already another backlog and other options; not one that is borrowed.

        Raises:
            ConfigError, NotPermittedError, SystemRefusedError: as ``SocketOptions.change``.
        """
        if self.is_borrowed or (backlog, options) == (self.backlog, self.options):
            return
        if backlog != self.backlog:
            self.socket.listen(backlog)  # once more: only the number changes
        options.change(self.socket, self.path if self.inode else "", self.options)
        self.backlog, self.options = backlog, options

    def check(self, options: SocketOptions) -> None:
        """Looks whether ``configure`` could give a borrowed socket these options, and changes nothing.

        Raises:
            ConfigError, NotPermittedError, SystemRefusedError: as it would.
        """
        if self.is_borrowed and self.inode:
            options.check_change(self.path, self.options)


def url_of(sock: socket.socket) -> str:
    """Returns where clients find a socket."""
    address = sock.getsockname()
    if sock.family == socket.AF_INET:
        return f"http://{address[0]}:{address[1]}"
    if sock.family == socket.AF_INET6:
        return f"http://[{address[0]}]:{address[1]}"
    return f"unix:{os.fsdecode(address)}"


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except PermissionError as error:  # made as root, in a directory that is root's
        _LOG.warning("%s: the file stays until the next start: %s", path, error.strerror)
