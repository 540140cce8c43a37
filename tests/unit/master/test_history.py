"""Why workers have ended: the cause that is counted, by how they stood."""

from __future__ import annotations

import pytest

from wsgisrv.figures import read_figures
from wsgisrv.master.history import MOST_EVENTS, Cause, History, cause_of
from wsgisrv.master.member import Member, State
from wsgisrv.scoreboard import Scoreboard
from wsgisrv.series import RELOAD, RESTART


def member(state: State, **more: object) -> Member:
    made = Member(1, 2, 0.0, state=state, ready_at=None if state is State.BOOTING else 1.0)
    for name, value in more.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("found", "generation", "was_killed", "is_stopping", "cause"),
    [
        (member(State.READY), 2, False, False, Cause.CRASH),
        (member(State.READY), 2, True, False, Cause.SIGNAL),
        (member(State.BOOTING), 2, False, False, Cause.BOOT),
        (member(State.BOOTING, aborted=True), 2, True, False, Cause.BOOT),
        (member(State.KILLED, aborted=True), 2, True, False, Cause.HANG),
        (member(State.DRAINING, retiring=True), 2, False, False, Cause.RECYCLE),
        (member(State.READY, retiring=True), 2, True, False, Cause.SIGNAL),
        (member(State.DRAINING), 3, False, False, Cause.RELOAD),
        (member(State.KILLED), 3, True, False, Cause.RELOAD),
        (member(State.DRAINING), 2, False, False, None),
        (member(State.DRAINING), 2, False, True, None),
        (member(State.READY), 2, True, True, None),
    ],
)
def test_a_cause_is_found(
    found: Member, generation: int, was_killed: bool, is_stopping: bool, cause: Cause | None
) -> None:
    assert (
        cause_of(found, generation=generation, was_killed=was_killed, is_stopping=is_stopping)
        is cause
    )


def test_every_cause_is_there_from_the_start_and_the_last_events_are_kept() -> None:
    board = Scoreboard(1)
    history = History(board)
    restarts = read_figures(board).of_kind(RESTART)
    assert restarts == {(cause.value,): (0, 0.0) for cause in Cause}
    for number in range(MOST_EVENTS + 5):
        history.note_exit(Cause.CRASH, f"worker {number} exited")
    history.note_exit(Cause.RELOAD, "as was asked for")
    history.note_exit(None, "likewise")
    history.note_reload(has_succeeded=False, text="generation 2 failed: no")
    found = read_figures(board)
    assert found.of_kind(RESTART)[("crash",)][0] == MOST_EVENTS + 5
    assert found.of_kind(RESTART)[("reload",)][0] == 1
    assert found.of_kind(RELOAD) == {("done",): (0, 0.0), ("failed",): (1, 0.0)}
    events = history.events(1e9)
    assert len(events) == MOST_EVENTS
    assert (events[0]["kind"], events[1]["text"]) == ("reload failed", "worker 54 exited")
