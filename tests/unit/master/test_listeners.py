"""Listening sockets: what binds, what does not, and what is left behind."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from wsgisrv.errors import AddressInUseError, ConfigError
from wsgisrv.master.binders import resolve
from wsgisrv.master.inherited import inherited_listeners
from wsgisrv.master.listeners import open_listeners


def test_tcp_over_both_families_and_a_unix_socket_listen(tmp_path: Path) -> None:
    path = tmp_path / "s"
    found = open_listeners(["127.0.0.1:0", "[::1]:0", f"unix:{path}"], backlog=5, timeout=0)
    assert [listener.url.rpartition(":")[0] for listener in found] == [
        "http://127.0.0.1", "http://[::1]", "unix",
    ]  # fmt: skip
    for listener in found:
        with socket.socket(listener.socket.family) as client:
            client.connect(listener.socket.getsockname())
        assert not listener.socket.getblocking()
        assert not listener.socket.get_inheritable()
        listener.close()
    assert not path.exists()


def test_an_address_that_becomes_free_in_time_is_bound() -> None:
    holder = socket.create_server(("127.0.0.1", 0))
    address = f"127.0.0.1:{holder.getsockname()[1]}"
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            holder.close()

    (listener,) = open_listeners([address], backlog=5, timeout=60, wait=wait)
    listener.close()
    assert len(waits) == 3


def test_an_address_in_use_leaves_nothing_of_the_others(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.create_server(("127.0.0.1", 0)) as holder:
        taken = f"127.0.0.1:{holder.getsockname()[1]}"
        with pytest.raises(AddressInUseError, match=f"bind {taken}: "):
            open_listeners([f"unix:{path}", taken], backlog=5, timeout=0)
    assert not path.exists()


def test_a_dead_servers_unix_socket_is_taken_over(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(path)
    dead.listen()
    dead.close()
    (listener,) = open_listeners([f"unix:{path}"], backlog=5, timeout=0)
    listener.close()


def test_a_unix_socket_that_was_replaced_is_not_removed(tmp_path: Path) -> None:
    path = str(tmp_path / "s")
    (listener,) = open_listeners([f"unix:{path}"], backlog=5, timeout=0)
    os.rename(path, path + ".old")
    Path(path).write_text("somebody else's")
    listener.close()
    assert Path(path).read_text() == "somebody else's"


def test_a_descriptor_that_is_no_listener_is_refused_and_stays_open() -> None:
    with (
        socket.socket() as plain,
        pytest.raises(ConfigError, match="not a listening stream socket"),
    ):
        open_listeners([f"fd://{plain.fileno()}"], backlog=5, timeout=0)


def test_sockets_for_another_process_are_not_taken() -> None:
    environ = {"LISTEN_PID": str(os.getpid() + 1), "LISTEN_FDS": "1"}
    assert inherited_listeners(environ) == []
    assert environ


def test_sockets_for_this_process_are_taken_once() -> None:
    environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b", "A": "b"}
    assert inherited_listeners(environ) == [("fd://3", "a"), ("fd://4", "b")]
    assert environ == {"A": "b"}


def test_a_unix_socket_is_known_to_be_alive_while_another_address_is_waited_for(
    tmp_path: Path,
) -> None:
    path = tmp_path / "s"
    refused: list[str] = []

    def wait(_: float) -> None:
        with pytest.raises(AddressInUseError) as error:
            open_listeners([f"unix:{path}"], backlog=5, timeout=0)
        refused.append(str(error.value))
        raise TimeoutError

    with socket.create_server(("127.0.0.1", 0)) as holder:
        taken = f"127.0.0.1:{holder.getsockname()[1]}"
        with pytest.raises(TimeoutError):
            open_listeners([f"unix:{path}", taken], backlog=5, timeout=60, wait=wait)
    assert len(refused) == 1
    assert not path.exists()


def test_a_file_that_is_no_socket_is_refused_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("a letter")
    with pytest.raises(ConfigError, match="the file is there and is no socket"):
        open_listeners([f"unix:{path}"], backlog=5, timeout=0)
    assert path.read_text() == "a letter"


@pytest.mark.parametrize(
    "address",
    [
        "", ":80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536", "::1:80",
        "127.0.0.1:" + "9" * 5000, "unix:", "unix:here", "fd://", "fd://-1", "fd://x",
        "fd://99999999999", "[::1]", "nosuch.invalid:80", "a" * 64 + ".test:80",
    ],
)  # fmt: skip
def test_an_address_that_is_none_is_named(address: str) -> None:
    with pytest.raises(ConfigError) as error:
        open_listeners([address], backlog=5, timeout=0)
    assert str(error.value).startswith(f"bind {address}: ")


def test_an_address_given_twice_is_named_and_the_first_is_let_go() -> None:
    with socket.create_server(("127.0.0.1", 0)) as given:
        address = f"fd://{os.dup(given.fileno())}"
        with pytest.raises(ConfigError, match="given twice"):
            open_listeners([address, address], backlog=5, timeout=0)


def test_an_ipv6_address_keeps_its_scope() -> None:
    (family, place), = resolve("[fe80::1%lo]:80", "fe80::1%lo", 80)  # fmt: skip
    assert family is socket.AF_INET6
    assert place[2:] == (0, socket.if_nametoindex("lo"))


def test_sockets_of_no_number_are_refused() -> None:
    environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "two"}
    with pytest.raises(ConfigError, match="LISTEN_FDS=two"):
        inherited_listeners(environ)
