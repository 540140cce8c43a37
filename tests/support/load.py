"""Clients that do not stop asking while something happens to the service.

Rules: a new connection that fails is a failure. A kept one may have been closed before any byte of a response
came, which RFC 9112 section 9.5 allows: the client then asks once more, on a new connection.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import Any

from tests.support.http import DEADLINE

_REQUEST = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"


class Load:
    """What the clients have seen."""

    def __init__(self, address: Any) -> None:
        self.failures: list[str] = []
        self.answers = 0
        self.retries = 0
        self._address = address
        self._ends = threading.Event()
        self._lock = threading.Lock()
        self._answered = threading.Condition(self._lock)

    def wait_answers(self, count: int) -> None:
        """Waits for so many more answers."""
        with self._answered:
            wanted = self.answers + count
            assert self._answered.wait_for(lambda: self.answers >= wanted, DEADLINE), self.failures

    def _run(self, *, keeps: bool) -> None:
        sock: socket.socket | None = None
        while not self._ends.is_set():
            is_reused = sock is not None
            try:
                if sock is None:
                    sock = _connected(self._address)
                kept = _ask(sock)
            except ClosedEarlyError as error:
                if sock is not None:
                    sock.close()
                sock = None
                self._note(retries=1) if is_reused else self._note(failure=repr(error))
                continue
            except (OSError, AssertionError) as error:
                if sock is not None:
                    sock.close()
                sock = None
                self._note(failure=repr(error))
                continue
            self._note(answers=1)
            if not (keeps and kept):
                sock.close()
                sock = None
        if sock is not None:
            sock.close()

    def _note(self, *, answers: int = 0, retries: int = 0, failure: str = "") -> None:
        with self._answered:
            self.answers += answers
            self.retries += retries
            self.failures += [failure] if failure else []
            self._answered.notify_all()


class ClosedEarlyError(Exception):
    """Raised when the connection ends before any byte of a response."""


def _connected(address: Any) -> socket.socket:
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.settimeout(DEADLINE)
    sock.connect(address)
    return sock


def _ask(sock: socket.socket) -> bool:
    """Asks once and returns whether the connection may be used again."""
    data = b""
    try:
        sock.sendall(_REQUEST)
        data = sock.recv(4096)
    except (ConnectionResetError, BrokenPipeError):
        raise ClosedEarlyError from None
    if not data:
        raise ClosedEarlyError
    while b"\r\n\r\n" not in data:
        data += _more(sock)
    head, _, body = data.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    lower = head.lower()
    length = int(lower.partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += _more(sock)
    assert len(body) == length
    return b"connection: close" not in lower


def _more(sock: socket.socket) -> bytes:
    data = sock.recv(4096)
    assert data, "the response was cut"
    return data


@contextlib.contextmanager
def load(address: Any, clients: int) -> Iterator[Load]:
    """Runs so many clients, of which every second one keeps its connection."""
    made = Load(address)
    threads = [
        threading.Thread(target=made._run, kwargs={"keeps": bool(number % 2)}, daemon=True)
        for number in range(clients)
    ]
    for thread in threads:
        thread.start()
    try:
        yield made
    finally:
        made._ends.set()
        for thread in threads:
            thread.join(DEADLINE)
