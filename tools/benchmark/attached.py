"""Clients that stay attached while others are measured: ``python -m benchmark.attached PORT COUNT KIND``.

``idle`` ones have had one answer and send nothing more. ``slow`` ones send a byte a second of a head, send a
byte a second of a body, or read a byte a second of a response of 1 MiB: a third of them each. It says
``attached`` on stdout once all are connected, and at the end of stdin how many the server has closed.
"""

from __future__ import annotations

import resource
import selectors
import socket
import sys

HOST = "127.0.0.1"
FIELDS = f"Host: {HOST}\r\nUser-Agent: slow/1.0\r\nAccept: application/json\r\n"
IDLE = f"GET / HTTP/1.1\r\n{FIELDS}\r\n".encode()
HEAD = f"GET / HTTP/1.1\r\n{FIELDS}X-Padding: {'x' * 10_000}".encode()
BODY = f"POST /upload HTTP/1.1\r\n{FIELDS}Content-Length: 10000\r\n\r\n{'x' * 10_000}".encode()
BODY_BEGINS = BODY.index(b"\r\n\r\n") + 4
READS = f"GET /mebibyte HTTP/1.1\r\n{FIELDS}\r\n".encode()
GROUPS = 50
"""Slow clients take turns, so that not all of them come at once, once a second."""


class Slow:
    """One slow client; ``step`` is what it does once a second."""

    def __init__(self, port: int, number: int) -> None:
        self.socket = socket.socket()
        kind = number % 3
        if kind == 2:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect((HOST, port))
        self.socket.setblocking(False)
        self._sends = (HEAD, BODY, READS)[kind]
        self._sent = self.socket.send(self._sends[: (1, BODY_BEGINS, len(READS))[kind]])

    def step(self) -> bool:
        """Returns whether the connection is still there."""
        try:
            if self._sent < len(self._sends):
                self._sent += self.socket.send(self._sends[self._sent : self._sent + 1])
                return True
            return bool(self.socket.recv(1))
        except BlockingIOError:
            return True
        except OSError:
            return False


def attach_idle(port: int) -> socket.socket:
    client = socket.create_connection((HOST, port), timeout=20)
    client.sendall(IDLE)
    if not client.recv(65536).startswith(b"HTTP/1.1 200"):
        raise SystemExit("an idle client got no answer")
    return client


def main() -> None:
    port, count, kind = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    selector = selectors.DefaultSelector()
    selector.register(sys.stdin, selectors.EVENT_READ)
    if kind == "idle":
        idle = [attach_idle(port) for _ in range(count)]
        print("attached", flush=True)
        selector.select()
        closed = sum(_is_closed(client) for client in idle)
    else:
        groups = [[Slow(port, i) for i in range(count)[n::GROUPS]] for n in range(GROUPS)]
        turn = 0
        while not selector.select(1 / GROUPS):
            group = turn % GROUPS
            groups[group] = [client for client in groups[group] if client.step()]
            turn += 1
            if turn == 2 * GROUPS:  # the server has met them all, and had time to
                print("attached", flush=True)
        closed = count - sum(map(len, groups))
    print(closed, flush=True)


def _is_closed(client: socket.socket) -> bool:
    client.setblocking(False)
    try:
        client.recv(1)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True  # nobody has asked for more, so this is the end


if __name__ == "__main__":
    main()
