"""The new master as the old one sees it: run from disk, listened to, ended if it is never ready.

Rules: its stderr is a file in memory until it can speak on its channel, so that whatever ends it early, as
a syntax error in the new code, is one line of the old master's. Runs in: master loop.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import sys
from collections.abc import Callable

from wsgisrv.channel import Channel, ChannelClosedError, Kind, Message
from wsgisrv.master.handover import VARIABLE, Handover
from wsgisrv.master.reap import Status, in_words
from wsgisrv.master.signals import HANDLED

_MOST_SAID = 64 * 1024


class Successor:
    """Args:
    pid: of the process.
    channel: this master's end.
    errors: the file that its stderr is at first.
    deadline: on time.monotonic(); None waits for ever.
    """

    def __init__(self, pid: int, channel: Channel, errors: int, deadline: float | None) -> None:
        self.pid = pid
        self.channel = channel
        self.deadline = deadline
        self._errors = errors
        self._failure = ""
        self._is_gone = False

    @classmethod
    def spawn(
        cls, make: Callable[[int, int], Handover], directory: str, deadline: float | None
    ) -> Successor:
        """Runs the program that this process is once more, from disk.

        Args:
            make: makes the handover out of the descriptors of its channel and stderr. Runs in: the child.
            directory: where this process was started.

        Raises:
            OSError: when the kernel refuses.
        """
        ours, theirs = Channel.pair()
        try:
            errors = os.memfd_create("wsgisrv-upgrade", os.MFD_CLOEXEC)
        except OSError:
            ours.close()
            theirs.close()
            raise
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            pid = os.fork()
            if not pid:
                _run_again(make, theirs, errors, directory, before)
        except OSError:
            ours.close()
            os.close(errors)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()
        return cls(pid, ours, errors, deadline)

    def ready(self) -> Message | None:
        """Returns its READY, once it has come."""
        try:
            messages = self.channel.receive()
        except (ChannelClosedError, ValueError, KeyError, AttributeError):
            return None
        for message in messages:
            if message.kind is Kind.READY:
                return message
            if message.kind is Kind.FAILED:
                self._failure = str(message.fields.get("reason", ""))
        return None

    def reap(self) -> str | None:
        """Returns why it ended, None while it runs."""
        status: Status
        try:
            done, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:  # reaped with the strangers of PID 1
            done, status = self.pid, None
        if not done:
            return None
        self._is_gone = True
        self.ready()  # what it said last
        return self._failure or self._last_line() or f"the new master {in_words(status)}"

    def _last_line(self) -> str:
        """Returns the last line that it wrote before it could speak on its channel."""
        size = os.fstat(self._errors).st_size
        text = os.pread(self._errors, _MOST_SAID, max(size - _MOST_SAID, 0))
        lines = [line for line in text.decode("utf-8", "replace").splitlines() if line.strip()]
        return lines[-1].strip().removeprefix("wsgisrv: ") if lines else ""

    def kill(self, number: signal.Signals) -> None:
        """Sends a signal, unless it was reaped."""
        if not self._is_gone:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def close(self) -> None:
        """Lets go of the channel and the file."""
        self.channel.close()
        os.close(self._errors)


def _run_again(
    make: Callable[[int, int], Handover],
    channel: Channel,
    errors: int,
    directory: str,
    mask: set[int] | set[signal.Signals],
) -> None:
    """Becomes the new master. Runs in: the child, which never returns from here."""
    try:
        signal.set_wakeup_fd(-1)
        for number in HANDLED:
            signal.signal(number, signal.SIG_DFL)
        stderr = os.dup(2)
        handover = make(channel.fileno(), stderr)
        os.dup2(errors, 2)
        for fd in handover.descriptors():
            os.set_inheritable(fd, True)
        with contextlib.suppress(PermissionError):  # root's, which this process is not any more
            os.chdir(directory)
        environ = {**os.environ, VARIABLE: _text_of(handover), "PWD": directory}
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environ)  # noqa: S606
    except OSError as error:
        os.write(errors, f"cannot run {sys.executable} again: {error}\n".encode())
    finally:
        os._exit(71)


def _text_of(handover: Handover) -> str:
    return json.dumps(dataclasses.asdict(handover))
