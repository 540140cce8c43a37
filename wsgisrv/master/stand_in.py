"""What an old master in the foreground becomes after an upgrade: the process that others wait for.

Whoever started a service in the foreground, as a shell, a container or a supervisor of processes, watches
the pid that it started and takes its end for the service's. So that process stays: it passes signals on,
reaps, and ends when the service ends, with its exit code. After further upgrades it is still the same one.

Rules: serves nobody and decides nothing. Each new master writes its pid on the line that all of them
inherit, before the one before it ends. A signal that a terminal sends to the whole group is not passed on,
since the service has got it, too.
Facts about Linux: orphans go to the nearest ancestor that has asked for them (PR_SET_CHILD_SUBREAPER), and
to PID 1 otherwise; so the masters of later upgrades become this one's children.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal

from wsgisrv.master.reap import any_child
from wsgisrv.master.signals import SignalPipe

_PR_SET_CHILD_SUBREAPER = 36
_FROM_TERMINALS = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)


class StandIn:
    """Args:
    pid: of the master that serves.
    line: is read for the pids of those that follow it.
    """

    def __init__(self, pid: int, line: int) -> None:
        self.pid = pid
        self._line = line
        self._is_open = True
        _adopt_orphans()

    def forward(self, number: int) -> None:
        """Passes a signal on, but for one that the service has got already."""
        if number == signal.SIGCHLD or (number in _FROM_TERMINALS and _has_terminal()):
            return
        self._read_line()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def run(self, signals: SignalPipe) -> int:
        """Waits for the end of the service and returns its exit code."""
        while True:
            for number in signals.read():
                self.forward(number)
            self._read_line()
            for pid, status in any_child():
                if pid == self.pid:
                    code = os.waitstatus_to_exitcode(status) if status is not None else 0
                    return code if code >= 0 else 128 - code
            watched = [signals.fileno(), *([self._line] if self._is_open else [])]
            select.select(watched, [], [], None if self._is_open else 1.0)
            if not self._is_open and not _is_there(self.pid):
                return 0  # its exit code went to another parent

    def _read_line(self) -> None:
        while self._is_open:
            try:
                text = os.read(self._line, 4096)
            except BlockingIOError:
                return
            if not text:
                self._is_open = False
                return
            self.pid = int(text.split()[-1])


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _adopt_orphans() -> None:
    import ctypes

    with contextlib.suppress(OSError, AttributeError):  # elsewhere than on Linux
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _has_terminal() -> bool:
    """Whether this process is in the group that its terminal sends signals to."""
    try:
        fd = os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return os.tcgetpgrp(fd) == os.getpgrp()
    except OSError:
        return False
    finally:
        os.close(fd)
