"""The roster: each promise of the policy by itself, and all of them over random histories."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from wsgisrv.master.backoff import LONGEST_DELAY
from wsgisrv.master.events import (
    Abort,
    Action,
    Announce,
    Beat,
    BecameReady,
    Drain,
    Event,
    Exited,
    FailReadiness,
    Halt,
    Kill,
    Measured,
    Plan,
    Policy,
    ReloadFailed,
    ReloadRequested,
    ResizeRequested,
    ScaleRequested,
    Serving,
    Spawn,
    Spawned,
    SpawnFailed,
    StopListening,
    StopRequested,
    Ticked,
    Tuned,
)
from wsgisrv.master.member import Member, State
from wsgisrv.master.plans import MOST_WORKERS
from wsgisrv.master.recycling import reason_to_retire
from wsgisrv.master.roster import SUSPENDED_SECONDS, Roster

POLICY = Policy(workers=2, boot_timeout=60, worker_timeout=30, graceful_timeout=10)


RECYCLING = dataclasses.replace(
    POLICY,
    max_requests=100,
    max_requests_jitter=50,
    max_worker_lifetime=500,
    max_worker_rss_bytes=1000,
    shutdown_delay=3,
)

ONE = dataclasses.replace(POLICY, workers=1)

GROUPS = st.sampled_from(["", "admin", "extra"])

Told = Spawn | Drain | Abort | Kill


def plan(policy: Policy = POLICY, version: int = 0, **others: Policy) -> Plan:
    """A plan of the group without a name, and ``others``."""
    return Plan(version, {"": policy, **others})


class Service:
    """A roster and the time, with the actions that it has wanted so far."""

    def __init__(self, policy: Policy = POLICY, **others: Policy) -> None:
        self.now = 1000.0
        self.roster = Roster(Plan(0, {"": policy, **others}), self.now)
        self.actions: list[Action] = []

    def tell(self, *events: Event) -> list[Action]:
        """Returns what the roster wants done about ``events``."""
        wanted = [action for event in events for action in self.roster.handle(event, self.now)]
        self.actions += wanted
        return wanted

    def pass_time(self, seconds: float, *, beating: bool = True) -> list[Action]:
        """Ticks every second, with every ready worker alive."""
        wanted = []
        while seconds > 0:
            step = min(seconds, 1.0)
            self.now += step
            seconds -= step
            beats = [
                Beat(worker_id, self.now)
                for worker_id, state in self.roster.workers().items()
                if state is State.READY and beating
            ]
            wanted += self.tell(*beats, Ticked())
        return wanted

    def boot(self, wanted: Sequence[Action] | None = None) -> list[Action]:
        """Brings every worker that was to be spawned to READY."""
        more = []
        for worker_id in ids(Spawn, self.tell(Ticked()) if wanted is None else wanted):
            more += self.tell(Spawned(worker_id), BecameReady(worker_id))
        return more


def ids(kind: type[Told], actions: Sequence[Action]) -> list[int]:
    return [action.worker_id for action in actions if isinstance(action, kind)]


def died(worker_id: int, exit_code: int = 70) -> Exited:
    return Exited(worker_id, f"worker {worker_id} died", exit_code)


def started(policy: Policy = POLICY, **others: Policy) -> Service:
    service = Service(policy, **others)
    assert Serving(1) in service.boot()
    return service


# The start


def test_the_start_spawns_as_many_as_wanted_and_says_so_when_all_are_ready() -> None:
    service = Service()
    wanted = service.tell(Ticked())
    assert wanted == [Spawn(1, 1, 0), Spawn(2, 1, 0)]
    assert service.tell(Spawned(1), BecameReady(1)) == []
    assert service.tell(Spawned(2), BecameReady(2)) == [Serving(1)]


def test_a_worker_that_cannot_boot_stops_the_start_with_its_exit_code() -> None:
    service = Service()
    service.tell(Ticked(), Spawned(1), Spawned(2))
    assert service.tell(Exited(1, "app.ini: no app", 78)) == [Kill(2)]
    assert service.tell(died(2)) == [Halt(78, "app.ini: no app")]


def test_a_kernel_that_refuses_to_fork_stops_the_start_with_71() -> None:
    service = Service()
    service.tell(Ticked(), Spawned(1))
    assert service.tell(SpawnFailed(2, "cannot fork")) == [Kill(1)]
    assert service.tell(died(1)) == [Halt(71, "cannot fork")]


def test_a_worker_that_never_gets_ready_stops_the_start() -> None:
    service = Service()
    service.tell(Ticked(), Spawned(1), Spawned(2))
    wanted = service.pass_time(60)
    assert ids(Kill, wanted) == [1, 2]
    assert service.tell(died(1), died(2))[-1] == Halt(70, "worker 1 died")


# Replacing


def test_a_worker_that_dies_after_a_long_life_is_replaced_at_once() -> None:
    service = started()
    service.pass_time(60)
    assert ids(Spawn, service.tell(died(1))) == [3]


def test_early_deaths_are_replaced_later_and_later_and_never_given_up() -> None:
    service = started(dataclasses.replace(POLICY, workers=1))
    gaps, dying = [], 1
    for _ in range(12):
        began = service.now
        service.tell(died(dying))
        while not (spawned := ids(Spawn, service.pass_time(0.25))):
            assert service.now - began <= LONGEST_DELAY + 1
        gaps.append(service.now - began)
        (dying,) = spawned
        service.tell(Spawned(dying))
    assert gaps == sorted(gaps)
    assert gaps[0] <= 1
    assert LONGEST_DELAY <= gaps[-1] <= LONGEST_DELAY + 1


def test_a_death_is_announced_with_its_reason() -> None:
    service = started()
    service.pass_time(60)
    assert Announce("warning", "worker 1 died") in service.tell(died(1))


def test_workers_that_die_together_are_one_early_death() -> None:
    service = started(dataclasses.replace(POLICY, workers=8))
    wanted = service.tell(*(died(worker_id) for worker_id in range(1, 9)))
    assert [a.text for a in wanted if isinstance(a, Announce) and a.severity != "debug"] == [
        "worker 1 died; workers die early, 1 so far, the next comes in 0.5 s",
    ]
    assert len(ids(Spawn, service.pass_time(1))) == 8


def test_a_worker_that_crashes_while_it_drains_is_named_and_one_that_finishes_is_not() -> None:
    service = started()
    service.tell(ResizeRequested(-1))
    assert service.tell(died(2)) == [Announce("warning", "worker 2 died")]
    service.tell(StopRequested(graceful=True))
    assert service.tell(died(1, 0)) == [Halt(0, "")]


def test_a_worker_that_ends_well_before_it_was_ready_stops_the_start_all_the_same() -> None:
    service = Service()
    service.tell(Ticked(), Spawned(1), Spawned(2))
    service.tell(died(1, 0))
    assert service.tell(died(2)) == [Halt(70, "worker 1 died")]


# Heartbeats


def test_a_worker_without_a_beat_is_aborted_then_killed_then_replaced() -> None:
    service = started(dataclasses.replace(POLICY, workers=1))
    wanted = service.pass_time(31, beating=False)
    assert ids(Abort, wanted) == [1]
    assert ids(Kill, service.pass_time(3, beating=False)) == [1]
    assert ids(Spawn, service.tell(died(1))) == [2]


def test_a_suspended_machine_kills_nobody() -> None:
    service = started()
    service.now += 3600
    assert service.tell(Ticked()) == []
    assert ids(Abort, service.pass_time(20, beating=False)) == []


@pytest.mark.parametrize("gap", [SUSPENDED_SECONDS, 3600.0])
def test_a_beat_read_after_the_master_was_stopped_counts_from_now_on(gap: float) -> None:
    service = started(dataclasses.replace(POLICY, workers=1))
    service.now += gap
    service.tell(Beat(1, service.now), Ticked())
    assert ids(Abort, service.pass_time(31, beating=False)) == [1]


def test_a_fork_refused_after_the_master_was_stopped_is_tried_again_as_soon_as_ever() -> None:
    service = started()
    service.now += 3600
    assert ids(Spawn, service.tell(died(1))) == [3]
    service.tell(SpawnFailed(3, "cannot fork"))
    assert ids(Spawn, service.pass_time(1, beating=False)) == [4]


def test_a_stop_found_after_the_master_was_stopped_ends_at_graceful_timeout() -> None:
    service = started()
    service.now += 3600
    service.tell(StopRequested(graceful=True))
    assert ids(Kill, service.pass_time(11)) == [1, 2]


def test_worker_timeout_0_never_kills() -> None:
    service = started(dataclasses.replace(POLICY, worker_timeout=0))
    assert service.pass_time(500, beating=False) == []


# Reload


def reload(service: Service, version: int = 1, workers: int = 2) -> list[Action]:
    return service.tell(
        ReloadRequested(plan(dataclasses.replace(POLICY, workers=workers), version))
    )


def test_old_workers_serve_until_every_new_one_is_ready() -> None:
    service = started()
    wanted = reload(service)
    assert [a for a in wanted if isinstance(a, Spawn)] == [Spawn(3, 2, 1), Spawn(4, 2, 1)]
    assert service.tell(Spawned(3), BecameReady(3), Spawned(4)) == []
    assert service.tell(BecameReady(4)) == [Serving(2), Drain(1), Drain(2)]


def test_a_new_worker_that_cannot_boot_keeps_the_old_generation() -> None:
    service = started()
    reload(service)
    service.tell(Spawned(3), BecameReady(3), Spawned(4))
    wanted = service.tell(Exited(4, "no app", 78))
    assert wanted == [ReloadFailed(2, 1, "no app"), Drain(3)]
    assert service.tell(died(3, 0)) == []
    assert service.roster.generation == 1
    assert set(service.roster.workers()) == {1, 2}


def test_a_reload_during_a_reload_is_queued() -> None:
    service = started()
    wanted = reload(service)
    assert ids(Spawn, reload(service, version=2)) == []
    more = service.boot(wanted)
    assert Serving(2) in more
    assert [a for a in more if isinstance(a, Spawn)] == [Spawn(5, 3, 2), Spawn(6, 3, 2)]


def test_a_queued_reload_follows_one_that_failed() -> None:
    service = started()
    reload(service)
    reload(service, version=2)
    service.tell(Spawned(3), Spawned(4))
    wanted = service.tell(Exited(3, "no app", 78))
    assert [a for a in wanted if isinstance(a, Spawn)] == [Spawn(5, 3, 2), Spawn(6, 3, 2)]


def test_an_old_worker_that_dies_during_a_reload_is_replaced_under_the_old_settings() -> None:
    service = started()
    service.pass_time(60)
    reload(service)
    wanted = service.tell(died(1))
    assert Spawn(5, 1, 0) in wanted


def test_a_reload_takes_the_new_number_of_workers() -> None:
    service = started()
    assert ids(Spawn, reload(service, workers=1)) == [3]


def test_new_workers_have_the_new_boot_timeout() -> None:
    service = started()
    new = plan(dataclasses.replace(POLICY, boot_timeout=600), version=1)
    wanted = service.tell(ReloadRequested(new))
    service.tell(*(Spawned(worker_id) for worker_id in ids(Spawn, wanted)))
    assert ids(Kill, service.pass_time(599)) == []
    assert ids(Kill, service.pass_time(2)) == [3, 4]


# Resize


def test_fewer_workers_during_a_reload_do_not_fail_it() -> None:
    service = started()
    reload(service)
    assert ids(Drain, service.tell(ResizeRequested(-1))) == [4, 2]
    assert service.tell(died(4)) == []
    assert Serving(2) in service.tell(Spawned(3), BecameReady(3))


def test_only_the_generation_that_serves_is_announced() -> None:
    service = Service()
    service.tell(Ticked(), Spawned(1), BecameReady(1), Spawned(2))
    reload(service, workers=3)
    service.tell(died(2), BecameReady(3), BecameReady(4))
    wanted = service.tell(ResizeRequested(-1))
    assert [a for a in wanted if isinstance(a, Serving)] == [Serving(2)]


def test_a_resize_during_a_reload_counts_from_each_generations_own_number() -> None:
    service = started()
    wanted = reload(service, workers=4)
    more = service.tell(ResizeRequested(1))
    assert [(a.generation, a.version) for a in more if isinstance(a, Spawn)] == [(1, 0), (2, 1)]
    service.boot(wanted)
    service.boot(more)
    assert (service.roster.generation, service.roster.plan.groups[""].workers) == (2, 5)


def test_a_resize_before_a_queued_reload_begins_is_not_lost() -> None:
    service = started()
    wanted = reload(service)
    reload(service, version=2)
    more = service.tell(ResizeRequested(1))
    service.boot([a for a in (*wanted, *more) if isinstance(a, Spawn) and a.generation == 2])
    assert service.roster.generation == 2
    assert len([w for w in service.actions if isinstance(w, Spawn) and w.generation == 3]) == 3


def test_more_workers_are_spawned_and_fewer_drained_never_below_one() -> None:
    service = started()
    wanted = service.tell(ResizeRequested(1))
    assert ids(Spawn, wanted) == [3]
    service.boot(wanted)
    assert ids(Drain, service.tell(ResizeRequested(-1))) == [3]
    assert ids(Drain, service.tell(ResizeRequested(-5))) == [2]
    assert service.roster.plan.groups[""].workers == 1


def test_a_number_of_workers_is_wanted_of_every_generation() -> None:
    service = started()
    wanted = reload(service)
    more = service.tell(ScaleRequested(3))
    assert [(a.generation, a.version) for a in more if isinstance(a, Spawn)] == [(1, 0), (2, 1)]
    service.boot([*wanted, *more])
    assert (service.roster.generation, service.roster.plan.groups[""].workers) == (2, 3)


# Recycling


@pytest.mark.parametrize(
    ("limit", "measured"),
    [
        ({"max_requests": 100}, {"requests": 100}),
        ({"max_worker_lifetime": 6.0}, {}),
        ({"max_worker_rss_bytes": 1000}, {"rss_bytes": 1000}),
    ],
)
def test_the_replacement_is_ready_before_a_worker_that_is_due_drains(
    limit: dict[str, Any], measured: dict[str, int]
) -> None:
    service = started(dataclasses.replace(POLICY, workers=1, **limit))
    assert ids(Spawn, service.pass_time(5)) == []
    values = {"requests": 0, "rss_bytes": 0, **measured}
    wanted = [*service.tell(Measured(1, **values)), *service.pass_time(1)]
    assert ids(Spawn, wanted) == [2]
    assert ids(Drain, service.pass_time(30)) == []
    assert service.tell(Spawned(2), BecameReady(2)) == [Drain(1)]
    assert service.tell(died(1, 0)) == []


def test_workers_that_are_due_together_are_replaced_one_after_another() -> None:
    service = started(dataclasses.replace(POLICY, workers=3, max_requests=10))
    service.tell(*(Measured(worker_id, 10, 0) for worker_id in (1, 2, 3)))
    replaced: list[int] = []
    while len(replaced) < 3:
        service.tell(Ticked())
        states = service.roster.workers()
        (new,) = [worker_id for worker_id in states if states[worker_id] is State.BOOTING]
        replaced += ids(Drain, service.tell(Spawned(new), BecameReady(new)))
    assert replaced == [1, 2, 3]


def test_a_replacement_that_cannot_boot_leaves_the_old_worker_serving() -> None:
    service = started(dataclasses.replace(POLICY, workers=1, max_requests=10))
    assert ids(Spawn, service.tell(Measured(1, 10, 0))) == [2]
    wanted = service.tell(died(2))
    assert ids(Drain, wanted) == []
    assert ids(Spawn, service.pass_time(1)) == [3]
    assert service.roster.workers()[1] is State.READY


def test_while_a_replacement_is_delayed_no_second_worker_is_recycled() -> None:
    service = started(dataclasses.replace(POLICY, max_requests=10))
    assert ids(Spawn, service.tell(Measured(2, 10, 0))) == [3]
    service.tell(died(3), Measured(1, 10, 0))
    assert ids(Spawn, service.pass_time(1)) == [4]


def test_no_worker_is_replaced_for_its_memory_just_after_its_start() -> None:
    service = started(dataclasses.replace(POLICY, workers=1, max_worker_rss_bytes=10))
    assert ids(Spawn, service.tell(Measured(1, 0, 20))) == []


def test_a_reload_waits_for_no_recycling_and_begins_none() -> None:
    service = started(dataclasses.replace(POLICY, max_requests=10))
    wanted = reload(service)
    assert ids(Spawn, service.tell(Measured(1, 10, 0))) == []
    assert ids(Drain, service.boot(wanted)) == [1, 2]


def test_the_jitter_spreads_workers_over_its_whole_range() -> None:
    policy = dataclasses.replace(POLICY, max_requests=100, max_requests_jitter=100)
    due = []
    for worker_id in range(1, 9):
        member = Member(worker_id, 1, 0.0, ready_at=0.0)
        while not reason_to_retire(member, policy, 0.3, 1.0):
            member.requests += 1
        due.append(member.requests)
    due.sort()
    assert 100 <= due[0] <= due[-1] < 200
    assert min(b - a for a, b in itertools.pairwise(due)) >= 5


# Stop


def test_a_graceful_stop_drains_then_kills_at_graceful_timeout_then_halts() -> None:
    service = started()
    wanted = service.tell(StopRequested(graceful=True))
    assert wanted == [FailReadiness(), StopListening(), Drain(1), Drain(2)]
    assert service.tell(died(1, 0)) == []
    assert ids(Kill, service.pass_time(11)) == [2]
    assert service.tell(died(2)) == [Halt(0, "")]


def test_a_stop_now_kills_even_what_drains() -> None:
    service = started()
    service.tell(StopRequested(graceful=True))
    assert ids(Kill, service.tell(StopRequested(graceful=False))) == [1, 2]


def test_a_stop_during_the_start_drains_what_boots_for_it_may_be_ready_by_now() -> None:
    service = Service()
    service.tell(Ticked(), Spawned(1), Spawned(2))
    assert ids(Drain, service.tell(StopRequested(graceful=True))) == [1, 2]
    assert service.tell(BecameReady(1), died(1), died(2)) == [Halt(0, "")]


def test_a_worker_that_boots_on_although_it_is_not_wanted_is_killed_in_time() -> None:
    service = Service()
    service.tell(Ticked(), Spawned(1), Spawned(2), StopRequested(graceful=True))
    assert ids(Kill, service.pass_time(11)) == [1, 2]


# Stop after shutdown_delay

LEAVING = dataclasses.replace(POLICY, shutdown_delay=5)


def leaving(policy: Policy = LEAVING, *, lives: float = 60) -> Service:
    """A service that was told to stop and waits, its workers so old."""
    service = started(policy)
    service.pass_time(lives)
    wanted = service.tell(StopRequested(graceful=True))
    assert wanted[0] == FailReadiness()
    assert not [a for a in wanted if isinstance(a, Drain | Kill | StopListening | Halt)]
    return service


def test_a_graceful_stop_fails_readiness_at_once_and_drains_after_shutdown_delay() -> None:
    service = leaving()
    assert service.pass_time(4.9) == []
    wanted = service.pass_time(0.2)
    assert wanted == [Announce("info", "draining"), StopListening(), Drain(1), Drain(2)]
    assert ids(Kill, service.pass_time(9.9)) == []
    assert ids(Kill, service.pass_time(1)) == [1, 2]
    assert service.tell(died(1), died(2)) == [Halt(0, "")]


def test_the_master_wakes_when_shutdown_delay_is_over() -> None:
    service = leaving(dataclasses.replace(LEAVING, shutdown_delay=0.3))
    assert service.roster.next_deadline(service.now) == pytest.approx(service.now + 0.3)


def test_a_worker_that_dies_during_shutdown_delay_is_replaced_and_drains_with_the_others() -> None:
    service = leaving()
    assert ids(Spawn, service.tell(died(1))) == [3]
    service.tell(Spawned(3), BecameReady(3))
    assert ids(Drain, service.pass_time(5)) == [2, 3]


def test_a_replacement_that_is_not_ready_when_shutdown_delay_ends_is_drained_too() -> None:
    service = leaving()
    service.tell(died(1), Spawned(3))
    assert ids(Drain, service.pass_time(5)) == [2, 3]


def test_a_worker_that_hangs_during_shutdown_delay_is_replaced() -> None:
    service = leaving(dataclasses.replace(LEAVING, shutdown_delay=100))
    assert ids(Abort, service.pass_time(31, beating=False)) == [1, 2]
    assert ids(Spawn, service.tell(died(1))) == [3]


def test_workers_that_all_die_in_a_crash_loop_during_shutdown_delay_end_with_it() -> None:
    service = leaving(lives=0)
    dying = [1, 2]
    while service.roster.drains_at is not None:
        service.tell(*map(died, dying))
        wanted = service.pass_time(0.5)
        dying = ids(Spawn, wanted)
    assert not dying
    assert [*wanted, *service.tell(*map(died, service.roster.workers()))][-1] == Halt(0, "")


def test_during_shutdown_delay_nothing_is_reloaded_resized_or_recycled() -> None:
    service = leaving(dataclasses.replace(LEAVING, max_requests=10))
    reload(service)
    service.tell(ResizeRequested(1), ScaleRequested(5), Measured(1, 100, 0))
    assert service.pass_time(4) == []


def test_a_start_that_completes_during_shutdown_delay_is_not_announced() -> None:
    service = Service(LEAVING)
    service.tell(Ticked(), Spawned(1), BecameReady(1), Spawned(2))
    service.tell(StopRequested(graceful=True))
    assert service.roster.drains_at is not None
    assert service.tell(BecameReady(2)) == []


def test_a_second_graceful_stop_does_not_begin_shutdown_delay_anew() -> None:
    service = leaving()
    service.pass_time(4)
    assert service.tell(StopRequested(graceful=True)) == []
    assert ids(Drain, service.pass_time(1)) == [1, 2]


def test_a_stop_now_during_shutdown_delay_kills_at_once() -> None:
    service = leaving()
    assert service.tell(StopRequested(graceful=False)) == [Kill(1), Kill(2)]


def test_a_stop_during_a_reload_lets_the_old_generation_serve_through_shutdown_delay() -> None:
    service = started(LEAVING)
    reload(service)
    service.tell(Spawned(3), BecameReady(3), Spawned(4))
    assert ids(Drain, service.tell(StopRequested(graceful=True))) == [4, 3]
    assert ids(Drain, service.pass_time(5)) == [1, 2]


def test_a_service_that_never_served_does_not_wait_for_shutdown_delay() -> None:
    service = Service(LEAVING)
    service.tell(Ticked(), Spawned(1), Spawned(2))
    assert ids(Drain, service.tell(StopRequested(graceful=True))) == [1, 2]


def test_a_master_that_hands_over_neither_waits_nor_fails_readiness() -> None:
    service = started(LEAVING)
    wanted = service.tell(StopRequested(graceful=True, is_handover=True))
    assert wanted == [StopListening(), Drain(1), Drain(2)]


# Groups


def test_each_group_has_its_own_number_of_workers() -> None:
    service = Service(POLICY, admin=ONE)
    wanted = service.tell(Ticked())
    assert wanted == [Spawn(1, 1, 0), Spawn(2, 1, 0), Spawn(3, 1, 0, "admin")]
    assert Serving(1) not in service.boot(wanted[:2])
    assert Serving(1) in service.boot(wanted[2:])


def test_a_group_that_cannot_begin_ends_the_start_and_lets_the_others_finish() -> None:
    service = Service(POLICY, admin=ONE)
    service.boot(service.tell(Ticked())[:2])
    service.tell(Spawned(3))
    wanted = service.tell(Exited(3, "admin: no app", 78))
    assert (ids(Drain, wanted), ids(Kill, wanted), ids(Spawn, wanted)) == ([1, 2], [], [])
    assert service.tell(died(1, 0), died(2, 0))[-1] == Halt(78, "admin: no app")


def test_a_reload_switches_only_when_every_worker_of_every_group_is_ready() -> None:
    service = started(POLICY, admin=ONE)
    wanted = service.tell(ReloadRequested(plan(version=1, admin=ONE)))
    assert [(a.group, a.version) for a in wanted if isinstance(a, Spawn)] == [
        ("", 1), ("", 1), ("admin", 1),
    ]  # fmt: skip
    assert ids(Drain, service.tell(BecameReady(4), BecameReady(5))) == []
    assert ids(Drain, service.tell(BecameReady(6))) == [1, 2, 3]


def test_a_group_that_cannot_boot_fails_the_reload_of_all() -> None:
    service = started(POLICY, admin=ONE)
    service.tell(ReloadRequested(plan(version=1, admin=ONE)), BecameReady(4), BecameReady(5))
    wanted = service.tell(Exited(6, "no app", 78))
    assert wanted == [ReloadFailed(2, 1, "no app"), Drain(5), Drain(4)]


def test_a_reload_may_bring_groups_and_take_others_away() -> None:
    service = started(POLICY, admin=ONE)
    wanted = service.tell(ReloadRequested(Plan(1, {"extra": ONE})))
    assert [a.group for a in wanted if isinstance(a, Spawn)] == ["extra"]
    assert ids(Drain, service.boot(wanted)) == [1, 2, 3]
    service.tell(*(died(worker_id, 0) for worker_id in (1, 2)))
    assert ids(Kill, service.pass_time(POLICY.graceful_timeout + 1)) == [3]
    assert ids(Spawn, service.tell(died(3))) == []


def test_a_crash_loop_in_one_group_does_not_delay_another() -> None:
    service = started(POLICY, admin=ONE)
    assert ids(Spawn, service.tell(died(3))) == []
    assert ids(Spawn, service.pass_time(POLICY.worker_timeout / 2)) == [4]
    service.tell(BecameReady(4), died(4))
    assert [a.group for a in service.tell(died(1)) if isinstance(a, Spawn)] == [""]


def test_groups_are_resized_by_themselves_and_a_group_that_is_not_there_is_none() -> None:
    service = started(POLICY, admin=ONE)
    wanted = service.tell(ScaleRequested(2, "admin"))
    assert wanted == [Announce("info", "workers wanted of admin: 2"), Spawn(4, 1, 0, "admin")]
    assert service.tell(ResizeRequested(1, "extra")) == []
    service.tell(ScaleRequested(256, "admin"))
    assert sum(each.workers for each in service.roster.plan.groups.values()) == MOST_WORKERS


def test_each_group_is_recycled_by_itself() -> None:
    recycled = dataclasses.replace(ONE, max_requests=10)
    service = started(recycled, admin=recycled)
    assert ids(Spawn, service.tell(Measured(1, 10, 0), Measured(2, 10, 0))) == [3, 4]
    assert ids(Drain, service.tell(BecameReady(4))) == [2]


def test_what_is_tuned_holds_at_once_for_workers_that_serve_and_their_number_stays() -> None:
    service = started()
    tuned = dataclasses.replace(POLICY, workers=7, worker_timeout=5)
    assert service.tell(Tuned({"": tuned})) == []
    assert service.roster.plan.groups[""].workers == POLICY.workers
    assert ids(Abort, service.pass_time(5.5, beating=False)) == [1, 2]


def test_what_is_tuned_during_a_reload_holds_for_both_generations() -> None:
    service = started()
    reload(service)
    service.tell(Tuned({"": dataclasses.replace(POLICY, boot_timeout=3)}))
    assert ids(Kill, service.pass_time(4)) == [3, 4]


# Random histories


class Histories(RuleBasedStateMachine):
    """Any order of events; a worker does what it is told sooner, later or not before it is killed."""

    def __init__(self) -> None:
        super().__init__()
        self.service = Service(RECYCLING, admin=RECYCLING)
        self.to_tell: list[Event] = []
        self.alive: set[int] = set()
        self.told: set[int] = set()
        self.place_of: dict[int, tuple[int, str]] = {}  # generation and group
        self.ready: set[int] = set()
        self.version = 0
        self.stopping = False
        self.halted = False
        self.sound = True
        self.beat_at: dict[int, float] = {}
        self.do(Ticked())

    def do(self, *events: Event) -> None:
        """Tells the events, and then what comes up while the actions are carried out."""
        self.to_tell += events
        while self.to_tell:
            before = set(self.ready)
            self.sound = False  # until every check has passed: teardown must not hide the first
            for action in self.service.tell(self.to_tell.pop(0)):
                self.check(action, before)
            self.sound = True

    def check(self, action: Action, ready: set[int]) -> None:
        match action:
            case Spawn(worker_id, generation, _, group):
                assert not self.is_ending
                assert worker_id not in self.place_of
                self.place_of[worker_id] = generation, group
                self.alive.add(worker_id)
                self.beat_at[worker_id] = self.service.now
                self.to_tell.append(Spawned(worker_id))
            case Drain(worker_id):
                assert worker_id in self.alive
                boots = worker_id not in ready
                place = self.place_of[worker_id]
                assert boots or self.is_ending or self.may_be_drained(*place)
                self.told.add(worker_id)
            case Abort(worker_id):
                self.told.add(worker_id)
                assert worker_id in self.alive & ready
                silent = self.service.now - self.beat_at[worker_id]
                assert silent >= POLICY.worker_timeout - 1e-6
            case Kill(worker_id):
                assert worker_id in self.alive
                self.told.add(worker_id)
            case Halt():
                assert not self.alive
                self.halted = True
            case Serving(generation):
                assert generation == self.service.roster.generation
                assert self.is_complete(self.ready & self.alive)

    @property
    def is_ending(self) -> bool:
        return self.stopping and self.service.roster.drains_at is None

    def is_complete(self, serving: set[int]) -> bool:
        """Whether every group of the generation that serves has enough of these workers."""
        roster = self.service.roster
        return all(
            sum(self.place_of[w] == (roster.generation, group) for w in serving) >= policy.workers
            for group, policy in roster.plan.groups.items()
        )

    def may_be_drained(self, generation: int, group: str) -> bool:
        """Whether enough others of a generation that serves are ready, or go on to serve."""
        roster = self.service.roster
        going_on = self.alive & self.ready - self.told
        if generation < roster.generation:
            return self.is_complete(going_on)
        serving = sum(self.place_of[w] == (roster.generation, group) for w in going_on)
        return serving > roster._wanted(generation, group) or generation > roster.generation

    @precondition(lambda self: self.alive - self.ready)
    @rule(data=st.data())
    def becomes_ready(self, data: st.DataObject) -> None:
        worker_id = data.draw(st.sampled_from(sorted(self.alive - self.ready)))
        self.ready.add(worker_id)
        self.beat_at[worker_id] = self.service.now
        self.do(BecameReady(worker_id))

    @precondition(lambda self: self.alive)
    @rule(data=st.data(), code=st.sampled_from([0, 70, 78]))
    def dies(self, data: st.DataObject, code: int) -> None:
        worker_id = data.draw(st.sampled_from(sorted(self.alive)))
        self.alive.discard(worker_id)
        self.do(died(worker_id, code))

    @rule(seconds=st.sampled_from([0.1, 1.0, 4.0, 35.0, 3600.0]), beating=st.booleans())
    def time_passes(self, seconds: float, beating: bool) -> None:
        end = self.service.now + seconds
        while self.service.now < end:
            self.service.now = min(self.service.now + (1.0 if seconds < 60 else seconds), end)
            if beating:
                for worker_id in self.alive & self.ready:
                    self.beat_at[worker_id] = self.service.now
                    self.do(Beat(worker_id, self.service.now))
            self.do(Ticked())

    @rule(groups=st.dictionaries(GROUPS, st.integers(1, 3), min_size=1))
    def reload(self, groups: dict[str, int]) -> None:
        self.version += 1
        policies = {
            name: dataclasses.replace(RECYCLING, workers=workers)
            for name, workers in groups.items()
        }
        self.do(ReloadRequested(Plan(self.version, policies)))

    @rule(by=st.sampled_from([-1, 1]), group=GROUPS)
    def resize(self, by: int, group: str) -> None:
        self.do(ResizeRequested(by, group))

    @rule(workers=st.integers(1, 4), group=GROUPS)
    def scale(self, workers: int, group: str) -> None:
        self.do(ScaleRequested(workers, group))

    @rule(group=GROUPS, lifetime=st.sampled_from([500, 600]))
    def tune(self, group: str, lifetime: float) -> None:
        tuned = dataclasses.replace(RECYCLING, workers=9, max_worker_lifetime=lifetime)
        self.do(Tuned({group: tuned}))

    @precondition(lambda self: self.alive)
    @rule(data=st.data(), requests=st.integers(0, 300), rss_bytes=st.integers(0, 2000))
    def is_measured(self, data: st.DataObject, requests: int, rss_bytes: int) -> None:
        worker_id = data.draw(st.sampled_from(sorted(self.alive)))
        self.do(Measured(worker_id, requests, rss_bytes))

    @rule(graceful=st.booleans())
    def stop(self, graceful: bool) -> None:
        self.stopping = True
        self.do(StopRequested(graceful))

    @invariant()
    def the_roster_knows_exactly_who_is_alive(self) -> None:
        assert set(self.service.roster.workers()) == self.alive

    @invariant()
    def no_generation_has_more_workers_that_may_go_on_than_wanted(self) -> None:
        roster = self.service.roster
        for place in set(self.place_of.values()):
            going_on = {w for w in self.alive - self.told if self.place_of[w] == place}
            assert len(going_on) <= roster._wanted(*place) + roster._workers.spare(*place)

    @invariant()
    def workers_of_a_group_are_recycled_one_at_a_time(self) -> None:
        for place in set(self.place_of.values()):
            assert self.service.roster._workers.spare(*place) <= 1

    def teardown(self) -> None:
        """However it went, a stop ends it: everybody is told, and when all are gone it halts."""
        if not self.sound:
            return
        self.stop(graceful=True)
        self.stop(graceful=False)
        assert self.alive <= self.told
        for worker_id in sorted(self.alive):
            self.alive.discard(worker_id)
            self.do(died(worker_id))
        self.do(Ticked())
        assert self.halted


Histories.TestCase.settings = settings(max_examples=300, stateful_step_count=40, deadline=None)
TestHistories = Histories.TestCase


def test_a_gap_that_counts_as_suspended_is_longer_than_a_tick() -> None:
    assert SUSPENDED_SECONDS > 1.0
