"""How starts and reloads end: told to the log, to whoever started the service, to systemd and to commands.

Rules: decides nothing. Runs in: master loop.
"""

from __future__ import annotations

import logging
import os

from wsgisrv.master.admin_process import AdminProcess
from wsgisrv.master.commands import Commands
from wsgisrv.master.history import History
from wsgisrv.master.member import State
from wsgisrv.master.notify import Notifier
from wsgisrv.master.reloads import Reloads
from wsgisrv.master.roster import Roster
from wsgisrv.master.status import in_words
from wsgisrv.master.succession import Succession
from wsgisrv.master.surroundings import Surroundings
from wsgisrv.master.workers import Workers

_LOG = logging.getLogger("wsgisrv.master")


class Outcomes:
    """Args:
    roster, workers, versions: what there is to tell of.
    surroundings: has notes for the log, and the master's title.
    succession: tells whoever started the service.
    notifier: tells systemd.
    commands: some of them wait.
    history: notes reloads.
    admin: says where it listens.
    """

    def __init__(
        self,
        roster: Roster,
        workers: Workers,
        versions: Reloads,
        *,
        surroundings: Surroundings,
        succession: Succession,
        notifier: Notifier,
        commands: Commands,
        history: History,
        admin: AdminProcess,
    ) -> None:
        self._roster = roster
        self._workers = workers
        self._versions = versions
        self._surroundings = surroundings
        self._succession = succession
        self._notifier = notifier
        self._commands = commands
        self._history = history
        self._admin = admin
        self.last_reload = ""

    def serving(self, generation: int) -> None:
        """Every worker of the generation is ready."""
        states = self._roster.workers()
        handles = [
            handle
            for handle in self._workers.handles()
            if handle.generation == generation and states.get(handle.worker_id) is State.READY
        ]
        addresses = in_words(self._versions.addresses(self._roster.plan.version))
        pids = ", ".join(str(handle.pid) for handle in handles)
        hubs = ", ".join(sorted({handle.hub for handle in handles}))
        text = f"{len(handles)} worker{'s'[: len(handles) != 1]} (pid {pids})"
        self._surroundings.note()
        _LOG.info(
            "ready: %s, hub %s, %s, master pid %d, generation %d",
            addresses, hubs, text, os.getpid(), generation,
        )  # fmt: skip
        self._admin.announce()
        self._succession.announce(f"serving on {addresses} with {len(handles)} workers")
        if generation > 1:
            self.last_reload = f"generation {generation} serves"
            self._history.note_reload(has_succeeded=True, text=self.last_reload)
        self._commands.reload_done(self._roster.plan.version, generation)

    def reload_failed(self, version: int, reason: str, generation: int, is_last: bool) -> None:
        """The settings of ``version`` will not serve.

        Args:
            generation: that has failed, 0 for one that was never begun.
            is_last: whether no other reload is under way.
        """
        _LOG.error("reload failed, generation %d stays: %s", self._roster.generation, reason)
        name = f"generation {generation}" if generation else "the new generation"
        self.last_reload = f"{name} failed: {reason}"
        self._history.note_reload(has_succeeded=False, text=self.last_reload)
        others = [each for each in self._roster.versions if each < version]
        self._commands.reload_failed(reason, after=max(others, default=-1), to=version)
        if is_last:
            self._notifier.ready(f"serving; reload to {name} failed")
