"""The accept loop: nothing that accept(2) says ends it."""

from __future__ import annotations

import contextlib
import os
import resource

from tests.support.http import Client
from tests.support.server import Server, serve

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"

ROOM = 5
"""Descriptors that a worker still gets."""


def test_a_worker_out_of_descriptors_says_so_once_and_recovers_by_itself() -> None:
    with (
        serve("tests.apps.basic:hello", workers=1) as server,
        contextlib.ExitStack() as stack,
    ):
        clients = [stack.enter_context(server.connect()) for _ in range(limit_descriptors(server))]
        for client in clients:
            client.send(REQUEST)
        server.wait_line(r"cannot accept: .*Too many open files; trying again every 0\.1 s")
        for client in clients:
            # Each that ends makes room for one that waits.
            assert client.response().status == 200
            leave(client)
        with server.connect() as client:
            assert client.get().status == 200
        assert server.log.count("cannot accept") == 1
        assert "was killed" not in server.log


def limit_descriptors(server: Server) -> int:
    """Leaves the worker about ROOM free descriptors and returns how many it may have at all.

    Its numbers have gaps below the listener's, which is what this process had for it: so the free ones are
    counted, and only as many clients as there are numbers are certainly too many.
    """
    (pid,) = server.wait_ready()
    used = {int(fd) for fd in os.listdir(f"/proc/{pid}/fd")}
    free = [fd for fd in range(max(used) + ROOM + 2) if fd not in used]
    hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
    limit = free[ROOM]
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, hard))
    return limit


def leave(client: Client) -> None:
    client.end()
    client.assert_eof()
    client.socket.close()
