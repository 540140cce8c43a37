"""The accept loop against each error that accept(2) may have: it goes on, or rests and comes back."""

from __future__ import annotations

import errno
import io
import os
import socket
from collections.abc import Callable
from typing import Any, ClassVar

import pytest

from wsgisrv.worker.acceptor import STEP_BACK_SECONDS, Acceptor

A_CLIENT = 0


class Listener:
    """A listener whose accept(2) does what the test says, then finds nobody waiting."""

    family, type, proto = socket.AF_INET, socket.SOCK_STREAM, 0

    def __init__(self, *errors: int) -> None:
        self.errors = list(errors)
        self.calls = 0

    def _accept(self) -> tuple[int, Any]:
        self.calls += 1
        number = self.errors.pop(0) if self.errors else errno.EAGAIN
        if number == A_CLIENT:
            return socket.socket().detach(), ("127.0.0.1", 1)
        raise OSError(number, os.strerror(number))

    def fileno(self) -> int:
        return 99

    def getsockname(self) -> tuple[str, int]:
        return "127.0.0.1", 80

    def setsockopt(self, *_: object) -> None:
        """Has no options."""


class Hub:
    READ = "read"

    def __init__(self) -> None:
        self.watched: Callable[[int], None] | None = None
        self.later: list[tuple[float, Callable[[], None]]] = []

    def add(self, _kind: str, _fd: int, call: Callable[[int], None], *_: object) -> object:
        self.watched = call
        return call

    def remove(self, _listener: object) -> None:
        self.watched = None

    def schedule_call_global(self, seconds: float, call: Callable[[], None]) -> None:
        self.later.append((seconds, call))


class Server:
    """As much of a server as accepting asks."""

    label = ""
    shared_environ: ClassVar[dict[str, Any]] = {}

    def __init__(self) -> None:
        self.hub = Hub()
        self.tls = None
        self.proxies: list[str] = []
        self.error_stream = io.StringIO()

    def adopt(self, sock: Any, _peer: object, _environ: object) -> None:
        sock.close()

    def is_crowded(self) -> bool:
        return False

    def has_room(self) -> bool:
        return True

    def may_accept_after(self, _error: OSError) -> bool:
        return True


def accepting(*errors: int) -> tuple[Hub, Listener]:
    server: Any = Server()
    listener: Any = Listener(*errors)
    Acceptor(server, listener).start()
    return server.hub, listener


def wake(hub: Hub) -> None:
    assert hub.watched is not None
    hub.watched(99)


@pytest.mark.parametrize("name", ["EMFILE", "ENFILE", "ENOMEM", "ENOBUFS", "EPERM", "EPROTO"])
def test_what_passes_is_waited_for_and_said_once(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    number = getattr(errno, name)
    hub, listener = accepting(number, number, number)
    for _ in range(3):
        wake(hub)
        assert hub.watched is None, "it would spin: the listener is still readable"
        seconds, again = hub.later.pop()
        assert seconds == STEP_BACK_SECONDS
        again()
    wake(hub)
    assert listener.calls == 4
    assert hub.watched is not None
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    listener.errors.append(number)
    wake(hub)
    assert len(caplog.records) == 2, "what comes again after it had passed is said again"


@pytest.mark.parametrize("name", ["ECONNABORTED", "ECONNRESET"])
def test_a_connection_that_is_lost_is_not_the_listener_s_fault(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    hub, listener = accepting(getattr(errno, name), getattr(errno, name))
    wake(hub)
    assert listener.calls == 3
    assert hub.watched is not None
    assert not hub.later
    assert not caplog.records


@pytest.mark.parametrize("name", ["EMFILE", "ENFILE", "ENOMEM", "ENOBUFS"])
def test_the_last_client_that_there_was_room_for_is_no_trouble_if_nobody_waits_behind_it(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    number = getattr(errno, name)
    hub, listener = accepting(A_CLIENT, number, number)
    wake(hub)
    assert hub.watched is not None
    assert not hub.later
    assert not caplog.records
    wake(hub)
    assert listener.calls == 3
    assert len(hub.later) == 1, "somebody waits"
    assert len(caplog.records) == 1
