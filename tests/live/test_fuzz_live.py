"""A bounded run of the fuzzer against a server: what it answers is what the reader reads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.fuzz import live
from tests.fuzz.faults import ATTACK
from tests.fuzz.mutator import Mutator
from tests.support.corpus import FOLLOWER
from tests.support.server import serve

CONNECTIONS = 4000
LEFT_OPEN = 300


def run(mutants: list[list[bytes]]) -> None:
    """Sends each mutant's pieces on a connection of its own."""
    with serve(live.APP, **live.OPTIONS) as server, ThreadPoolExecutor(8) as clients:
        wrongs = clients.map(lambda pieces: live.difference(server, pieces), mutants)
        for pieces, wrong in zip(mutants, wrongs, strict=True):
            assert not wrong, f"{wrong}\n{pieces}"
        assert not list(live.complaints(server))


def test_a_server_answers_what_the_reader_reads_and_nothing_else() -> None:
    mutator = Mutator(seed=4)
    run([mutator.pieces(mutator.mutant()) for _ in range(CONNECTIONS)])


def test_a_server_answers_no_attack_in_a_body() -> None:
    mutator = Mutator(seed=5)
    run([mutator.pieces(mutator.attack() + FOLLOWER) for _ in range(CONNECTIONS // 4)])


def test_a_server_answers_and_ends_connections_that_their_clients_leave_open() -> None:
    mutator = Mutator(seed=6)
    with serve(live.APP, **live.IMPATIENT) as server, live.Held(server) as held:
        for _ in range(LEFT_OPEN):
            held.send(mutator.unfinished())
        assert next(held.finish(), None) is None
        assert not list(live.complaints(server))


def test_a_body_is_never_answered_as_a_request() -> None:
    """An attacker's request in a body of each framing, behind each way to leave a body unread."""
    hidden = ATTACK * 20
    length = b"Content-Length: %d\r\n\r\n" % len(hidden) + hidden
    chunked = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(hidden), hidden)
    with serve(live.APP, **live.OPTIONS) as server:
        for body in (length, chunked):
            for target in (b"/", b"/ignore"):
                for more in (b"", b"Connection: close\r\n", b"Expect: 100-continue\r\n"):
                    head = b"POST %b HTTP/1.1\r\nHost: x\r\n%b" % (target, more)
                    whole = head + body + FOLLOWER
                    for pieces in ([whole], [head, body, FOLLOWER], [whole[:-300], whole[-300:]]):
                        assert not live.difference(server, pieces)
