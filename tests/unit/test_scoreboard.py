"""The scoreboard: slots apart from each other, shared over a fork, requests named in place."""

from __future__ import annotations

import os

from wsgisrv.scoreboard import LATENCY_BOUNDS, LINE_BYTES, ROWS, Real, Scoreboard, State, Word


def test_what_a_child_writes_the_parent_reads() -> None:
    board = Scoreboard(2)
    pid = os.fork()
    if not pid:
        board[1].words[Word.REQUESTS] = 7
        board[1].reals[Real.BEAT] = 12.5
        os._exit(0)
    os.waitpid(pid, 0)
    assert (board[1].words[Word.REQUESTS], board[1].reals[Real.BEAT]) == (7, 12.5)
    assert (board[0].words[Word.REQUESTS], board[0].reals[Real.BEAT]) == (0, 0.0)


def test_a_cleared_slot_is_free_and_its_neighbours_are_untouched() -> None:
    board = Scoreboard(3)
    for slot in (board[0], board[1], board[2]):
        slot.words[Word.STATE] = State.READY
        slot.begin_request(ROWS - 1, 1.0, b"GET / HTTP/1.1")
    board[1].clear()
    assert [board[i].words[Word.STATE] for i in range(3)] == [State.READY, State.FREE, State.READY]
    assert [len(board[i].requests_in_flight()) for i in range(3)] == [1, 0, 1]


def test_requests_in_flight_are_listed_oldest_first_and_cut() -> None:
    slot = Scoreboard(1)[0]
    slot.begin_request(5, 2.0, b"GET /late HTTP/1.1")
    slot.begin_request(0, 1.0, b"GET /" + b"a" * 500)
    assert slot.requests_in_flight() == [
        (1.0, "GET /" + "a" * (LINE_BYTES - 5)),
        (2.0, "GET /late HTTP/1.1"),
    ]
    slot.end_request(0)
    assert [line for _, line in slot.requests_in_flight()] == ["GET /late HTTP/1.1"]


def test_no_two_words_share_a_place() -> None:
    latency = range(Word.LATENCY, Word.LATENCY + len(LATENCY_BOUNDS) + 1)
    places = [*(set(Word) - {Word.LATENCY}), *latency, *Real]
    assert len(set(places)) == len(places)
    assert max(places) < 512
