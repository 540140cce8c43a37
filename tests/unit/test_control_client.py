"""The commands' end of the control socket, against a master of a few lines."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.http import DEADLINE
from wsgisrv.control import encode, failure
from wsgisrv.control_client import ask
from wsgisrv.errors import UnavailableError

AGAIN = {**failure("another master has taken over; ask again", 69), "again": True}


@contextlib.contextmanager
def answering(path: Path, *answers: dict[str, Any]) -> Iterator[list[bytes]]:
    """Answers one connection after another, and yields what each has asked."""
    asked: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        for answer in answers:
            with listener.accept()[0] as sock:
                sock.settimeout(DEADLINE)
                asked.append(sock.recv(4096))
                sock.sendall(encode(answer))

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.settimeout(DEADLINE)
        listener.bind(str(path))
        listener.listen()
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield asked
        thread.join(DEADLINE)


def test_a_master_that_another_has_followed_is_asked_no_more_but_the_other_is(
    tmp_path: Path,
) -> None:
    path = tmp_path / "s"
    with answering(path, AGAIN, AGAIN, {"ok": True, "pid": 7}) as asked:
        assert ask(str(path), {"command": "status"}) == {"ok": True, "pid": 7}
    assert asked == [b'{"command":"status"}\n'] * 3


def test_who_is_sent_away_waits_no_longer_than_it_may(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with (
        answering(path, AGAIN),
        pytest.raises(UnavailableError, match="does not answer in time"),
    ):
        ask(str(path), {"command": "status"}, seconds=0.2)
