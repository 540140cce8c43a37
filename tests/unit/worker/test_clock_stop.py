"""A clock that belongs to a server that ends stops ticking."""

from __future__ import annotations

from collections.abc import Callable

from wsgisrv.worker.clock import Clock


class Timer:
    def __init__(self, call: Callable[[], None]) -> None:
        self.call = call
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class Hub:
    def __init__(self) -> None:
        self.timers: list[Timer] = []

    def schedule_call_global(self, _seconds: float, call: Callable[[], None]) -> Timer:
        self.timers.append(Timer(call))
        return self.timers[-1]


def test_a_stopped_clock_leaves_no_timer() -> None:
    hub = Hub()
    clock = Clock(hub, lambda now, lag: None)
    clock.stop()  # before it has begun, which is nothing
    clock.start()
    hub.timers[-1].call()
    clock.stop()
    assert [timer.is_cancelled for timer in hub.timers] == [False, True]
