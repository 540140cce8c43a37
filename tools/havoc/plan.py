"""What will be done to the service and when: drawn from a seed, so that the same seed does the same again
as far as the machine lets it.
"""

from __future__ import annotations

import dataclasses
import random

MOST_WORKERS = 4
"""That the havoc scales to: the machine is to be busy, not stuck."""

LONGEST_STOP = 1.5
"""Seconds that a process is stopped for: less than the service's worker_timeout, so that nobody but us
kills."""

KINDS = {
    "HUP": 4, "USR1": 3, "USR2": 4, "TTIN": 4, "TTOU": 4, "stop-master": 1,
    "KILL": 3, "ABRT": 1, "TERM": 1, "stop-worker": 2,
    "reload": 2, "scale": 2, "dump": 2, "log-level": 2, "logs-reopen": 1, "status": 3, "rubbish": 1,
}  # fmt: skip
"""Each kind and how often it comes. In capitals: signals, the first line's to the master, the second's to a
worker. Others: stops for a moment, and commands to the control socket.
"""


@dataclasses.dataclass(frozen=True, slots=True)
class Blow:
    """One thing that is done.

    Args:
        at: seconds from the beginning.
        kind: of KINDS.
        share: 0 to 1; which worker, how many, how long.
    """

    at: float
    kind: str
    share: float

    def __str__(self) -> str:
        return f"{self.at:.2f} s {self.kind} {self.share:.3f}"


def draw(seed: int, seconds: float, count: int, *, without: frozenset[str]) -> list[Blow]:
    """Returns the blows, earliest first.

    Args:
        without: kinds that the service does not know.
    """
    dice = random.Random(seed)  # noqa: S311 -- to be the same again, not to be secret
    kinds = {kind: weight for kind, weight in KINDS.items() if kind not in without}
    drawn = dice.choices(list(kinds), list(kinds.values()), k=count)
    times = sorted(dice.uniform(0, seconds) for _ in drawn)
    return [Blow(at, kind, dice.random()) for at, kind in zip(times, drawn, strict=True)]
