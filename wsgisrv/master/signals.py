"""Signals as bytes in a pipe: handlers do nothing, the master's loop reads what came.

Facts about CPython: the C handler itself writes the signal's number to the wake-up descriptor, in the
order of arrival, even while Python code is blocked in a system call (signal.set_wakeup_fd); one number
may stand for several equal signals that came close together.
"""

from __future__ import annotations

import select
import signal
import socket
from types import FrameType

HANDLED = (
    signal.SIGCHLD,
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGTTIN,
    signal.SIGTTOU,
)


_REAL_TIME = (
    range(signal.SIGRTMIN, signal.SIGRTMAX + 1) if hasattr(signal, "SIGRTMIN") else range(0)
)

STRANGE: tuple[int, ...] = tuple(
    int(found)
    for name in ("ALRM", "VTALRM", "PROF", "IO", "PWR", "STKFLT")
    if (found := getattr(signal, f"SIG{name}", None)) is not None
) + tuple(_REAL_TIME)
"""Signals that mean nothing here and would end a process that does not catch them (signal(7)): a wrong order
gets a line in the log, and the service is left alone."""

STOPS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})


class StopAskedError(Exception):
    """Raised by ``SignalPipe.wait`` when the service is to end before it has begun."""


class SignalPipe:
    """Catches HANDLED and STRANGE from ``install`` on. Runs in: main thread."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)
        self._unread: list[int] = []

    def install(self) -> None:
        """Begins to catch."""
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        for number in (*HANDLED, *STRANGE):
            signal.signal(number, _handle)

    def fileno(self) -> int:
        """Returns the descriptor that is readable when a signal has come."""
        return self._reader.fileno()

    def read(self) -> list[int]:
        """Returns the signals that have come, oldest first; never waits."""
        found, self._unread = self._unread, []
        try:
            numbers = self._reader.recv(4096)
        except BlockingIOError:
            return found
        return [*found, *numbers]

    def wait(self, seconds: float) -> None:
        """Sleeps until a signal comes, at most ``seconds``; every signal is left for ``read``.

        Raises:
            StopAskedError: when one of STOPS has come, and at every call from then on.
        """
        if not STOPS.intersection(self._unread):  # a HUP that is kept must not make it spin
            select.select([self._reader], [], [], seconds)
        self._unread = self.read()
        if STOPS.intersection(self._unread):
            raise StopAskedError

    def close(self) -> None:
        """Stops waking anybody and closes both ends; the handlers stay."""
        signal.set_wakeup_fd(-1)
        self._reader.close()
        self._writer.close()


def name_of(number: int) -> str:
    """Returns a signal's name, as SIGTERM or SIGRTMIN+3."""
    if number in _REAL_TIME[1:-1]:
        return f"SIGRTMIN+{number - _REAL_TIME[0]}"
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def restore_in_worker() -> None:
    """Gives a fresh worker its own dispositions: what is the master's alone is ignored.

    Ctrl-C and a terminal's hang-up reach the whole process group; the master decides what they mean.
    """
    signal.set_wakeup_fd(-1)
    for number in (*HANDLED, *STRANGE):
        signal.signal(number, signal.SIG_DFL)
    for number in (
        signal.SIGINT,
        signal.SIGHUP,
        signal.SIGUSR1,
        signal.SIGUSR2,
        signal.SIGTTIN,
        signal.SIGTTOU,
    ):
        signal.signal(number, signal.SIG_IGN)


def _handle(_number: int, _frame: FrameType | None) -> None:
    """A handler must be there for the wake-up descriptor to be written; nothing is left to do."""
