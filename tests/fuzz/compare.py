"""Where the reader and an oracle differ about what the reader accepts.

Rules: an oracle that refuses what we accept, or reads it as something else, is a finding; one that accepts
what we refuse is none. A difference that we want stands in ``explained``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from tests.fuzz.explained import EXPLAINED, Explained
from tests.fuzz.model import Seen, read
from tests.fuzz.oracles import ORACLES, Reading, Request
from wsgisrv.http1.limits import Limits

LIMITS = Limits(max_body_bytes=1000)

ALIKE, REFUSED, DIFFERENT = "read alike", "refused", "read differently"


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One difference: which oracle, of what kind, and what each side says."""

    oracle: str
    kind: str
    ours: str
    theirs: str

    def __str__(self) -> str:
        return f"{self.oracle} {self.kind}: we read {self.ours}, it reads {self.theirs}"


@dataclasses.dataclass(slots=True)
class Verdict:
    """What becomes of a connection's bytes: our reading, and by oracle's name what it makes of that."""

    seen: list[Seen]
    by_oracle: dict[str, str] = dataclasses.field(default_factory=dict)
    explained: set[str] = dataclasses.field(default_factory=set)
    findings: list[Finding] = dataclasses.field(default_factory=list)

    @property
    def first(self) -> str:
        """What becomes of the first request."""
        return str(self.seen[0].status) if self.seen else "waiting for more"


def read_whole(data: bytes) -> list[Seen]:
    """Returns what the reader makes of bytes that come in one piece."""
    return read([data], LIMITS)


def judge(data: bytes, reads: Callable[[bytes], list[Seen]] = read_whole) -> Verdict:
    """Compares how ``reads`` reads these bytes with how the oracles do."""
    verdict = Verdict(reads(data))
    served = [each for each in verdict.seen if each.status == 200]
    if served:
        for name, oracle in ORACLES.items():
            _compare(name, served, oracle(data), verdict)
    return verdict


def findings(data: bytes, reads: Callable[[bytes], list[Seen]] = read_whole) -> list[Finding]:
    """Returns what is wrong with how ``reads`` reads these bytes; empty for nothing."""
    return judge(data, reads).findings


def _compare(name: str, served: list[Seen], theirs: Reading, verdict: Verdict) -> None:
    verdict.by_oracle[name] = ALIKE
    finding, is_over = None, False
    for index, seen in enumerate(served):
        explained = [each for each in EXPLAINED if each.applies(name, seen)]
        if index >= len(theirs.requests):
            finding, is_over = _missing(name, theirs, explained, verdict), True
        else:
            finding, is_over = _compare_one(name, seen, theirs.requests[index], explained, verdict)
        if finding is not None or is_over:
            break
    else:
        more = len(theirs.requests) - len(served)
        if more > 0 and verdict.seen[-1].status == 200 and served[-1].keeps:
            finding = Finding(name, "more", f"{len(served)} requests", f"{more} more")
    if finding is not None:
        verdict.by_oracle[name] = DIFFERENT
        verdict.findings.append(finding)


def _missing(
    name: str, theirs: Reading, explained: list[Explained], verdict: Verdict
) -> Finding | None:
    """Judges a request that the oracle has not read."""
    read_by_it = f"{len(theirs.requests)} requests"
    if not theirs.error:
        return Finding(name, "fewer", "one more", read_by_it)
    verdict.by_oracle[name] = REFUSED
    for each in explained:
        if any(words in theirs.error for words in each.refusals):
            verdict.explained.add(each.name)
            return None
    return Finding(name, "refused", "one more", f"{read_by_it} and then says {theirs.error}")


def _compare_one(
    name: str, seen: Seen, other: Request, explained: list[Explained], verdict: Verdict
) -> tuple[Finding | None, bool]:
    """Returns a difference that is not explained, and whether the oracle reads no further than this."""
    is_over = any(each.ends for each in explained)
    for kind, ours, theirs in _differences(seen, other, explained, verdict):
        covering = [each.name for each in explained if kind in each.kinds]
        if not covering:
            return Finding(name, kind, repr(ours), repr(theirs)), True
        verdict.explained.update(covering)
        is_over = is_over or kind == "keeps"
    return None, is_over


def _differences(
    seen: Seen, other: Request, explained: list[Explained], verdict: Verdict
) -> Iterator[tuple[str, object, object]]:
    mine, its = seen.fields, other.fields
    for each in explained:
        before, (mine, its) = (mine, its), each.even(mine, its)
        if before != (mine, its):
            verdict.explained.add(each.name)
    differ = sorted(key for key in mine.keys() | its.keys() if mine.get(key) != its.get(key))
    pairs: tuple[tuple[str, object, object], ...] = (
        ("method", seen.method, other.method),
        ("target", seen.target, other.target),
        ("version", seen.minor, other.minor),
        ("body", seen.body, other.body),
        ("fields", {key: mine.get(key) for key in differ}, {key: its.get(key) for key in differ}),
        ("keeps", seen.keeps, other.keeps),
    )
    yield from (pair for pair in pairs if pair[1] != pair[2])


def minimised(data: bytes, is_bad: Callable[[bytes], bool]) -> bytes:
    """Returns the shortest bytes that are still bad, as far as leaving pieces out leads to them."""
    size = len(data) // 2
    while size:
        at = 0
        while at < len(data):
            shorter = data[:at] + data[at + size :]
            if is_bad(shorter):
                data = shorter
            else:
                at += size
        size //= 2
    return data
