"""The roster: which workers there should be, as pure policy.

Rules: takes events and ``now``, returns actions; the supervisor alone forks, sends and kills. No clock,
no process, no socket: must not import os, signal, time or socket. Property-tested with random histories.

A worker is BOOTING, READY, DRAINING (told to finish) or KILLED (told to end now); it leaves the roster
when it has exited, never before. Workers belong to a generation. Between reloads there is one; a reload
brings a second, which serves beside the first until every one of its workers is ready.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from wsgisrv.master.backoff import Backoff
from wsgisrv.master.events import (
    Abort,
    Action,
    Announce,
    Beat,
    BecameReady,
    Drain,
    Event,
    Exited,
    Halt,
    Kill,
    Measured,
    Policy,
    ReloadFailed,
    ReloadRequested,
    ResizeRequested,
    ScaleRequested,
    Serving,
    Spawn,
    Spawned,
    SpawnFailed,
    StopRequested,
    Ticked,
)
from wsgisrv.master.member import Member, State
from wsgisrv.master.recycling import reason_to_retire

MOST_WORKERS = 256
"""Of one generation."""

SUSPENDED_SECONDS = 1.5
"""A gap between two events from which the machine or the master was stopped: no worker is to blame. The
master sleeps a second at most, and a stop may fall between the reading of a beat and the look at it."""


BOOT_FAILED = 70
"""Exit code of a start that a worker ended without a word (sysexits.h, EX_SOFTWARE)."""


class Roster:
    """Args:
    policy: the options that it keeps to.
    now: seconds on the clock that every later ``now`` is of.
    phase: 0 to 1, another one in each master (wsgisrv.master.recycling).
    """

    def __init__(self, policy: Policy, now: float, phase: float = 0.0) -> None:
        self.policy = policy
        self._phase = phase
        self.generation = 1  # of the workers that serve
        self._incoming: Policy | None = None  # of a reload under way
        self._queued: Policy | None = None  # of the reload that follows it
        self._workers: dict[int, Member] = {}
        self._last_id = 0
        self._newest = 1
        self._was_ready = False  # whether a worker ever was, in this master
        self._announced = False  # whether the generation is known to serve
        self._backoff = Backoff(now)
        self._heard = now  # of the last event
        self._stopping: StopRequested | None = None
        self._halt = Halt(0, "")
        self._halted = False

    # What the supervisor asks

    def workers(self) -> dict[int, State]:
        """Returns the state of every worker that has not exited."""
        return {worker.worker_id: worker.state for worker in self._workers.values()}

    @property
    def latest_policy(self) -> Policy:
        """Of the generation that will serve in the end: newer than ``policy`` during a reload."""
        return self._queued or self._incoming or self.policy

    @property
    def is_serving(self) -> bool:
        """Whether every worker of a generation has been ready together."""
        return self._announced

    @property
    def reload_version(self) -> int | None:
        """Of the settings of the reload under way, None when there is none."""
        return self._incoming.version if self._incoming is not None else None

    def next_deadline(self, now: float) -> float:
        """Returns the time at which a Ticked would change something, at most a second away."""
        due = now + 1.0
        if self._missing() and self._backoff.not_before > now:
            due = min(due, self._backoff.not_before)
        for worker in self._workers.values():
            deadline = self._deadline_of(worker)
            if deadline is not None and deadline > now:
                due = min(due, deadline)
        return due

    # What the supervisor tells

    def handle(self, event: Event, now: float) -> list[Action]:
        """Returns what to do about ``event``, in order."""
        if self._halted:
            return []
        # Whatever is heard first after a gap must not be late by it, so this does not wait for a tick.
        self._forgive(now - self._heard)
        self._heard = now
        return [*self._on(event, now), *self._keep_up(now)]

    def _on(self, event: Event, now: float) -> Iterator[Action]:
        match event:
            case Spawned() | Beat() | Measured() | BecameReady():
                yield from self._on_sign_of_life(event, now)
            case SpawnFailed(worker_id, reason):
                yield from self._on_exit(worker_id, reason, 71, now)
            case Exited(worker_id, reason, exit_code):
                yield from self._on_exit(worker_id, reason, exit_code, now)
            case Ticked():
                yield from self._on_tick(now)
            case ReloadRequested(policy):
                yield from self._on_reload(policy, now)
            case ResizeRequested() | ScaleRequested():
                yield from self._on_resize(event)
            case StopRequested():
                yield from self._on_stop(event, now)

    # Life and death of one worker

    def _on_sign_of_life(
        self, event: Spawned | Beat | Measured | BecameReady, now: float
    ) -> Iterator[Action]:
        worker = self._workers.get(event.worker_id)
        if worker is None:
            return
        if isinstance(event, Beat):
            worker.beat = max(worker.beat, event.at)
        elif isinstance(event, Measured):
            worker.requests, worker.rss_bytes = event.requests, event.rss_bytes
        elif isinstance(event, Spawned):
            worker.since = worker.beat = now
        elif worker.state is State.BOOTING:
            worker.state = State.READY
            worker.since = worker.beat = worker.ready_at = now
            self._was_ready = True
            yield from self._on_ready(worker.generation, now)

    def _on_ready(self, generation: int, now: float) -> Iterator[Action]:
        if self._count(generation, State.READY) < self._wanted(generation):
            return
        if generation == self.generation:
            if not self._announced:
                self._announced = True
                yield Serving(generation)
        elif self._incoming is not None and generation == self._newest:
            yield from self._switch(now)

    def _on_exit(self, worker_id: int, reason: str, exit_code: int, now: float) -> Iterator[Action]:
        worker = self._workers.pop(worker_id, None)
        if worker is None:
            return
        if worker.state is State.DRAINING and exit_code:
            yield Announce("warning", reason)
        wished = worker.state is State.DRAINING or (
            worker.state is State.KILLED and not worker.aborted
        )
        if wished or self._stopping:
            return
        if worker.generation != self.generation:
            if self._incoming is not None and worker.generation == self._newest:
                yield from self._abandon(reason, now)
            return
        if not self._was_ready:
            yield from self._fail_start(reason, exit_code, now)
            return
        delay = self._backoff.note_death(worker, now)
        # In a crash loop of many workers one line a round says it all; status has each one's reason.
        yield Announce("debug" if delay == 0.0 else "warning", reason)
        if delay:
            deaths = self._backoff.deaths
            yield Announce(
                "warning", f"workers die early, {deaths} so far; the next is spawned in {delay:g} s"
            )

    def _fail_start(self, reason: str, exit_code: int, now: float) -> Iterator[Action]:
        self._halt = Halt(exit_code or BOOT_FAILED, reason)
        yield from self._on_stop(StopRequested(graceful=False), now)

    # Time

    def _on_tick(self, now: float) -> Iterator[Action]:
        for worker in list(self._workers.values()):
            deadline = self._deadline_of(worker)
            if deadline is not None and now >= deadline:
                yield from self._on_overdue(worker, now)

    def _forgive(self, gap: float) -> None:
        """After a suspend nobody beat, booted or drained, so nobody is late."""
        if gap < SUSPENDED_SECONDS:
            return
        for worker in self._workers.values():
            worker.since += gap
            worker.beat += gap
        self._backoff.forgive(gap)

    def _deadline_of(self, worker: Member) -> float | None:
        return worker.deadline(self._policy_of(worker.generation))

    def _on_overdue(self, worker: Member, now: float) -> Iterator[Action]:
        if worker.state is State.READY and not worker.aborted:
            seconds = now - worker.beat
            yield Announce("error", f"worker {worker.worker_id} has not beaten for {seconds:.0f} s")
            worker.aborted = True
            worker.since = now
            yield Abort(worker.worker_id)
            return
        if worker.state is State.DRAINING:
            yield Announce("warning", f"worker {worker.worker_id} did not finish in time")
        elif worker.state is State.BOOTING:
            yield Announce("error", f"worker {worker.worker_id} was not ready in time")
            worker.aborted = True  # its death is a failure to boot, not a wish of ours
        yield self._kill(worker, now)

    def _kill(self, worker: Member, now: float) -> Kill:
        worker.state = State.KILLED
        worker.since = now
        return Kill(worker.worker_id)

    def _drain(self, worker: Member, now: float) -> Drain:
        worker.state = State.DRAINING
        worker.since = now
        return Drain(worker.worker_id)

    # Generations

    def _on_reload(self, policy: Policy, now: float) -> Iterator[Action]:
        if self._stopping:
            return
        if self._incoming is not None or not self._was_ready:
            self._queued = policy
            yield Announce("info", "a reload is under way; another one follows it")
            return
        self._newest += 1
        self._incoming = policy
        self._backoff.not_before = now
        yield Announce("info", f"reload: starting generation {self._newest}")

    def _switch(self, now: float) -> Iterator[Action]:
        """Every worker of the new generation is ready: the old one may go."""
        if self._incoming is None:
            return
        self.policy, self._incoming = self._incoming, None
        self.generation = self._newest
        self._announced = True
        self._backoff.forget_deaths()
        yield Serving(self.generation)
        for worker in self._of(State.READY):
            if worker.generation != self.generation:
                yield self._drain(worker, now)
        for worker in self._of(State.BOOTING):
            if worker.generation != self.generation:
                yield self._kill(worker, now)

    def _abandon(self, reason: str, now: float) -> Iterator[Action]:
        """A worker of the new generation could not boot: the old one stays."""
        self._incoming = None
        yield ReloadFailed(self._newest, reason)
        for worker in self._of(State.BOOTING, State.READY):
            if worker.generation == self._newest:
                yield self._kill(worker, now)

    def _on_resize(self, event: ResizeRequested | ScaleRequested) -> Iterator[Action]:
        if self._stopping:
            return
        self.policy = _resized(self.policy, event)
        self._incoming = self._incoming and _resized(self._incoming, event)
        self._queued = self._queued and _resized(self._queued, event)
        yield Announce("info", f"workers wanted: {self.latest_policy.workers}")

    # The end

    def _on_stop(self, event: StopRequested, now: float) -> Iterator[Action]:
        self._stopping = event
        self._incoming = self._queued = None
        for worker in self._of(State.BOOTING, State.READY, State.DRAINING):
            if worker.state is State.READY and event.graceful and not worker.aborted:
                yield self._drain(worker, now)
            elif worker.state is not State.DRAINING or not event.graceful:
                yield self._kill(worker, now)

    # Keeping up: what is missing or too much after every event

    def _keep_up(self, now: float) -> Iterator[Action]:
        if self._stopping:
            if not self._workers:
                self._halted = True
                yield self._halt
            return
        if self._queued is not None and self._incoming is None and self._was_ready:
            policy, self._queued = self._queued, None
            yield from self._on_reload(policy, now)
        yield from self._recycle(now)
        yield from self._shed(now)
        if now >= self._backoff.not_before:
            for generation in self._missing():
                self._last_id += 1
                self._workers[self._last_id] = Member(self._last_id, generation, now, beat=now)
                yield Spawn(self._last_id, generation, self._policy_of(generation).version)

    def _recycle(self, now: float) -> Iterator[Action]:
        """Drains a worker whose replacement serves, and picks the next: one at a time, and only out
        of a generation that is complete.
        """
        serving = [
            worker
            for worker in self._of(State.READY)
            if worker.generation == self.generation and not worker.aborted
        ]
        wanted = self._wanted(self.generation)
        for worker in serving:
            if worker.retiring and len(serving) > wanted:
                yield self._drain(worker, now)
                return
        booting = self._count(self.generation, State.BOOTING)
        if self._incoming is not None or booting or len(serving) != wanted:
            return
        if any(worker.retiring for worker in serving):
            return
        for worker in serving:
            if reason := reason_to_retire(worker, self.policy, self._phase, now):
                worker.retiring = True
                yield Announce("info", f"worker {worker.worker_id}: recycled after {reason}")
                return

    def _shed(self, now: float) -> Iterator[Action]:
        """Drains the newest of too many, those that boot before those that serve.

        The new generation first: if it is complete now, the old one is not announced any more.
        """
        for generation in sorted({self.generation, self._newest}, reverse=True):
            live = [
                worker
                for worker in self._of(State.BOOTING, State.READY)
                if worker.generation == generation
            ]
            live.sort(key=lambda worker: (worker.state is State.READY, -worker.worker_id))
            most = self._wanted(generation) + self._spare(generation)
            for worker in live[: max(len(live) - most, 0)]:
                ready = worker.state is State.READY
                yield self._drain(worker, now) if ready else self._kill(worker, now)
            if live:
                yield from self._on_ready(generation, now)

    def _missing(self) -> list[int]:
        """Returns a generation for each worker that should be there and is not."""
        missing = []
        for generation in sorted({self.generation, self._newest}):
            # One that was killed for its own fault keeps its place until it is gone: its death
            # decides when the next may come.
            kept = sum(
                worker.generation == generation
                for worker in self._workers.values()
                if worker.state in (State.BOOTING, State.READY) or worker.aborted
            )
            most = self._wanted(generation) + self._spare(generation)
            missing += [generation] * max(most - kept, 0)
        return missing

    def _wanted(self, generation: int) -> int:
        if self._stopping or (generation != self.generation and self._incoming is None):
            return 0
        return self._policy_of(generation).workers

    def _spare(self, generation: int) -> int:
        """Returns how many workers more there are, for those to be recycled that still serve."""
        return sum(
            worker.retiring and not worker.aborted and worker.generation == generation
            for worker in self._of(State.READY)
        )

    def _policy_of(self, generation: int) -> Policy:
        if generation == self.generation or self._incoming is None:
            return self.policy
        return self._incoming

    def _of(self, *states: State) -> list[Member]:
        return [worker for worker in self._workers.values() if worker.state in states]

    def _count(self, generation: int, *states: State) -> int:
        return sum(worker.generation == generation for worker in self._of(*states))


def _resized(policy: Policy, event: ResizeRequested | ScaleRequested) -> Policy:
    workers = event.workers if isinstance(event, ScaleRequested) else policy.workers + event.by
    return dataclasses.replace(policy, workers=min(max(workers, 1), MOST_WORKERS))
