"""Mutants: cases of the corpus and attackers' requests, spliced and broken."""

from __future__ import annotations

import itertools
import random

from tests.fuzz.faults import FAULTS, attack
from tests.support.corpus import FOLLOWER, cases

LONGEST_SEED = 600
MOST_FAULTS = 4


class Mutator:
    """The same seed makes the same mutants.

    Args:
        seed: any number.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        short = [case for case in cases() if len(case.send) <= LONGEST_SEED]
        self._served = [case.send for case in short if 200 in case.want]
        self._any = [case.send for case in short]

    def mutant(self) -> bytes:
        """Returns one or two requests with up to four faults, and one behind them.

        That one is answered, or not read at all; it is never part of something else.
        """
        pick = self._random
        data = bytearray(self._seed())
        if pick.random() < 0.2:
            self._add_second(data)
        for _ in range(pick.randint(0, MOST_FAULTS)):
            pick.choice(FAULTS)(data, pick)
        return bytes(data) + FOLLOWER

    def unfinished(self) -> bytes:
        """Returns a mutant that breaks off somewhere, now and then at its end."""
        data = self.mutant()
        return data[: self._random.randint(1, len(data))]

    def attack(self) -> bytes:
        """Returns a request without a fault that has an attacker's in its body."""
        return attack(self._random)

    def pieces(self, data: bytes) -> list[bytes]:
        """Returns the data cut at a few places, now and then at every byte."""
        if self._random.random() < 0.05:
            return [data[at : at + 1] for at in range(len(data))]
        cuts = sorted(self._random.randrange(len(data)) for _ in range(self._random.randint(0, 3)))
        bounds = [0, *cuts, len(data)]
        return [data[a:b] for a, b in itertools.pairwise(bounds) if a < b]

    def _seed(self) -> bytes:
        chance = self._random.random()
        if chance < 0.2:
            return self.attack()
        return self._random.choice(self._served if chance < 0.6 else self._any)

    def _add_second(self, data: bytearray) -> None:
        """Adds another request, the same again, or the tail of another."""
        other = self._seed()
        match self._random.randrange(3):
            case 0:
                data += other
            case 1:
                data += bytes(data)  # the reader has a shorter way for fields that come again
            case _:
                at = self._random.randrange(len(data) + 1)
                data[at:] = other[self._random.randrange(len(other)) :]
