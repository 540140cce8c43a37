"""The roster: which workers there should be, as pure policy.

Rules: takes events and ``now``, returns actions; the supervisor alone forks, sends and kills. No clock,
no process, no socket: must not import os, signal, time or socket. Property-tested with random histories.

A worker is BOOTING, READY, DRAINING (told to finish) or KILLED (told to end now). One that boots may be
ready before that is known here, so it is killed for its own fault or in a stop at once, else drained. It
leaves the roster when it has exited, never before. Workers belong to a generation. Between reloads there is
one; a reload brings a second, which serves beside the first until every one of its workers is ready. Within
a generation a worker belongs to a group, which has its own policy, and fails, recovers and is recycled by
itself.

A stop that was asked for gracefully has two parts. For ``shutdown_delay`` the service says that it is not
ready, so that proxies turn away, and serves on: who dies is replaced, and nothing else changes any more.
Then every worker drains.
"""

from __future__ import annotations

import collections
from collections.abc import Iterator

from wsgisrv.master.backoff import Backoff
from wsgisrv.master.census import Census
from wsgisrv.master.events import (
    Abort,
    Action,
    Announce,
    Beat,
    BecameReady,
    Drain,
    Event,
    Exited,
    FailReadiness,
    Halt,
    Kill,
    Measured,
    Plan,
    ReloadFailed,
    ReloadRequested,
    ResizeRequested,
    ScaleRequested,
    Serving,
    Spawn,
    Spawned,
    SpawnFailed,
    StopListening,
    StopRequested,
    Ticked,
    Tuned,
)
from wsgisrv.master.member import Member, State
from wsgisrv.master.plans import Plans
from wsgisrv.master.recycling import reason_to_retire

SUSPENDED_SECONDS = 1.5
"""A gap between two events from which the machine or the master was stopped: no worker is to blame. The
master sleeps a second at most, and a stop may fall between the reading of a beat and the look at it."""


BOOT_FAILED = 70
"""Exit code of a start that a worker ended without a word (sysexits.h, EX_SOFTWARE)."""


class Roster:
    """Args:
    plan: the options that it keeps to.
    now: seconds on the clock that every later ``now`` is of.
    phase: 0 to 1, another one in each master (wsgisrv.master.recycling).
    """

    def __init__(self, plan: Plan, now: float, phase: float = 0.0) -> None:
        self._plans = Plans(plan)
        self._phase = phase
        self._workers = Census()
        self._last_id = 0
        self._proven: set[str] = set()  # groups of which a worker was ready, in this master
        self._announced = False  # whether the generation is known to serve
        self._backoffs: collections.defaultdict[str, Backoff] = collections.defaultdict(
            lambda: Backoff(now)
        )
        self._heard = now  # of the last event
        self._stopping: StopRequested | None = None
        self._drains_at: float | None = None  # while a stop waits for shutdown_delay
        self._halt = Halt(0, "")
        self._halted = False

    # What the supervisor asks

    def workers(self) -> dict[int, State]:
        """Returns the state of every worker that has not exited."""
        return {worker.worker_id: worker.state for worker in self._workers}

    def member(self, worker_id: int) -> Member | None:
        """Returns what is known of a worker that has not exited."""
        return self._workers.get(worker_id)

    @property
    def generation(self) -> int:
        """Of the workers that serve."""
        return self._plans.generation

    @property
    def plan(self) -> Plan:
        """Of the generation that serves."""
        return self._plans.serving

    @property
    def is_serving(self) -> bool:
        """Whether every worker of a generation has been ready together."""
        return self._announced

    @property
    def latest_plan(self) -> Plan:
        """Of the generation that will serve in the end: newer than ``plan`` during a reload."""
        return self._plans.all()[-1]

    @property
    def is_reloading(self) -> bool:
        """Whether a new generation boots."""
        return self._plans.incoming is not None

    @property
    def versions(self) -> set[int]:
        """Of the settings that are still needed: those that serve and those of reloads to come."""
        return {plan.version for plan in self._plans.all()}

    @property
    def drains_at(self) -> float | None:
        """When the stop that was asked for begins to drain, None when there is nothing to wait for."""
        return self._drains_at

    def next_deadline(self, now: float) -> float:
        """Returns the time at which a Ticked would change something, at most a second away."""
        due = now + 1.0
        if self._drains_at is not None:
            due = min(due, self._drains_at)
        for _, group in self._missing():
            if self._backoffs[group].not_before > now:
                due = min(due, self._backoffs[group].not_before)
        for worker in self._workers:
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
            case ReloadRequested(plan):
                yield from self._on_reload(plan, now)
            case Tuned(groups):
                self._plans.tune(groups)
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
            self._proven.add(worker.group)
            yield from self._on_ready(worker.generation, now)

    def _on_ready(self, generation: int, now: float) -> Iterator[Action]:
        if self._stopping:
            return
        for group in self._plans.of(generation).groups:
            ready = self._workers.count(generation, group, State.READY)
            if ready < self._wanted(generation, group):
                return
        if generation == self.generation:
            if not self._announced:
                self._announced = True
                yield Serving(generation)
        elif self._plans.incoming is not None and generation == self._plans.newest:
            yield from self._switch(now)

    def _on_exit(self, worker_id: int, reason: str, exit_code: int, now: float) -> Iterator[Action]:
        worker = self._workers.pop(worker_id)
        if worker is None:
            return
        if worker.state is State.DRAINING and worker.ready_at is not None and exit_code:
            yield Announce("warning", reason)
        wished = worker.state is State.DRAINING or (
            worker.state is State.KILLED and not worker.aborted
        )
        if wished or self._is_ending:
            return
        if worker.generation != self.generation:
            if self._plans.incoming is not None and worker.generation == self._plans.newest:
                yield from self._abandon(reason, now)
            return
        if worker.group not in self._proven:
            yield from self._fail_start(reason, exit_code, now)
            return
        backoff = self._backoffs[worker.group]
        delay = backoff.note_death(worker, now)
        if delay:
            of = f" of {worker.group}" if worker.group else ""
            reason += (
                f"; workers{of} die early, {backoff.deaths} so far, the next comes in {delay:g} s"
            )
        # In a crash loop of many workers one line a round says it all; status has each one's reason.
        yield Announce("debug" if delay == 0.0 else "warning", reason)

    def _fail_start(self, reason: str, exit_code: int, now: float) -> Iterator[Action]:
        """A group cannot begin, so the service does not; what others serve already may finish."""
        self._halt = Halt(exit_code or BOOT_FAILED, reason)
        yield from self._on_stop(StopRequested(graceful=bool(self._proven)), now)

    # Time

    def _on_tick(self, now: float) -> Iterator[Action]:
        if self._drains_at is not None and now >= self._drains_at:
            yield from self._end(now)
        for worker in self._workers:
            deadline = self._deadline_of(worker)
            if deadline is not None and now >= deadline:
                yield from self._on_overdue(worker, now)

    def _forgive(self, gap: float) -> None:
        """After a suspend nobody beat, booted or drained, so nobody is late."""
        if gap < SUSPENDED_SECONDS:
            return
        for worker in self._workers:
            worker.since += gap
            worker.beat += gap
        for backoff in self._backoffs.values():
            backoff.forgive(gap)

    def _deadline_of(self, worker: Member) -> float | None:
        return worker.deadline(self._plans.policy_of(worker))

    def _on_overdue(self, worker: Member, now: float) -> Iterator[Action]:
        if worker.state is State.READY and not worker.aborted:
            seconds = now - worker.beat
            yield Announce("error", f"{worker} has not beaten for {seconds:.0f} s")
            worker.aborted = True
            worker.since = now
            yield Abort(worker.worker_id)
            return
        if worker.state is State.DRAINING:
            yield Announce("warning", f"{worker} did not finish in time")
        elif worker.state is State.BOOTING:
            yield Announce("error", f"{worker} was not ready in time")
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

    def _on_reload(self, plan: Plan, now: float) -> Iterator[Action]:
        if self._stopping:
            return
        if self._plans.incoming is not None or not self._has_begun():
            self._plans.queued = plan
            yield Announce("info", "a reload is under way; another one follows it")
            return
        self._plans.begin(plan)
        for backoff in self._backoffs.values():
            backoff.not_before = now
        yield Announce("info", f"reload: starting generation {self._plans.newest}")

    def _has_begun(self) -> bool:
        return self._proven >= self.plan.groups.keys()

    def _switch(self, now: float) -> Iterator[Action]:
        """Every worker of the new generation is ready: the old one may go."""
        if self._plans.incoming is None:
            return
        self._plans.switch(self._plans.incoming)
        self._announced = True
        for backoff in self._backoffs.values():
            backoff.forget_deaths()
        yield Serving(self.generation)
        for worker in self._workers.of(State.BOOTING, State.READY):
            if worker.generation != self.generation:
                yield self._drain(worker, now)

    def _abandon(self, reason: str, now: float) -> Iterator[Action]:
        """A worker of the new generation could not boot: the old one stays."""
        if self._plans.incoming is None:
            return
        version, self._plans.incoming = self._plans.incoming.version, None
        yield ReloadFailed(self._plans.newest, version, reason)
        yield from self._shed(now)  # those that are ready have taken requests already

    def _on_resize(self, event: ResizeRequested | ScaleRequested) -> Iterator[Action]:
        if self._stopping:
            return
        workers = self._plans.resize(event)
        if workers is not None:
            of = f" of {event.group}" if event.group else ""
            yield Announce("info", f"workers wanted{of}: {workers}")

    # The end

    @property
    def _is_ending(self) -> bool:
        """Whether nobody is to be replaced any more."""
        return self._stopping is not None and self._drains_at is None

    def _on_stop(self, event: StopRequested, now: float) -> Iterator[Action]:
        if event.graceful and self._drains_at is not None:
            return
        is_first, self._stopping = self._stopping is None, event
        self._plans.incoming = self._plans.queued = None
        if event.graceful and is_first and not event.is_handover:
            yield FailReadiness()
            if delay := self._shutdown_delay():
                self._drains_at = now + delay
                yield Announce("info", f"not ready any more, serving on; draining in {delay:g} s")
                return
        yield from self._end(now)

    def _shutdown_delay(self) -> float:
        """Returns the longest of those groups that serve, 0 for none."""
        return max(
            policy.shutdown_delay
            if self._workers.count(self.generation, group, State.READY)
            else 0.0
            for group, policy in self.plan.groups.items()
        )

    def _end(self, now: float) -> Iterator[Action]:
        event = self._stopping or StopRequested(graceful=True)
        if self._drains_at is not None and event.graceful:
            yield Announce("info", "draining")
        self._drains_at = None
        if event.graceful:
            yield StopListening()
        for worker in self._workers.of(State.BOOTING, State.READY, State.DRAINING):
            if not event.graceful or worker.aborted:
                yield self._kill(worker, now)
            elif worker.state is not State.DRAINING:
                yield self._drain(worker, now)

    # Keeping up: what is missing or too much after every event

    def _keep_up(self, now: float) -> Iterator[Action]:
        if self._is_ending:
            if not self._workers:
                self._halted = True
                yield self._halt
            return
        plan = self._plans.queued
        if plan is not None and self._plans.incoming is None and self._has_begun():
            self._plans.queued = None
            yield from self._on_reload(plan, now)
        if self._stopping is None:
            for group in self.plan.groups:
                yield from self._recycle(group, now)
        yield from self._shed(now)
        for generation, group in self._missing():
            if now >= self._backoffs[group].not_before:
                self._last_id += 1
                member = Member(self._last_id, generation, now, group, beat=now)
                self._workers.add(member)
                yield Spawn(self._last_id, generation, self._plans.of(generation).version, group)

    def _recycle(self, group: str, now: float) -> Iterator[Action]:
        """Drains a worker whose replacement serves, and picks the next: one of a group at a time, and only
        when the group is complete.
        """
        generation = self.generation
        serving = [
            worker
            for worker in self._workers.of(State.READY, generation=generation, group=group)
            if not worker.aborted
        ]
        wanted = self._wanted(generation, group)
        for worker in serving:
            if worker.retiring and len(serving) > wanted:
                yield self._drain(worker, now)
                return
        booting = self._workers.count(generation, group, State.BOOTING)
        if self._plans.incoming is not None or booting or len(serving) != wanted:
            return
        if any(worker.retiring for worker in serving):
            return
        for worker in serving:
            reason = reason_to_retire(worker, self.plan.groups[group], self._phase, now)
            if reason:
                worker.retiring = True
                yield Announce("info", f"{worker}: recycled after {reason}")
                return

    def _shed(self, now: float) -> Iterator[Action]:
        """Drains the newest of too many, those that boot before those that serve.

        The new generation first: if it is complete now, the old one is not announced any more.
        """
        for generation in sorted({self.generation, self._plans.newest}, reverse=True):
            live = self._workers.of(State.BOOTING, State.READY, generation=generation)
            for group in sorted({worker.group for worker in live}):
                yield from self._shed_group(generation, group, now)
            if live:
                yield from self._on_ready(generation, now)

    def _shed_group(self, generation: int, group: str, now: float) -> Iterator[Action]:
        live = self._workers.of(State.BOOTING, State.READY, generation=generation, group=group)
        live.sort(key=lambda worker: (worker.state is State.READY, -worker.worker_id))
        most = self._wanted(generation, group) + self._workers.spare(generation, group)
        for worker in live[: max(len(live) - most, 0)]:
            yield self._drain(worker, now)

    def _missing(self) -> list[tuple[int, str]]:
        """Returns generation and group of each worker that should be there and is not."""
        missing = []
        for generation in sorted({self.generation, self._plans.newest}):
            for group in self._plans.of(generation).groups:
                most = self._wanted(generation, group) + self._workers.spare(generation, group)
                lack = most - self._workers.kept(generation, group)
                missing += [(generation, group)] * max(lack, 0)
        return missing

    def _wanted(self, generation: int, group: str) -> int:
        return 0 if self._is_ending else self._plans.wanted(generation, group)
