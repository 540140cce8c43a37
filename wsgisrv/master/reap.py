"""Reaping: which children have exited, and how in words.

Facts about waitpid(2): one SIGCHLD may stand for several children, so each is asked for; -1 would also
take the children of whoever runs the master inside a program of its own, so it is used by PID 1 alone,
to which every orphan of its container belongs.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from wsgisrv.master.signals import name_of

Status = int | None
"""As waitpid(2) gives it; None when somebody else in this process has taken it."""


def exited(pids: Iterable[int], *, adopts: bool) -> list[tuple[int, Status]]:
    """Returns the children among ``pids`` that have exited since, each once; never waits.

    Args:
        adopts: also reaps every other child of this process, as PID 1 must.
    """
    found: list[tuple[int, Status]] = []
    for pid in pids:
        try:
            done, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            found.append((pid, None))
            continue
        if done:
            found.append((pid, status))
    return [*found, *any_child()] if adopts else found


def any_child() -> list[tuple[int, Status]]:
    """Reaps whoever has exited: strangers, and a child that did so after it was asked for."""
    found: list[tuple[int, Status]] = []
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if not pid:
            return found
        found.append((pid, status))


def in_words(status: Status) -> str:
    """Returns how a process ended, as the end of a sentence about it."""
    if status is None:
        return "is gone"
    code = os.waitstatus_to_exitcode(status)
    return f"exited with code {code}" if code >= 0 else f"was killed by {name_of(-code)}"
