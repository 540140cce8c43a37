r"""Logging on stderr, or in a file, that greenlets and native threads can share.

Rules: one line a record, ``2026-11-23 14:31:33.123 4711 INFO wsgisrv.master: text``, local time and the
process's pid; control characters of a message are escaped, so that no client forges a line; a
traceback follows on lines of its own. Nothing here raises into whoever logs; what cannot be written, as on
a full disk, is counted and made known when the next line can be.
Imported before the standard library is patched: it keeps the original lock and write.

Facts about logging in a patched worker: a green lock that a native thread waits for never wakes it, and
the worker hangs. The original RLock belongs to the thread, so greenlets pass each other by, which is
safe only because nothing inside it switches: the write below is the unpatched one.
"""

from __future__ import annotations

import _thread
import logging
import os
import re
import select
import sys
import time
from typing import Any

_STDERR = 2
_PATIENCE_MS = 1000
"""How long a full pipe is waited for before a line is dropped: whoever reads it may be stopped."""

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")

# Taken here, before any patching.
original_rlock = _thread.RLock
"""Makes a lock that belongs to a native thread, in a patched process, too."""
_original_write = os.write
# A process that eventlet has patched before has no poll; its main() is told so (wsgisrv.service).
_original_poll = getattr(select, "poll", None)


class LineFormatter(logging.Formatter):
    """Formats a record as one line, and its traceback behind it."""

    def __init__(self) -> None:
        super().__init__(
            "%(asctime)s.%(msecs)03d %(process)d %(levelname)s %(name)s: %(message)s",
            "%Y-%m-%d %H:%M:%S",
        )

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Returns the line with the message's control characters escaped."""
        record.message = _CONTROL.sub(_escaped, record.message)
        return super().formatMessage(record)


class LineHandler(logging.Handler):
    """Writes each record in one unpatched write under an original lock.

    Args:
        fd: where to; the number stays when the file behind it is opened anew.
    """

    def __init__(self, fd: int = _STDERR) -> None:
        super().__init__()
        self.setFormatter(LineFormatter())
        self.fd = fd
        self._lost = 0

    def createLock(self) -> None:
        """Makes the original kind of lock, known to logging for its re-making after a fork."""
        super().createLock()
        self.lock = original_rlock()

    def emit(self, record: logging.LogRecord) -> None:
        """Writes the record; one that cannot be formatted says so in its place."""
        try:
            text = self.format(record)
        except Exception as error:  # whatever an argument's __str__ raises
            text = (
                f"log record from {record.pathname}:{record.lineno} cannot be formatted: {error!r}"
            )
        data = (text + "\n").encode("utf-8", "backslashreplace")
        if self._lost:  # the last one may have been cut in the middle
            data = f"\n{self._lost} lines of this log could not be written\n".encode() + data
        self._lost = 0 if write_whole(self.fd, data) else self._lost + 1


def setup(level: str, fd: int = _STDERR) -> None:
    """Sends the root logger's records from ``level`` on to ``fd``.

    Args:
        level: ``debug``, ``info``, ``warning``, ``error`` or ``critical``.
    """
    root = logging.getLogger()
    for handler in list(root.handlers):
        root.removeHandler(handler)
    root.addHandler(LineHandler(fd))
    root.setLevel(level.upper())
    logging.captureWarnings(True)


def log_fd() -> int:
    """Returns the descriptor that the log is written to. Runs in: any thread; takes no lock."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, LineHandler):
            return handler.fd
    return _STDERR


def set_level(level: str, logger: str = "") -> None:
    """Changes from which level on a logger's records are written.

    Args:
        level: as for ``setup``.
        logger: its name; empty for the root, from which all inherit.
    """
    logging.getLogger(logger).setLevel(level.upper())


def log_stack(logger: logging.Logger, level: int, text: str, stack: str) -> None:
    """Logs ``text`` with a stack on lines of its own behind it."""
    if logger.isEnabledFor(level):
        logger.handle(
            logger.makeRecord(
                logger.name, level, "", 0, text, (), exc_info=None, sinfo=_printable(stack)
            )
        )


def write_now(logger: logging.Logger, level: int, text: str, stack: str) -> None:
    """Writes such a record without taking a lock. Runs in: native thread, beside a hub that hangs.

    Whoever hangs may hold a lock of logging's, and the patched threading module, which a record asks
    for its thread's name, knows greenlets only; so the record is put together by hand.
    """
    if level < logger.getEffectiveLevel():
        return
    now = time.time()
    record = object.__new__(logging.LogRecord)
    record.__dict__.update(
        name=logger.name, levelname=logging.getLevelName(level), msg=text, args=(), created=now,
        msecs=now % 1 * 1000, process=os.getpid(), exc_info=None, exc_text=None,
        stack_info=_printable(stack),
    )  # fmt: skip
    write_whole(
        log_fd(), (LineFormatter().format(record) + "\n").encode("utf-8", "backslashreplace")
    )


def _printable(stack: str) -> str:
    return "\n".join(_CONTROL.sub(_escaped, line) for line in stack.rstrip().split("\n"))


def after_patch() -> None:
    """Puts the original locks back, which the patching has made green. Runs in: worker, at boot."""
    module: Any = logging
    module._lock = original_rlock()
    for handler in logging.getLogger().handlers:
        if isinstance(handler, LineHandler):
            handler.createLock()


def write_whole(fd: int, data: bytes) -> bool:
    """Writes all of ``data`` without a green switch; False when the reader is gone or stopped."""
    while data:
        try:
            data = data[_original_write(fd, data) :]
        except BlockingIOError:
            if _original_poll is None:
                return False
            poller = _original_poll()
            poller.register(fd, select.POLLOUT)
            if not poller.poll(_PATIENCE_MS):
                return False
        except OSError:
            return False
    return True


def complain(text: str) -> None:
    """Writes the one line with which a command ends in error."""
    write_whole(
        _STDERR, f"wsgisrv: {_CONTROL.sub(_escaped, text)}\n".encode("utf-8", "backslashreplace")
    )
    sys.stderr.flush()


def _escaped(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")
