"""The pid file: names the master that serves, from before its workers are forked until it ends.

Rules: it appears whole, by link(2) or rename(2), never empty or half written. One that a live master holds
is refused, one that nobody does is replaced; it is removed at the end only if it still is the one that was
made. A successor's is written beside it and takes its place when the successor is ready. One that gave up
root may not write there: it writes its pid into its predecessor's file then.

Facts about fcntl locks: a process's lock on a file ends with the process, however that ends, is not
inherited by fork, and is kept across exec. So it tells a live master from a number that belongs to another
process by now. It also ends when the process closes any descriptor of the file, so this one opens it once.
Source: fcntl(2), proc(5).
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import stat
import time
from pathlib import Path

from wsgisrv.errors import AddressInUseError, ConfigError, WsgisrvError
from wsgisrv.master.identity import Identity
from wsgisrv.master.owned_files import open_for, refused

_LOG = logging.getLogger("wsgisrv.master")

OLD = ".oldbin"
"""Behind the name of the old master's file, while it drains beside its successor."""

_MOST_BYTES = 64
_ATTEMPTS = 10


class PidFile:
    """Args:
    path: made absolute.
    fd: of the file, locked where it is not a predecessor's.
    name: where the file stands now: another one than ``path`` until it takes its place, and "" for the
        predecessor's own, until that is this master's.
    """

    def __init__(self, path: str, fd: int, name: str) -> None:
        self.path = path
        self._fd = fd
        self._name = name

    @classmethod
    def claim(cls, path: str, identity: Identity | None, predecessor: int = 0) -> PidFile:
        """Writes the file.

        Args:
            identity: who will own it.
            predecessor: pid of the master whose file stays in its place until ``take_place``; 0 for none.

        Raises:
            AddressInUseError: when a live process holds it.
            ConfigError: when the path names what is no regular file.
            SystemRefusedError: when it cannot be written.
        """
        path = os.path.abspath(path)
        own = f"{path}.{os.getpid()}"
        try:
            file = cls(path, _write(own, identity), own)
        except PermissionError as error:
            if not predecessor or _holder(path) != predecessor:
                raise refused("pid_file", path, error) from None
            return cls(path, _open_predecessors(path, error), "")
        except OSError as error:
            raise refused("pid_file", path, error) from None
        try:
            if not predecessor or _holder(path) not in (0, predecessor):
                file._enter()
        except OSError as error:
            file.close()
            raise refused("pid_file", path, error) from None
        except BaseException:
            file.close()
            raise
        return file

    def _enter(self) -> None:
        """Puts the file in its place, if no live process's is there."""
        for _ in range(_ATTEMPTS):
            try:
                os.link(self._name, self.path, follow_symlinks=False)
            except FileExistsError:
                _replace_stale(self._name, self.path)
                if not os.path.lexists(self._name):
                    self._name = self.path
                    return
                continue
            os.unlink(self._name)
            self._name = self.path
            return
        raise AddressInUseError(f"[wsgisrv] pid_file = {self.path}: others write it all the time")

    def take_place(self, *, keep_old: bool = True) -> None:
        """Takes the place of the predecessor's file.

        Args:
            keep_old: whether that stays beside it until the predecessor, which removes it, ends.
        """
        if self._name == self.path:
            return
        try:
            if not self._name:
                self._write_over()
                return
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path + OLD)
            if keep_old:
                with contextlib.suppress(FileNotFoundError):
                    os.link(self.path, self.path + OLD, follow_symlinks=False)
            os.rename(self._name, self.path)
        except OSError as error:
            _LOG.error("%s", refused("pid_file", self.path, error))
        else:
            self._name = self.path

    def _write_over(self) -> None:
        """Writes this master's pid in the place of its predecessor's: whole, or not yet."""
        size = os.fstat(self._fd).st_size
        text = f"{os.getpid()}\n".encode()
        os.pwrite(self._fd, text.ljust(size, b"\n"), 0)
        os.ftruncate(self._fd, len(text))
        self._name = self.path

    def close_in_worker(self) -> None:
        """Lets go of the descriptor. Runs in: the child."""
        os.close(self._fd)

    def close(self) -> None:
        """Removes the file, under whatever name it has; another master's stays."""
        ours = os.fstat(self._fd)
        if os.pread(self._fd, _MOST_BYTES, 0).strip() != str(os.getpid()).encode():
            os.close(self._fd)  # written over by a successor, or never written by this one
            return
        for name in {self._name, self.path, self.path + OLD}:
            try:
                if os.path.samestat(os.lstat(name), ours):
                    os.unlink(name)
            except FileNotFoundError:
                continue
            except OSError as error:
                # The directory is not ours to change: an empty file names nobody.
                with contextlib.suppress(OSError):
                    os.ftruncate(self._fd, 0)
                _LOG.warning("pid file %s: emptied, cannot remove it: %s", name, error.strerror)
        os.close(self._fd)


def _write(path: str, identity: Identity | None) -> int:
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        fd = open_for(identity, path, flags, 0o644)
    except FileExistsError:  # of a master that had this pid and was killed
        os.unlink(path)
        fd = open_for(identity, path, flags, 0o644)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.write(fd, f"{os.getpid()}\n".encode())
        os.fsync(fd)  # a full disk may say so only now
    except OSError:
        os.unlink(path)
        os.close(fd)
        raise
    return fd


def _open_predecessors(path: str, refusal: PermissionError) -> int:
    """Opens the file of a predecessor that was root when it made it.

    Args:
        refusal: why none can be made beside it.

    Raises:
        SystemRefusedError: when it cannot be written either.
    """
    try:
        return os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        raise refused("pid_file", path, refusal) from None


def _replace_stale(own: str, path: str) -> None:
    """Renames ``own`` over a dead master's file; does nothing if the file has changed meanwhile.

    Raises:
        WsgisrvError: when the file is a live process's, or no file.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError:
        return
    except OSError as error:
        if not stat.S_ISREG(_mode(path)):
            raise _no_file(path) from None
        raise refused("pid_file", path, error) from None
    try:
        _check_stale(path, fd)
        if os.path.samestat(os.fstat(fd), os.lstat(path)):
            os.rename(own, path)
            _LOG.info("pid file %s: replaced a dead master's", path)
    except FileNotFoundError:
        return
    finally:
        os.close(fd)


def _check_stale(path: str, fd: int) -> None:
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        raise _no_file(path)
    text = os.pread(fd, _MOST_BYTES, 0).decode("ascii", "replace").strip()
    if text and not text.isdecimal():
        raise ConfigError(f"[wsgisrv] pid_file = {path}: the file is there and holds no pid")
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # also keeps another start out meanwhile
    except BlockingIOError:
        raise _live(path, text) from None
    except OSError:
        pass  # a file system without locks
    # No master of ours holds it. Another program's, which locks nothing, may all the same be alive.
    pid = int(text or 0)
    if pid and pid != os.getpid() and _wrote(pid, found.st_mtime):
        raise _live(path, text)


def _wrote(pid: int, written: float) -> bool:
    """Whether the process runs, and did so when the file was written: else the number is reused."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return True
    if fields[0] == "Z":
        return False
    return time.time() - age <= written + 1.0


def _holder(path: str) -> int:
    """Returns the pid that the file names, 0 for none."""
    try:
        text = Path(path).read_text().strip()
    except (OSError, ValueError):
        return 0
    return int(text) if text.isdecimal() and len(text) < _MOST_BYTES else 0


def _live(path: str, text: str) -> WsgisrvError:
    return AddressInUseError(
        f"[wsgisrv] pid_file = {path}: a live process holds it, pid {text or 'unknown'}"
    )


def _no_file(path: str) -> WsgisrvError:
    return ConfigError(f"[wsgisrv] pid_file = {path}: the file is there and is no regular file")


def _mode(path: str) -> int:
    try:
        return os.lstat(path).st_mode
    except OSError:
        return stat.S_IFREG
