"""The accept loop: nothing that accept(2) says ends it."""

from __future__ import annotations

import itertools
import os
import resource

from tests.support.server import serve

REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def test_a_worker_out_of_descriptors_says_so_once_and_recovers_by_itself() -> None:
    with serve("tests.apps.basic:hello", workers=1) as server:
        (pid,) = server.wait_ready()
        with server.connect() as first:
            assert first.get().status == 200
        room = 5
        used = {int(fd) for fd in os.listdir(f"/proc/{pid}/fd")}
        limit = next(
            itertools.islice((fd for fd in itertools.count() if fd not in used), room, None)
        )
        hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)[1]
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, hard))
        clients = [server.connect() for _ in range(room + 10)]
        for client in clients:
            client.send(REQUEST)
        server.wait_line(r"cannot accept: .*Too many open files; trying again every 0\.1 s")
        for client in clients:
            # Each that ends makes room for one that waits.
            assert client.response().status == 200
            client.end()
            client.assert_eof()
            client.socket.close()
        with server.connect() as client:
            assert client.get().status == 200
        assert server.log.count("cannot accept") == 1
        assert "was killed" not in server.log
