"""The master's view of one worker process."""

from __future__ import annotations

import dataclasses

from wsgisrv.channel import Channel
from wsgisrv.context import Served
from wsgisrv.dumpfile import DumpFile
from wsgisrv.master.gauge import Gauge
from wsgisrv.master.listener import Listener


@dataclasses.dataclass(slots=True)
class WorkerHandle:
    """One forked worker, from fork to reap.

    ``version`` is of the settings that it runs with, and ``group`` names the workers that are like it.
    ``failure`` is what the worker said of itself when it could not boot: exit code and reason.
    ``last_death`` is of the worker whose place this one has: when, and why. ``servers`` are what it serves.
    ``ends_at`` is when the master ends it after SIGABRT, 0 for never.
    ``backdoor`` is the worker's, if it has one; its file is removed when the worker is gone.
    """

    worker_id: int
    generation: int
    version: int
    group: str
    slot: int
    pid: int
    channel: Channel
    dump: DumpFile
    report: DumpFile
    spawned_at: float  # time.monotonic()
    servers: tuple[Served, ...] = ()
    hub: str = ""
    failure: tuple[int, str] | None = None
    last_death: tuple[float, str] | None = None
    ends_at: float = 0.0  # time.monotonic()
    backdoor: Listener | None = None
    gauge: Gauge = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.gauge = Gauge(self.pid, self.spawned_at)

    def __str__(self) -> str:
        of = f" of {self.group}" if self.group else ""
        return f"worker {self.worker_id}{of} (pid {self.pid})"
