"""Where the reader and an oracle differ about what the reader accepts.

Rules: an oracle that refuses what we accept is no finding, since each is strict in its own places; one
that reads it as something else is. A difference that we want stands in EXPLAINED with its reason.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from tests.fuzz.model import Seen, read
from tests.fuzz.oracles import ORACLES, Reading, Request
from wsgisrv.http1.limits import Limits

LIMITS = Limits(max_body_bytes=1000)


@dataclasses.dataclass(frozen=True, slots=True)
class Finding:
    """One difference: which oracle, of what kind, and what each side says."""

    oracle: str
    kind: str
    ours: str
    theirs: str

    def __str__(self) -> str:
        return f"{self.oracle} {self.kind}: we read {self.ours}, it reads {self.theirs}"


@dataclasses.dataclass(frozen=True, slots=True)
class Explained:
    """A difference that is wanted: behind such a request an oracle's reading is not compared, nor,
    if ``with_body``, is its own body.
    """

    reason: str
    applies: Callable[[str, Seen], bool]
    with_body: bool = False


EXPLAINED = (
    Explained(
        "CONNECT asks for a tunnel; both oracles take what follows as its bytes",
        lambda _oracle, seen: seen.method == "CONNECT",
        with_body=True,
    ),
    Explained(
        "HTTP/1.0 persists only when asked to; h11 never keeps such a connection",
        lambda oracle, seen: oracle == "h11" and "HTTP_CONNECTION" in seen.fields,
    ),
    Explained(
        "Upgrade is the app's to take; the oracles stop at it",
        lambda _oracle, seen: "HTTP_UPGRADE" in seen.fields,
    ),
)


def read_whole(data: bytes) -> list[Seen]:
    """Returns what the reader makes of bytes that come in one piece."""
    return read([data], LIMITS)


def findings(data: bytes, reads: Callable[[bytes], list[Seen]] = read_whole) -> list[Finding]:
    """Returns what is wrong with how ``reads`` reads these bytes; empty for nothing."""
    seen = reads(data)
    ours = [each for each in seen if each.status == 200]
    if not ours:
        return []
    is_refused = seen[-1].status != 200
    found = []
    for name, oracle in ORACLES.items():
        finding = _compare(name, ours, oracle(data), is_refused)
        if finding is not None:
            found.append(finding)
    return found


def accepts(data: bytes) -> bool:
    """Whether at least the first request is served."""
    seen = read_whole(data)
    return bool(seen) and seen[0].status == 200


def _compare(name: str, ours: list[Seen], theirs: Reading, is_refused: bool) -> Finding | None:
    for index, seen in enumerate(ours):
        if index >= len(theirs.requests):
            if theirs.error:
                return None
            return Finding(name, "fewer", f"{len(ours)} requests", f"{len(theirs.requests)}")
        other = theirs.requests[index]
        explained = [each for each in EXPLAINED if each.applies(name, seen)]
        finding = _compare_one(name, seen, other)
        if finding is not None and finding.kind == "body" and any(e.with_body for e in explained):
            return None
        if finding is not None or explained:
            return finding
    if len(theirs.requests) > len(ours) and not is_refused and _keeps(ours[-1]):
        return Finding(name, "more", f"{len(ours)} requests", f"{len(theirs.requests)}")
    return None


def _keeps(last: Seen) -> bool:
    """Whether the connection goes on: behind an HTTP/1.0 request or ``close`` nothing is read by us."""
    options = last.fields.get("HTTP_CONNECTION", "").lower()
    return "close" not in options


def _compare_one(name: str, seen: Seen, other: Request) -> Finding | None:
    if other.target != seen.target:
        return Finding(name, "target", repr(seen.target), repr(other.target))
    if other.body != seen.body:
        return Finding(name, "body", repr(seen.body), repr(other.body))
    mine, its = dict(seen.fields), dict(other.fields)
    if not seen.target.startswith("/"):
        mine.pop("HTTP_HOST", None)  # the target's authority counts (RFC 9112 3.2.2)
        its.pop("HTTP_HOST", None)
    if "HTTP_TRANSFER_ENCODING" in mine and name == "httptools":
        its = {key: value for key, value in its.items() if key in mine}  # it reports trailers, too
        for key in set(mine) & set(its):
            if its[key].startswith(f"{mine[key]},"):
                its[key] = mine[key]
    if name == "h11":
        # It writes the coding in lower case, and counts a chunked body once.
        for fields in (mine, its):
            if "HTTP_TRANSFER_ENCODING" in fields:
                fields["HTTP_TRANSFER_ENCODING"] = fields["HTTP_TRANSFER_ENCODING"].lower()
    if mine != its:
        differ = {key for key in mine.keys() | its.keys() if mine.get(key) != its.get(key)}
        return Finding(
            name, "fields",
            repr({key: mine.get(key) for key in sorted(differ)}),
            repr({key: its.get(key) for key in sorted(differ)}),
        )  # fmt: skip
    return None


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
