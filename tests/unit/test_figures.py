"""Counts that never fall: series in shared memory, dead workers' counts, and what is made of them."""

from __future__ import annotations

import os
from bisect import bisect_left

from hypothesis import given, settings
from hypothesis import strategies as st

from wsgisrv import series
from wsgisrv.figures import quantile, read_figures
from wsgisrv.scoreboard import BUCKETS, LATENCY_BOUNDS, Common, Scoreboard, State, Word
from wsgisrv.series import OTHER, OVERFLOW, REQUEST, ROWS, name_of
from wsgisrv.worker.counters import MOST_ROUTES, Counters


def begin(board: Scoreboard, index: int) -> Counters:
    """Gives a slot to a new worker."""
    board.hand_out(index).words[Word.STATE] = State.READY
    return Counters()


def answer(counters: Counters, method: str, status: int, route: str, seconds: float = 0.01) -> None:
    row, _ = counters.row_of("", method, status, route)
    row[0] += 1
    row[1] += seconds
    counters.latency[bisect_left(LATENCY_BOUNDS, seconds)] += 1


def requests(board: Scoreboard) -> dict[tuple[str, ...], int]:
    return {labels: count for labels, (count, _) in read_figures(board).of_kind(REQUEST).items()}


def test_what_a_child_counts_the_parent_reads_and_keeps_when_it_is_dead() -> None:
    board = Scoreboard(2)
    counters = begin(board, 0)
    pid = os.fork()
    if not pid:
        answer(counters, "GET", 2, "/things")
        counters.publish(board[0], 1, 2)
        os._exit(0)
    os.waitpid(pid, 0)
    key = ("", "GET", "2xx", "/things")
    assert requests(board) == {key: 1}
    found = read_figures(board)
    assert (found.gauge(Word.IN_FLIGHT), found.gauge(Word.WAITING)) == (1, 2)
    board.retire(0)
    assert requests(board) == {key: 1}
    assert read_figures(board).workers == ()
    second = begin(board, 0)
    assert requests(board) == {key: 1}
    answer(second, "GET", 2, "/things")
    answer(second, "GET", 5, "/things")
    second.publish(board[0], 0, 0)
    assert requests(board) == {key: 2, ("", "GET", "5xx", "/things"): 1}
    assert sum(read_figures(board).histograms[Word.LATENCY]) == 3


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["answer", "publish", "die"]),
        st.integers(0, 2),
        st.sampled_from(["GET", "POST", "BREW"]),
        st.sampled_from(["", "/a", "/b/{id}"]),
        st.floats(0, 100),
    ),
    max_size=20,
)


@settings(max_examples=40, deadline=None)
@given(STEPS)
def test_no_counter_falls_whatever_workers_do(
    steps: list[tuple[str, int, str, str, float]],
) -> None:
    board = Scoreboard(3)
    workers = [begin(board, index) for index in range(3)]
    last = read_figures(board)
    for what, index, method, route, seconds in steps:
        counters = workers[index]
        if what == "answer":
            answer(counters, method, 2, route, seconds)
            counters.note_waits(seconds, seconds / 2, seconds / 4)
            counters.note_refused(400, "invalid method")
        else:
            counters.publish(board[index], 0, 0)
        if what == "die":
            board.retire(index)
            workers[index] = begin(board, index)
        found = read_figures(board)
        for name, (count, total) in last.series.items():
            assert found.series[name][0] >= count
            assert found.series[name][1] >= total - 1e-9
        for word, buckets in last.histograms.items():
            pairs = zip(buckets, found.histograms[word], strict=True)
            assert all(now >= then for then, now in pairs), word
        last = found
    whole, queue, app = (
        sum(last.histograms[word]) for word in (Word.LATENCY, Word.QUEUE, Word.APP)
    )
    assert whole == queue == app


def test_labels_are_bounded_and_nothing_is_lost() -> None:
    board = Scoreboard(1)
    counters = begin(board, 0)
    for number in range(3 * ROWS):
        answer(counters, f"M{number}", 2, f"/{number}")
        answer(counters, "GET", number % 6, f"/{number}")
        counters.note_refused(400, f"reason {number}")
        counters.note_timeout("header")
    counters.publish(board[0], 0, 0)
    found = requests(board)
    assert sum(found.values()) == 6 * ROWS
    assert len({labels[3] for labels in found}) <= MOST_ROUTES + 1
    assert {labels[1] for labels in found} == {"GET", OTHER}
    assert len(list(board[0].series)) < ROWS


def test_a_table_that_is_full_counts_on_in_its_last_row() -> None:
    board = Scoreboard(1)
    rows = [
        (name_of(REQUEST, "", "GET", "2xx", f"/{number}"), 2, 1.0) for number in range(ROWS + 9)
    ]
    board.retired.add_series(rows)
    names = [name for name, _, _ in board.retired.series]
    assert (len(names), names[-1]) == (ROWS, OVERFLOW)
    assert sum(requests(board).values()) == 2 * (ROWS + 9)


def test_a_name_that_is_too_long_is_cut_and_a_separator_in_it_is_none() -> None:
    board = Scoreboard(1)
    board.retired.add_series([(name_of(REQUEST, "", "GET", "2xx", "/é" * 200 + "\x1f"), 1, 0.0)])
    ((labels, count),) = requests(board).items()
    assert (len(labels), count) == (4, 1)
    assert len(labels[3].encode()) <= series.NAME_BYTES


def test_a_reader_looks_again_when_the_master_has_added_up_meanwhile() -> None:
    board = Scoreboard(1)
    board.common[Common.FOLDS] += 1  # a master that died in the midst of it
    assert read_figures(board).workers == ()


def test_quantiles_lie_within_their_bucket() -> None:
    buckets = [0] * BUCKETS
    assert quantile(buckets, 0.5) == 0.0
    buckets[3] = 100
    assert LATENCY_BOUNDS[2] < quantile(buckets, 0.5) < LATENCY_BOUNDS[3]
    assert quantile(buckets, 1.0) == LATENCY_BOUNDS[3]
    buckets[-1] = 900
    assert quantile(buckets, 0.99) == LATENCY_BOUNDS[-1]
