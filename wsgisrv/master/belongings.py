"""What the master has open and no child may keep: closed in each child after the fork, and by the master
last.

Rules: a worker keeps its own channel and the listeners that it serves, a process that computes nothing of all
this. What a child kept open would hide the master's death, or hold an address for longer than the service.
"""

from __future__ import annotations

import dataclasses
import selectors

from wsgisrv.context import WorkerContext
from wsgisrv.master.admin_process import AdminProcess
from wsgisrv.master.control_server import ControlServer
from wsgisrv.master.cpu_helpers import CpuHelpers
from wsgisrv.master.listener_sets import ListenerSets
from wsgisrv.master.signals import SignalPipe
from wsgisrv.master.succession import Succession
from wsgisrv.master.surroundings import Surroundings
from wsgisrv.master.workers import Workers


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Belongings:
    """Everything that has descriptors."""

    listeners: ListenerSets
    workers: Workers
    helpers: CpuHelpers
    admin: AdminProcess
    succession: Succession
    control: ControlServer
    surroundings: Surroundings
    selector: selectors.BaseSelector
    signals: SignalPipe

    def close_in_worker(self, context: WorkerContext) -> None:
        """Runs in: the child. The workers' channels are closed by ``Workers``."""
        kept = {listener for server in context.servers for listener in server.listeners}
        self.listeners.close_others(kept)
        self._close_in_child()
        self.helpers.close_in_worker()
        self.admin.close_in_child()

    def close_in_helper(self) -> None:
        """Runs in: a child that computes, which has no business with clients or workers."""
        self._close_in_plain_child()
        self.admin.close_in_child()

    def close_in_admin(self) -> None:
        """Runs in: the child that shows how the service is, which has none with them either."""
        self._close_in_plain_child()
        self.helpers.close_in_worker()

    def _close_in_plain_child(self) -> None:
        self._close_in_child()
        self.workers.close_in_helper()
        self.listeners.close_in_helper()

    def _close_in_child(self) -> None:
        self.control.close_in_worker()
        self.succession.close_in_worker()
        self.surroundings.close_in_worker()
        self.selector.close()
        self.signals.close()

    def close(self) -> None:
        """Ends everything; whatever worker is left after an error of ours is killed and reaped."""
        self.workers.close()
        self.helpers.close()
        self.admin.close()
        self.succession.close()
        self.listeners.close()
        self.control.close()
        self.surroundings.close()
        self.selector.close()
        if not self.succession.stands_in:
            self.signals.close()
