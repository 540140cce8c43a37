"""What is known of a sampler before a span is made: just what OpenTelemetry's own samplers decide."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("opentelemetry.sdk.trace")

from opentelemetry import trace
from opentelemetry.sdk.trace import sampling as sdk

from wsgisrv.worker.sampling import Ids, Odds

RATIO, BY_PARENT = "traceidratio", "parentbased_traceidratio"
VARIABLES = [
    {},
    {"OTEL_TRACES_SAMPLER": "always_on"},
    {"OTEL_TRACES_SAMPLER": "always_off"},
    {"OTEL_TRACES_SAMPLER": "parentbased_always_on"},
    {"OTEL_TRACES_SAMPLER": "Parentbased_Always_Off"},
    *[
        {"OTEL_TRACES_SAMPLER": name, "OTEL_TRACES_SAMPLER_ARG": share}
        for name in (RATIO, BY_PARENT)
        for share in ("0", "0.01", "0.5", "1", "2", "much")
    ],
    {"OTEL_TRACES_SAMPLER": RATIO},
]
IDS = st.integers(1, (1 << 128) - 1)


@pytest.mark.parametrize("variables", VARIABLES, ids=str)
def test_it_drops_what_the_samplers_drop(
    variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    sampler = sdk._get_from_env_or_default()
    odds = Odds.of(variables)

    @given(IDS, st.sampled_from([None, 0, 1]))
    def agrees(trace_id: int, flags: int | None) -> None:
        parent, context = None, None
        if flags is not None:
            parent = trace.SpanContext(trace_id, 1, True, trace.TraceFlags(flags))
            context = trace.set_span_in_context(trace.NonRecordingSpan(parent))
        found: Any = sampler.should_sample(context, trace_id, "GET", trace.SpanKind.SERVER, {}, ())
        assert odds.drops(trace_id, parent) is not found.decision.is_sampled()

    agrees()


@given(IDS, st.sampled_from([0, 1]))
def test_of_a_sampler_that_is_not_known_it_drops_nothing(trace_id: int, flags: int) -> None:
    parent = trace.SpanContext(trace_id, 1, True, trace.TraceFlags(flags))
    odds = Odds.of({"OTEL_TRACES_SAMPLER": "jaeger_remote"})
    assert not odds.drops(trace_id, parent)
    assert not odds.drops(trace_id, None)


def test_a_given_id_is_taken_once_and_by_who_gave_it() -> None:
    ids = Ids()
    ids.give(17)
    others: list[int] = []
    thread = threading.Thread(target=lambda: others.append(ids.generate_trace_id()))
    thread.start()
    thread.join()
    assert others != [17]
    assert ids.generate_trace_id() == 17
    assert ids.generate_trace_id() != 17
    ids.give(18)
    ids.give(0)
    assert ids.generate_trace_id() != 18
