"""A bounded run of the fuzzer against a server: what it answers is what the reader reads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.fuzz import live
from tests.fuzz.mutator import ATTACK, FOLLOWER, Mutator
from tests.support.server import serve

CONNECTIONS = 6000


def test_a_server_answers_what_the_reader_reads_and_nothing_else() -> None:
    mutator = Mutator(seed=4)
    batch = [mutator.pieces(mutator.mutant()) for _ in range(CONNECTIONS)]
    with serve(live.APP, **live.OPTIONS) as server, ThreadPoolExecutor(8) as clients:
        wrongs = clients.map(lambda pieces: live.difference(server, pieces), batch)
        for pieces, wrong in zip(batch, wrongs, strict=True):
            assert not wrong, f"{wrong}\n{pieces}"


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
