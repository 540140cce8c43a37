"""Upgrades (USR2): at most one new master at a time, from its start to its success or its end.

Rules: the old master serves as before until the new one is ready, and for good if it never is. Whoever asked
by command is answered either way. Runs in: master loop.
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import signal
import time
from collections.abc import Callable

from wsgisrv.channel import Kind, Message
from wsgisrv.control import Fields, failure
from wsgisrv.errors import ReloadError, SystemRefusedError
from wsgisrv.master.commands import Asker
from wsgisrv.master.handover import Handover
from wsgisrv.master.successor import Successor

_LOG = logging.getLogger("wsgisrv.master")

GRACE = 10.0
"""Seconds that a new master has beside those of its workers, and to end when it is not wanted any more."""


class Upgrades:
    """Args:
    selector: of the master's loop.
    make: makes the handover for a child (wsgisrv.master.successor).
    directory: where the service was started.
    on_ready: told the new master's READY; hands over.
    on_failed: told the reason when there will be no new master.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        make: Callable[[int, int], Handover],
        directory: str,
        on_ready: Callable[[Message], None],
        on_failed: Callable[[str], None],
    ) -> None:
        self._selector = selector
        self._make = make
        self._directory = directory
        self._on_ready = on_ready
        self._on_failed = on_failed
        self._new: Successor | None = None
        self._askers: list[Asker] = []
        self._given_up = ""  # why it is being ended
        self.last = ""

    @property
    def is_under_way(self) -> bool:
        """Whether a new master runs that has not taken over."""
        return self._new is not None

    def begin(self, asker: Asker | None, boot_timeout: float) -> None:
        """Runs the new master.

        Args:
            boot_timeout: seconds that its workers have; 0 sets no limit.

        Raises:
            ReloadError: when an upgrade is under way.
            SystemRefusedError: when the kernel refuses.
        """
        if self._new is not None:
            raise ReloadError(f"an upgrade is under way, new master pid {self._new.pid}")
        seconds = boot_timeout + GRACE if boot_timeout else None
        deadline = time.monotonic() + seconds if seconds is not None else None
        try:
            self._new = Successor.spawn(self._make, self._directory, deadline)
        except OSError as error:
            raise SystemRefusedError(f"cannot run the new master: {error.strerror}") from None
        _LOG.info("upgrade: the new master is pid %d", self._new.pid)
        self._selector.register(self._new.channel, selectors.EVENT_READ)
        self._given_up = ""
        if asker is not None:
            asker.answer({"wait": True}, is_last=False)
            self._askers.append(asker)

    def cancel(self, reason: str) -> None:
        """Ends the new master: the service stops, or it was not ready in time."""
        if self._new is not None and not self._given_up:
            self._given_up = reason
            self._new.kill(signal.SIGTERM)
            self._new.deadline = time.monotonic() + GRACE

    def tick(self) -> None:
        """Looks what the new master says, whether it is gone, and whether it is late."""
        new = self._new
        if new is None:
            return
        message = new.ready() if not self._given_up else None
        if message is not None:
            self._succeed(new, message)
            return
        reason = new.reap()
        if reason is not None:
            self._fail(new, self._given_up or reason)
        elif new.deadline is not None and time.monotonic() >= new.deadline:
            if self._given_up:
                new.kill(signal.SIGKILL)
            self.cancel("the new master was not ready in time")

    def _succeed(self, new: Successor, message: Message) -> None:
        self._new = None
        new.channel.send(Message(Kind.TAKE_OVER))
        _LOG.info("upgrade: the new master, pid %d, is ready; draining", new.pid)
        self._on_ready(message)
        self._answer({"ok": True, "pid": new.pid})
        self._close(new)

    def _fail(self, new: Successor, reason: str) -> None:
        self._new = None
        self._close(new)
        self.last = f"failed: {reason}"
        _LOG.error("upgrade failed, the old master stays: %s", reason)
        self._answer(failure(f"upgrade: {reason}", ReloadError.exit_code))
        self._on_failed(reason)

    def send_hup(self, pid: int) -> None:
        """Hands on a HUP that came meanwhile."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGHUP)

    def _answer(self, fields: Fields) -> None:
        askers, self._askers = self._askers, []
        for asker in askers:
            asker.answer(fields)

    def _close(self, new: Successor) -> None:
        self._selector.unregister(new.channel)
        new.close()

    def close_in_worker(self) -> None:
        """Lets go of the channel. Runs in: the child."""
        if self._new is not None:
            self._new.close()

    def close(self) -> None:
        """Ends a new master that is left when this one ends; waits for it GRACE seconds at most."""
        new, self._new = self._new, None
        if new is None:
            return
        new.kill(signal.SIGTERM)
        until = time.monotonic() + GRACE
        while new.reap() is None:
            if time.monotonic() >= until:
                new.kill(signal.SIGKILL)
                _wait(new.pid)
                break
            self._selector.select(0.1)
        self._close(new)


def _wait(pid: int) -> None:
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        return
