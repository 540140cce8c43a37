"""tools/fuzz: the fuzzer for as long as asked."""

from __future__ import annotations

import argparse
import collections
import contextlib
import itertools
import random
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tests.fuzz import live
from tests.fuzz.compare import EXPLAINED, Finding, accepts, findings, minimised
from tests.fuzz.mutator import Mutator
from tests.support.server import Server, serve

BATCH = 200
CLIENTS = 8
MOST_SHOWN = 20
"""Findings that are minimised and shown; more of them are counted."""


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tools/fuzz",
        description="Break requests of the corpus and see that what the server accepts is read alike"
        " by httptools and h11, and that a running server answers just that. A finding is shown with"
        " the shortest request that has it; then the exit code is 1.",
        epilog="Differences that are wanted: "
        + "; ".join(explained.reason for explained in EXPLAINED)
        + ".",
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default: 60)")
    parser.add_argument("--minutes", type=float, default=0.0, help="how long, instead of --seconds")
    parser.add_argument("--seed", type=int, help="the same seed makes the same mutants")
    parser.add_argument(
        "--target", choices=("reader", "live", "both"), default="both", help="default: both"
    )
    return parser.parse_args()


class Run:
    """What was done and found so far."""

    def __init__(self, mutator: Mutator) -> None:
        self._mutator = mutator
        self.counts: collections.Counter[str] = collections.Counter()
        self.found = 0

    def reader(self) -> None:
        """Compares a batch with the oracles."""
        for _ in range(BATCH):
            data = self._mutator.mutant()
            self.counts["mutants read"] += 1
            self.counts["of them accepted"] += accepts(data)
            for finding in findings(data):
                self._show(str(finding), partial(_shortest, finding, data))

    def live(self, server: Server, clients: ThreadPoolExecutor) -> None:
        """Sends a batch to the server."""
        batch = [self._mutator.pieces(self._mutator.mutant()) for _ in range(BATCH)]
        wrongs = clients.map(lambda pieces: live.difference(server, pieces), batch)
        self.counts["connections"] += len(batch)
        for pieces, wrong in zip(batch, wrongs, strict=True):
            if wrong:
                self._show(f"live: {wrong}", partial(list, pieces))
        if any("Traceback" in line for line in server.lines):
            raise SystemExit(f"the server logged a traceback:\n{server.log}")

    def _show(self, text: str, shortest: Callable[[], object]) -> None:
        self.found += 1
        if self.found <= MOST_SHOWN:
            print(f"FINDING {text}\n  {shortest()!r}", flush=True)


def _shortest(finding: Finding, data: bytes) -> bytes:
    def has_it(less: bytes) -> bool:
        return any((finding.oracle, finding.kind) == (f.oracle, f.kind) for f in findings(less))

    return minimised(data, has_it)


def rounds(run: Run, target: str, stack: contextlib.ExitStack) -> Iterator[None]:
    """Yields after each batch."""
    server = stack.enter_context(serve(live.APP, **live.OPTIONS)) if target != "reader" else None
    clients = stack.enter_context(ThreadPoolExecutor(CLIENTS))
    for number in itertools.count():
        if server is None or (target == "both" and number % 2):
            run.reader()
        else:
            run.live(server, clients)
        yield


def main() -> int:
    options = parse()
    seconds = options.minutes * 60 or options.seconds
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**9)
    run = Run(Mutator(seed))
    began = time.monotonic()
    print(f"seed {seed}", flush=True)
    with contextlib.ExitStack() as stack:
        for _ in rounds(run, options.target, stack):
            if time.monotonic() - began >= seconds:
                break
    for what, count in run.counts.items():
        print(f"{count:12,} {what}")
    print(f"{run.found:12,} findings in {time.monotonic() - began:.0f} s")
    return 1 if run.found else 0


if __name__ == "__main__":
    sys.exit(main())
