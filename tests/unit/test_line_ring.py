"""The ring of log records: in order, whole, and counted where there is no room."""

from __future__ import annotations

import os
import random
import signal
from collections import deque

from wsgisrv.line_ring import LineRing


def test_what_was_put_in_comes_out_whole_and_in_order_whatever_the_sizes() -> None:
    chance = random.Random(7)  # noqa: S311 -- no secret
    ring = LineRing(b"\n", 256)
    inside: deque[bytes] = deque()
    lost = 0
    for number in range(20_000):
        if chance.random() < 0.55:
            record = b"%d:" % number + b"x" * chance.randrange(100) + b"\n"
            if ring.put(record):
                inside.append(record)
            else:
                lost += 1
        else:
            data = ring.take(chance.randrange(1, 300))
            assert bool(data) == bool(inside)
            for record in data.splitlines(keepends=True):
                assert record == inside.popleft()
            ring.taken(len(data))
        assert ring.lost == lost
        assert ring.is_empty == (not inside)
    assert lost > 100


def test_what_is_written_in_part_goes_on_behind_it() -> None:
    ring = LineRing(b"\n", 64)
    ring.put(b"first\n")
    ring.put(b"second\n")
    assert ring.take(100) == b"first\nsecond\n"
    ring.taken(8)
    assert ring.take(100) == b"cond\n"


def test_a_record_that_is_longer_than_the_ring_is_counted() -> None:
    ring = LineRing(b"\n", 64)
    assert not ring.put(b"x" * 65)
    assert ring.put(b"y\n")
    assert (ring.take(10), ring.lost) == (b"y\n", 1)


def test_a_process_that_was_killed_leaves_its_records_to_its_parent() -> None:
    ring = LineRing(b"\n", 4096)
    pid = os.fork()
    if not pid:
        for number in range(10):
            ring.put(b"%d\n" % number)
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert ring.take(4096) == b"".join(b"%d\n" % number for number in range(10))
