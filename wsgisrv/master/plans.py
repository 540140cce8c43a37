"""What the generations are to be: the one that serves, the one that comes, and the reload that follows it.

Rules: pure values. A plan is replaced as a whole by a reload; a resize and what may change live reach all of
those there are. Must not import os, signal, time or socket.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from wsgisrv.master.events import Plan, Policy, ResizeRequested, ScaleRequested
from wsgisrv.master.member import Member

MOST_WORKERS = 256
"""Of one generation, all groups together."""


class Plans:
    """Args:
    first: of the first generation.
    """

    def __init__(self, first: Plan) -> None:
        self.serving = first
        self.incoming: Plan | None = None  # of a reload under way
        self.queued: Plan | None = None  # of the reload that follows it
        self.generation = 1  # that serves
        self.newest = 1
        self._policies = dict(first.groups)  # the last one of every group there was

    def all(self) -> list[Plan]:
        """Returns those that there are, the newest last."""
        return [each for each in (self.serving, self.incoming, self.queued) if each is not None]

    def of(self, generation: int) -> Plan:
        """Returns the plan that a generation keeps to; one that is over keeps to that of the last."""
        if generation == self.generation or self.incoming is None:
            return self.serving
        return self.incoming

    def policy_of(self, worker: Member) -> Policy:
        """Returns what a worker keeps to, whose group may have been given up."""
        policy = self.of(worker.generation).groups.get(worker.group)
        return policy or self._policies[worker.group]

    def wanted(self, generation: int, group: str) -> int:
        """Returns how many workers there are to be."""
        if generation != self.generation and self.incoming is None:
            return 0
        policy = self.of(generation).groups.get(group)
        return policy.workers if policy is not None else 0

    # Changes

    def begin(self, plan: Plan) -> None:
        """A new generation is to come."""
        self.newest += 1
        self.incoming = plan
        self._policies |= plan.groups

    def switch(self, plan: Plan) -> None:
        """The new generation, which has come with ``plan``, serves."""
        self.serving, self.incoming = plan, None
        self.generation = self.newest

    def tune(self, groups: Mapping[str, Policy]) -> None:
        """Gives every plan new times and limits; how many workers it has is its own."""

        def tuned(plan: Plan) -> Plan:
            changed = {
                name: dataclasses.replace(groups[name], workers=policy.workers)
                for name, policy in plan.groups.items()
                if name in groups
            }
            return dataclasses.replace(plan, groups={**plan.groups, **changed})

        self._change(tuned)
        self._policies |= groups

    def resize(self, event: ResizeRequested | ScaleRequested) -> int | None:
        """Gives every plan another number of workers in one group.

        Returns:
            The number, or None when no plan has the group.
        """
        self._change(lambda plan: _resized(plan, event))
        numbers = [
            plan.groups[event.group].workers for plan in self.all() if event.group in plan.groups
        ]
        return numbers[-1] if numbers else None

    def _change(self, change: Callable[[Plan], Plan]) -> None:
        self.serving = change(self.serving)
        self.incoming = self.incoming and change(self.incoming)
        self.queued = self.queued and change(self.queued)


def _resized(plan: Plan, event: ResizeRequested | ScaleRequested) -> Plan:
    policy = plan.groups.get(event.group)
    if policy is None:
        return plan
    others = sum(each.workers for name, each in plan.groups.items() if name != event.group)
    workers = event.workers if isinstance(event, ScaleRequested) else policy.workers + event.by
    workers = max(min(workers, MOST_WORKERS - others), 1)
    groups = {**plan.groups, event.group: dataclasses.replace(policy, workers=workers)}
    return dataclasses.replace(plan, groups=groups)
