"""The clock: deadlines fire late rather than early, once, and cost nothing while they move."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsgisrv.worker import clock as clock_module
from wsgisrv.worker.clock import NEVER, TICK, Clock


class Hub:
    """Keeps what it is asked to call; the test calls it."""

    def __init__(self) -> None:
        self.scheduled: list[Callable[[], None]] = []

    def schedule_call_global(self, seconds: float, call: Callable[[], None]) -> None:
        assert seconds == TICK
        self.scheduled.append(call)


class Thing:
    def __init__(self) -> None:
        self.deadline = self.wake = NEVER
        self.calls: list[float] = []

    def expire(self) -> None:
        self.calls.append(self.deadline)

    @property
    def expired(self) -> int:
        return len(self.calls)


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def ticking(monkeypatch: pytest.MonkeyPatch) -> tuple[Clock, Time, Callable[[float], None]]:
    return make(monkeypatch.setattr)


def make(setattr_: Any) -> tuple[Clock, Time, Callable[[float], None]]:
    time = Time()
    setattr_(clock_module, "time", time)
    hub = Hub()
    clock = Clock(hub, lambda now, lag: None)
    clock.start()

    def advance(to: float) -> None:
        while time.now < to:
            time.now = min(time.now + TICK, to)
            hub.scheduled.pop()()

    return clock, time, advance


def test_a_deadline_fires_within_two_ticks(ticking: Any) -> None:
    clock, _, advance = ticking
    thing = Thing()
    clock.watch(thing, 1010.0)
    advance(1009.99)
    assert not thing.calls
    advance(1010.0 + 2 * TICK)
    assert len(thing.calls) == 1


def test_a_deadline_that_moved_later_fires_at_the_later_time(ticking: Any) -> None:
    clock, _, advance = ticking
    thing = Thing()
    clock.watch(thing, 1001.0)
    clock.watch(thing, 1020.0)
    advance(1019.0)
    assert not thing.calls
    advance(1020.5)
    assert len(thing.calls) == 1


def test_a_deadline_that_moved_earlier_fires_at_the_earlier_time(ticking: Any) -> None:
    clock, _, advance = ticking
    thing = Thing()
    clock.watch(thing, 1075.0)
    clock.watch(thing, 1002.0)
    advance(1002.5)
    assert len(thing.calls) == 1


def test_what_is_forgotten_never_fires(ticking: Any) -> None:
    clock, _, advance = ticking
    thing = Thing()
    clock.watch(thing, 1001.0)
    clock.forget(thing)
    advance(1005.0)
    assert not thing.calls


def test_after_a_long_block_everything_due_fires_once(ticking: Any) -> None:
    clock, time, advance = ticking
    things = [Thing() for _ in range(5)]
    for seconds, thing in enumerate(things):
        clock.watch(thing, 1001.0 + seconds)
    time.now = 1300.0
    advance(1300.5)
    assert [thing.expired for thing in things] == [1] * 5


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0, 30)), max_size=30))
def test_whatever_moves_a_deadline_it_is_kept(moves: list[tuple[float, float]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        clock, time, advance = make(patch.setattr)
        thing = Thing()
        for after, wait in moves:
            clock.watch(thing, time.now + after)
            due, was = thing.deadline, thing.expired
            advance(time.now + wait)
            if thing.expired > was:
                assert time.now >= due
                assert thing.deadline == due
                clock.forget(thing)
                del thing.calls[was:]
            else:
                assert time.now < due + 2 * TICK
