"""The workers that the roster knows of, and how many of them are how.

Must not import os, signal, time or socket.
"""

from __future__ import annotations

from collections.abc import Iterator

from wsgisrv.master.member import Member, State


class Census:
    """Every worker that has not exited, by its id."""

    def __init__(self) -> None:
        self._by_id: dict[int, Member] = {}

    def __iter__(self) -> Iterator[Member]:
        return iter(list(self._by_id.values()))  # whoever looks may add or remove one

    def __bool__(self) -> bool:
        return bool(self._by_id)

    def add(self, member: Member) -> None:
        """Takes a worker in."""
        self._by_id[member.worker_id] = member

    def get(self, worker_id: int) -> Member | None:
        """Returns the worker, None when it is gone."""
        return self._by_id.get(worker_id)

    def pop(self, worker_id: int) -> Member | None:
        """Lets go of a worker, and returns it if it was there."""
        return self._by_id.pop(worker_id, None)

    def of(
        self, *states: State, generation: int | None = None, group: str | None = None
    ) -> list[Member]:
        """Returns the workers in one of ``states``; None stands for any generation or group."""
        return [
            member
            for member in self._by_id.values()
            if member.state in states
            and generation in (None, member.generation)
            and group in (None, member.group)
        ]

    def count(self, generation: int, group: str, *states: State) -> int:
        """Returns how many they are."""
        return len(self.of(*states, generation=generation, group=group))

    def kept(self, generation: int, group: str) -> int:
        """Returns how many have a place: those that boot or serve, and those killed for their own fault,
        whose death decides when the next may come.
        """
        return sum(
            member.generation == generation and member.group == group
            for member in self._by_id.values()
            if member.state in (State.BOOTING, State.READY) or member.aborted
        )

    def spare(self, generation: int, group: str) -> int:
        """Returns how many there may be more, for those to be recycled that still serve."""
        return sum(
            member.retiring and not member.aborted
            for member in self.of(State.READY, generation=generation, group=group)
        )
