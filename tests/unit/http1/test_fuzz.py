"""A bounded run of the fuzzer against the reader, and requests written from the grammar."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.compare import LIMITS, findings, judge, minimised, read_whole
from tests.fuzz.explained import EXPLAINED
from tests.fuzz.faults import JOINTS, LINES
from tests.fuzz.model import Seen, read
from tests.fuzz.mutator import Mutator
from tests.fuzz.report import fragment, sent
from tests.fuzz.strategies import Written, cuts, requests
from tests.support.corpus import FOLLOWER, cases, raw

MUTANTS = 40_000
MOST_MUTANTS = 500_000
"""Tried until one shows what is looked for: the rarest does in some 10,000."""


def test_two_other_parsers_read_what_we_accept_as_we_do() -> None:
    mutator = Mutator(seed=1)
    for _ in range(MUTANTS):
        data = mutator.mutant()
        found = findings(data)
        assert not found, f"{found[0]}\n{minimised(data, lambda less: bool(findings(less)))!r}"


def test_where_a_mutant_is_cut_changes_nothing() -> None:
    mutator = Mutator(seed=2)
    for _ in range(MUTANTS // 2):
        data = mutator.mutant()
        pieces = mutator.pieces(data)
        assert read(pieces, LIMITS) == read([data], LIMITS), pieces


def test_no_attack_in_a_body_is_a_request() -> None:
    mutator = Mutator(seed=5)
    for _ in range(2000):
        data = mutator.attack()
        seen = read_whole(data + FOLLOWER)
        assert [each.status for each in seen] == [200] * len(seen), data
        assert [each.path for each in seen[1:]] == ["/follower"] * seen[0].keeps, data


def test_every_explained_difference_still_occurs() -> None:
    """One that does not is no longer needed, and might hide a finding."""
    mutator = Mutator(seed=6)
    left = {each.name for each in EXPLAINED}
    for _ in range(MOST_MUTANTS):
        left -= judge(mutator.mutant()).explained
        if not left:
            break
    assert not left


@settings(max_examples=400, deadline=None)
@given(st.data(), st.lists(requests(), min_size=1, max_size=3))
def test_what_the_grammar_allows_is_read_as_it_was_meant(
    data: st.DataObject, written: list[Written]
) -> None:
    raw_bytes = b"".join(each.raw for each in written)
    seen = read(data.draw(cuts(raw_bytes)), LIMITS)
    assert [(each.status, each.method, each.target, each.body) for each in seen] == [
        (200, each.method, each.target, each.body) for each in written
    ]
    for one, other in zip(seen, written, strict=True):
        assert other.fields.items() <= one.fields.items()
    assert not findings(raw_bytes)


@settings(max_examples=600, deadline=None)
@given(st.data(), requests(), st.sampled_from((*JOINTS, *(b"\r\n" + line for line in LINES))))
def test_a_fault_in_a_good_request_is_refused_or_read_alike(
    data: st.DataObject, written: Written, joint: bytes
) -> None:
    at = data.draw(st.integers(0, len(written.raw)))
    skip = data.draw(st.integers(0, 2))
    broken = written.raw[:at] + joint + written.raw[at + skip :] + FOLLOWER
    assert not findings(broken)
    assert read(data.draw(cuts(broken)), LIMITS) == read([broken], LIMITS)


@dataclasses.dataclass(frozen=True, slots=True)
class Fault:
    """What a lenient reader does to the first head, or to what is behind it, before it reads strictly."""

    pattern: bytes
    by: bytes
    in_head: bool = True

    def __call__(self, data: bytes) -> bytes:
        match = re.search(rb"\n\r?\n", data)
        end = match.end() if match else len(data)
        if self.in_head:
            return re.sub(self.pattern, self.by, data[:end]) + data[end:]
        return data[:end] + re.sub(self.pattern, self.by, data[end:], count=1)


FAULTS = {
    "obs-fold": Fault(rb"\r\n[ \t]", b" "),
    "a bare LF ends a line": Fault(rb"\r?\n", b"\r\n"),
    "a bare CR is a blank": Fault(rb"\r(?!\n)", b" "),
    "NUL is a blank": Fault(rb"\0", b" "),
    "a blank before the colon": Fault(rb"(\r\n[^ :\r]+)[ \t]+:", rb"\1:"),
    "a sign in front of the length": Fault(rb"(?i)(length: )[+-]", rb"\1"),
    "only the first Content-Length counts": Fault(
        rb"(?i)(\r\ncontent-length:[^\r]*)((?:\r\n[^\r]+)*?)\r\ncontent-length:[^\r]*", rb"\1\2"
    ),
    "chunked wins over a length": Fault(
        rb"(?i)(\r\ntransfer-encoding: *chunked)\r\ncontent-length:[^\r]*", rb"\1"
    ),
    "a length wins over chunked": Fault(
        rb"(?i)(\r\ncontent-length:[^\r]*)\r\ntransfer-encoding: *chunked", rb"\1"
    ),
    "identity is no coding": Fault(rb"(?i)\r\ntransfer-encoding: identity", b""),
    "a vertical tab before chunked": Fault(rb":\x0bchunked", b": chunked"),
    "a second Host is not looked at": Fault(rb"\r\nHost: y", b""),
    "0x in a chunk size": Fault(rb"(\A|\r\n)0x(?=[0-9a-f]{1,4}\r\n)", rb"\1", in_head=False),
    "blanks around a chunk size": Fault(
        rb"(\A|\r\n) ?([0-9a-f]{1,4}) ?\r\n", rb"\1\2\r\n", in_head=False
    ),
    "no line end behind a chunk": Fault(
        rb"(?<![\r\n])[\r\n]?0\r\n\r\n", b"\r\n0\r\n\r\n", in_head=False
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_reader_that_is_lenient_is_found_out(fault: str) -> None:
    """What the fuzzer is for: it must see each of these."""

    def forgiving(data: bytes) -> list[Seen]:
        return read_whole(FAULTS[fault](data))

    mutator = Mutator(seed=3)
    assert any(findings(mutator.mutant(), forgiving) for _ in range(MOST_MUTANTS))


def test_what_is_shown_of_a_finding_is_a_case_of_the_corpus(tmp_path: Path) -> None:
    everything = bytes(range(256)) + b"<?>'<a*3>\\r"
    assert raw(sent(everything)) == everything
    shown = fragment('what "it" says', b"GET / HTTP/1.0\r\n\r\n")
    (tmp_path / "found.toml").write_text(shown)
    (case,) = cases(tmp_path)
    assert (case.send, case.want, case.then) == (b"GET / HTTP/1.0\r\n\r\n", (200,), "closed")
