"""The corpus against the reader: each case whole, cut at every byte, and byte by byte."""

from __future__ import annotations

import pytest

from tests.fuzz.model import Seen, read
from tests.support.corpus import FOLLOWER, Case, cases
from wsgisrv.http1.limits import Limits


def limits(case: Case) -> Limits:
    return Limits(**case.options)


def check(case: Case, seen: list[Seen]) -> None:
    assert tuple(answer.status for answer in seen) == case.want
    for name, value in case.sees.items():
        if name.startswith("HTTP_"):
            assert seen[0].fields[name] == value
    for name in case.lacks:
        assert name not in seen[0].fields
    if case.body is not None and "/ignore" not in seen[0].path:
        assert seen[0].body.decode("latin-1") == case.body
    if case.paths:
        assert tuple(answer.path for answer in seen) == case.paths


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.name)
def test_the_answer_does_not_depend_on_where_a_request_is_cut(case: Case) -> None:
    data = case.send + (FOLLOWER if case.is_refused else b"")
    bounds = limits(case)
    check(case, read([data], bounds))
    for at in range(1, len(data)):
        check(case, read([data[:at], data[at:]], bounds))
    check(case, read((data[at : at + 1] for at in range(len(data))), bounds))
