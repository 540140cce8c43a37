"""Listeners of an old master in a new one: borrowed until it hands over, then the new one's."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.support.daemons import open_directory
from wsgisrv.config import Settings
from wsgisrv.errors import ConfigError, NotPermittedError
from wsgisrv.layout import ServerSettings
from wsgisrv.master.handover import VARIABLE, Handover, Predecessor, describe
from wsgisrv.master.listener_sets import ListenerSet, ListenerSets
from wsgisrv.master.socket_options import SocketOptions

NOBODY = 65534


def opened(known: dict[str, Any] | None = None, **changed: Any) -> ListenerSets:
    """Opens the listeners of a service with these settings."""
    server = ServerSettings("", dataclasses.replace(Settings(), **changed))
    return ListenerSets(ListenerSet.open([server], known or {}, 0, wait=print))


def taken(old: ListenerSets, *, without: tuple[str, ...] = ()) -> Predecessor:
    """Returns the old master as a new one has it, in this same process.

    Args:
        without: what an older version does not say.
    """
    ours, theirs = socket.socketpair()
    ours.close()
    described = [
        {**describe(listener), "fd": os.dup(listener.socket.fileno())} for listener in old[0].all()
    ]
    handover = Handover(
        to=os.getpid(),
        pid=1,
        channel=theirs.detach(),
        stderr=os.dup(2),
        listeners=[{k: v for k, v in each.items() if k not in without} for each in described],
        control=None,
        inherited=[],
        is_detached=False,
        line=-1,
    )
    predecessor = Predecessor.take({VARIABLE: json.dumps(dataclasses.asdict(handover))})
    assert predecessor is not None
    os.close(handover.stderr)
    predecessor.starter.close()
    return predecessor


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_nothing_of_a_borrowed_socket_changes_before_the_old_master_hands_over(
    tmp_path: Path,
) -> None:
    path = tmp_path / "s"
    bind = (f"unix:{path}", "127.0.0.1:0")
    old = opened(bind=bind, unix_mode="0600", tcp_keepidle=77, tcp_keepintvl=7, reuse_port=True)
    tcp = old[0].all()[1].socket
    predecessor = taken(old)
    new = opened(predecessor.known, bind=bind)
    new[0].check()
    new.configure()
    assert mode_of(path) == 0o600
    assert keepalive_of(tcp) == (77, 7, 1)
    predecessor.hand_over()
    new.configure()
    assert mode_of(path) == 0o660
    with socket.socket() as fresh:
        system = fresh.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL)
    assert keepalive_of(tcp) == (600, system, 0)
    new.close()
    assert not path.exists()
    old.close()


def keepalive_of(sock: socket.socket) -> tuple[int, int, int]:
    return (
        sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
        sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
        sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT),
    )


def test_a_new_master_that_fails_leaves_the_file_and_the_options(tmp_path: Path) -> None:
    path = tmp_path / "s"
    old = opened(bind=(f"unix:{path}",), unix_mode="0600")
    inode = path.stat().st_ino
    new = opened(taken(old).known, bind=(f"unix:{path}",), backlog=5)
    new.close()
    assert (path.stat().st_ino, mode_of(path)) == (inode, 0o600)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    old.close()
    assert not path.exists()


def test_a_file_that_was_removed_is_made_by_the_new_master(tmp_path: Path) -> None:
    path = tmp_path / "s"
    old = opened(bind=(f"unix:{path}",))
    path.unlink()
    predecessor = taken(old)
    new = opened(predecessor.known, bind=(f"unix:{path}",))
    predecessor.adopt(new[0].all())
    assert predecessor.adopted() == []
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    old.close()
    assert path.exists()
    new.close()
    assert not path.exists()


def test_an_owner_that_cannot_be_is_found_before_the_old_master_hands_over(tmp_path: Path) -> None:
    path = tmp_path / "s"
    old = opened(bind=(f"unix:{path}",))
    new = opened(taken(old).known, bind=(f"unix:{path}",), unix_owner="no_one", unix_mode="0666")
    with pytest.raises(ConfigError, match=r"unix_owner = no_one: there is no user no_one"):
        new[0].check()
    new.close()
    old.close()


def test_an_owner_that_may_not_be_given_a_file_is_found_before_and_the_file_stays_as_it_is() -> (
    None
):
    before = os.geteuid()
    with open_directory() as directory:
        path = directory / "s"
        old = opened(bind=(f"unix:{path}",))
        new = opened(taken(old).known, bind=(f"unix:{path}",), unix_owner="0:0")
        if not before:
            os.chown(path, NOBODY, NOBODY)
            os.seteuid(NOBODY)
        try:
            with pytest.raises(NotPermittedError, match=r"unix_owner = 0:0: not permitted"):
                new[0].check()
        finally:
            os.seteuid(before)
        new.close()
        assert mode_of(path) == 0o660
        old.close()


def test_what_an_older_master_does_not_say_is_as_by_default() -> None:
    old = opened(bind=("127.0.0.1:0",), tcp_keepidle=77)
    predecessor = taken(old, without=("options", "backlog"))
    (listener,) = predecessor.known["127.0.0.1:0"]
    assert (listener.backlog, listener.options) == (0, SocketOptions())
    new = opened(predecessor.known, bind=("127.0.0.1:0",), tcp_keepidle=50)
    predecessor.hand_over()
    new.configure()
    idle = old[0].all()[0].socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE)
    assert idle == 50
    new.close()
    old.close()
