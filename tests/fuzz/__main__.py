"""tools/fuzz: the fuzzer for as long as asked."""

from __future__ import annotations

import argparse
import collections
import contextlib
import itertools
import random
import sys
import time
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from tests.fuzz import live
from tests.fuzz.compare import Finding, findings, judge, minimised
from tests.fuzz.explained import EXPLAINED
from tests.fuzz.live import Held
from tests.fuzz.mutator import Mutator
from tests.fuzz.report import fragment
from tests.support.server import Server, serve

BATCH = 200
CLIENTS = 8
LEFT_OPEN = 5
"""Connections of a batch that the client does not end."""

MOST_SHOWN = 20
"""Findings that are minimised and shown; more of them are counted."""


def parse() -> argparse.Namespace:
    wanted = "".join(f"\n  {each.name}: {each.reason}" for each in EXPLAINED)
    parser = argparse.ArgumentParser(
        prog="tools/fuzz",
        description="Breaks requests of the corpus at their joints, and hides attackers' requests in"
        "\nbodies. What the reader accepts, httptools and h11 must read alike, and a running"
        "\nserver must answer just that, in order, and end the connection in time. A finding is"
        "\nshown as a case of the corpus, made as short as it can be.",
        epilog=f"Exit code: 0 without a finding, 1 with one.\n\nDifferences that are wanted:{wanted}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="how long (default: 60)")
    parser.add_argument("--minutes", type=float, default=0.0, help="how long, instead of --seconds")
    parser.add_argument("--mutants", type=int, default=0, help="stop after so many, if sooner")
    parser.add_argument("--seed", type=int, help="the same seed makes the same mutants in order")
    parser.add_argument(
        "--target", choices=("reader", "live", "both"), default="both", help="default: both"
    )
    return parser.parse_args()


class Run:
    """What was done and found so far. Each target has mutants of its own, whichever others run."""

    def __init__(self, seed: int) -> None:
        self._for_reader, self._for_live, self._for_held = map(Mutator, range(seed, seed + 3))
        self._complained: set[str] = set()
        self.counts: collections.Counter[str] = collections.Counter()
        self.found = 0

    @property
    def mutants(self) -> int:
        return self.counts["mutants read"] + self.counts["connections"] + self.counts["left open"]

    def reader(self) -> None:
        """Compares a batch with the oracles."""
        for _ in range(BATCH):
            data = self._for_reader.mutant()
            verdict = judge(data)
            self.counts["mutants read"] += 1
            self.counts[f"read: first answer {verdict.first}"] += 1
            self.counts.update(f"read: {name}: {what}" for name, what in verdict.by_oracle.items())
            self.counts.update(f"explained: {name}" for name in verdict.explained)
            for finding in verdict.findings:
                self._show(str(finding), partial(_shortest, finding, data))

    def live(self, server: Server, clients: ThreadPoolExecutor) -> None:
        """Sends a batch to the server."""
        mutants = self._for_live
        batch = [mutants.pieces(mutants.mutant()) for _ in range(BATCH)]
        wrongs = clients.map(partial(live.difference, server), batch)
        self.counts["connections"] += len(batch)
        for pieces, wrong in zip(batch, wrongs, strict=True):
            if wrong:
                self._show(f"live: {wrong}", partial(live.shortest, server, pieces))
        self._listen(server)

    def hold(self, server: Server, held: Held) -> None:
        """Leaves some connections open, and looks at those that should have ended by now."""
        for _ in range(LEFT_OPEN):
            held.send(self._for_held.unfinished())
        self.counts["left open"] += LEFT_OPEN
        self.settle(server, held, live.SURELY_ENDED)

    def settle(self, server: Server, held: Held, older: float = 0.0) -> None:
        """Waits for the end of the connections that were left open that many seconds ago."""
        for data, wrong in held.finish(older):
            self._show(f"left open: {wrong}", lambda data=data: data)  # type: ignore[misc]
        self._listen(server)

    def _listen(self, server: Server) -> None:
        for line in live.complaints(server):
            if line not in self._complained:
                self._complained.add(line)
                self.found += 1
                print(f"FINDING the server says: {line}", flush=True)

    def _show(self, text: str, shortest: Callable[[], bytes]) -> None:
        self.found += 1
        if self.found <= MOST_SHOWN:
            print(f"FINDING\n{fragment(text, shortest())}\n", flush=True)


def _shortest(finding: Finding, data: bytes) -> bytes:
    def has_it(less: bytes) -> bool:
        return any((finding.oracle, finding.kind) == (f.oracle, f.kind) for f in findings(less))

    return minimised(data, has_it)


def rounds(run: Run, target: str) -> Generator[None]:
    """Yields after each batch; closed, waits for the connections that are still open."""
    if target == "reader":
        for _ in itertools.count():
            run.reader()
            yield
    with (
        serve(live.APP, **live.OPTIONS) as server,
        serve(live.APP, **live.IMPATIENT) as impatient,
        ThreadPoolExecutor(CLIENTS) as clients,
        Held(impatient) as held,
    ):
        try:
            for number in itertools.count():
                if target == "both" and number % 2:
                    run.reader()
                else:
                    run.live(server, clients)
                    run.hold(impatient, held)
                yield
        finally:
            run.settle(impatient, held)


def main() -> int:
    options = parse()
    seconds = options.minutes * 60 or options.seconds
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**9)
    run = Run(seed)
    began = time.monotonic()
    print(f"seed {seed}", flush=True)
    with contextlib.closing(rounds(run, options.target)) as batches:
        for _ in batches:
            if time.monotonic() - began >= seconds or 0 < options.mutants <= run.mutants:
                break
    took = time.monotonic() - began
    for what, count in sorted(run.counts.items()):
        print(f"{count:12,} {what}")
    print(f"{run.mutants:12,} mutants in {took:.0f} s, {run.mutants / took:,.0f} a second")
    print(f"{run.found:12,} findings")
    return 1 if run.found else 0


if __name__ == "__main__":
    sys.exit(main())
