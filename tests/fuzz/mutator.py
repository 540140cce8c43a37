"""Mutants: cases of the corpus, spliced and broken where parsers of HTTP have disagreed before."""

from __future__ import annotations

import itertools
import random

from tests.support.corpus import cases

LONGEST_SEED = 600
FOLLOWER = b"GET /follower HTTP/1.1\r\nHost: x\r\n\r\n"
"""Behind each mutant: answered, or not read at all; never part of something else."""

ATTACK = b"GET /attack HTTP/1.1\r\nHost: x\r\n\r\n"
"""What an attacker hides in a body."""

JOINTS = (
    b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"\0", b" ", b"\t", b"\x0b", b"\x85", b"\xa0", b"\xff",
    b":", b",", b";", b"=", b'"', b"\\", b"-", b"+", b"_", b"#", b"%0d%0a", b"0", b"1", b"5", b"a",
    b"F", b"0x5", b"HTTP/1.1", b"HTTP/1.0", b"Host: x\r\n", b"Content-Length: 5\r\n",
    b"Content-Length: 36\r\n", b"Content-Length: 0\r\n", b"Transfer-Encoding: chunked\r\n",
    b"Transfer-Encoding: identity\r\n", b"transfer-encoding:chunked\r\n", b"chunked", b", chunked",
    b"Expect: 100-continue\r\n", b"Connection: close\r\n", b"Connection: keep-alive\r\n",
    b"X: y\r\n z\r\n", b"0\r\n\r\n", b"5\r\nhello\r\n", b"24\r\n" + ATTACK + b"\r\n", ATTACK,
)  # fmt: skip


class Mutator:
    """The same seed makes the same mutants.

    Args:
        seed: any number.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._seeds = [case.send for case in cases() if len(case.send) <= LONGEST_SEED]

    def mutant(self) -> bytes:
        """Returns one or two cases with up to four faults, and the follower."""
        pick = self._random
        data = bytearray(pick.choice(self._seeds))
        if pick.random() < 0.2:
            data += pick.choice(self._seeds)
        for _ in range(pick.randint(0, 4)):
            self._break(data)
        return bytes(data) + FOLLOWER

    def pieces(self, data: bytes) -> list[bytes]:
        """Returns the data cut at a few places, now and then at every byte."""
        if self._random.random() < 0.05:
            return [data[at : at + 1] for at in range(len(data))]
        cuts = sorted(self._random.randrange(len(data)) for _ in range(self._random.randint(0, 3)))
        bounds = [0, *cuts, len(data)]
        return [data[a:b] for a, b in itertools.pairwise(bounds) if a < b]

    def _break(self, data: bytearray) -> None:
        pick = self._random
        at = pick.randrange(len(data) + 1)
        match pick.randrange(6):
            case 0:
                data[at:at] = pick.choice(JOINTS)
            case 1:
                data[at : at + 1] = pick.choice(JOINTS)
            case 2:
                del data[at : at + pick.randint(1, 4)]
            case 3:
                to = pick.randrange(len(data) + 1)
                data[at:at] = data[min(at, to) : max(at, to)]
            case 4:
                other = pick.choice(self._seeds)
                data[at:] = other[pick.randrange(len(other)) :]
            case _:
                line_end = data.find(b"\r\n", at)
                if line_end >= 0:
                    data[line_end + 2 : line_end + 2] = pick.choice(JOINTS)
