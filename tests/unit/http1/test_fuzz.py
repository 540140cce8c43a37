"""A bounded run of the fuzzer against the reader, and requests written from the grammar."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.compare import LIMITS, findings, minimised, read_whole
from tests.fuzz.model import Seen, read
from tests.fuzz.mutator import FOLLOWER, JOINTS, Mutator
from tests.fuzz.strategies import Written, cuts, requests

MUTANTS = 60_000


def test_two_other_parsers_read_what_we_accept_as_we_do() -> None:
    mutator = Mutator(seed=1)
    for _ in range(MUTANTS):
        data = mutator.mutant()
        found = findings(data)
        assert not found, f"{found[0]}\n{minimised(data, lambda less: bool(findings(less)))!r}"


def test_where_a_mutant_is_cut_changes_nothing() -> None:
    mutator = Mutator(seed=2)
    for _ in range(MUTANTS // 4):
        data = mutator.mutant()
        pieces = mutator.pieces(data)
        assert read(pieces, LIMITS) == read([data], LIMITS), pieces


@settings(max_examples=400, deadline=None)
@given(st.data(), st.lists(requests(), min_size=1, max_size=3))
def test_what_the_grammar_allows_is_read_as_it_was_meant(
    data: st.DataObject, written: list[Written]
) -> None:
    raw = b"".join(each.raw for each in written)
    seen = read(data.draw(cuts(raw)), LIMITS)
    assert [(each.status, each.method, each.target, each.body) for each in seen] == [
        (200, each.method, each.target, each.body) for each in written
    ]
    for one, other in zip(seen, written, strict=True):
        assert other.fields.items() <= one.fields.items()
    assert not findings(raw)


@settings(max_examples=400, deadline=None)
@given(st.data(), requests(), st.sampled_from(JOINTS))
def test_a_fault_in_a_good_request_is_refused_or_read_alike(
    data: st.DataObject, written: Written, joint: bytes
) -> None:
    at = data.draw(st.integers(0, len(written.raw)))
    skip = data.draw(st.integers(0, 2))
    broken = written.raw[:at] + joint + written.raw[at + skip :] + FOLLOWER
    assert not findings(broken)
    assert read(data.draw(cuts(broken)), LIMITS) == read([broken], LIMITS)


FAULTS = {
    "obs-fold": (b"\r\n ", b" "),
    "bare LF": (b"\n", b"\r\n"),
    "blank before the colon": (b" :", b":"),
    "a sign in front of the length": (b": +", b": "),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_reader_that_is_lenient_is_found_out(fault: str) -> None:
    """What the fuzzer is for: it must see each of these."""
    wrong, right = FAULTS[fault]

    def forgiving(data: bytes) -> list[Seen]:
        if wrong == b"\n":
            data = data.replace(b"\r\n", b"\n")
        return read_whole(data.replace(wrong, right))

    mutator = Mutator(seed=3)
    assert any(findings(mutator.mutant(), forgiving) for _ in range(MUTANTS))
