"""Listeners of several versions of the settings: what they share, and what is left of one that is dropped."""

from __future__ import annotations

import dataclasses
import os
import select
import socket
import stat
from pathlib import Path

import pytest

from wsgisrv.config import Settings
from wsgisrv.errors import AddressInUseError, ConfigError, NotPermittedError
from wsgisrv.layout import ServerSettings
from wsgisrv.master.listener import Listener
from wsgisrv.master.listener_sets import ListenerSet, ListenerSets


def settings_of(*bind: str, **changed: object) -> list[ServerSettings]:
    """The one server of a service with these settings."""
    settings = dataclasses.replace(Settings(bind=bind), **changed)  # type: ignore[arg-type]
    return [ServerSettings("", settings)]


def opened(*bind: str, **changed: object) -> ListenerSets:
    """The sets of a service that has just started."""
    return ListenerSets(ListenerSet.open(settings_of(*bind, **changed), {}, 0, wait=print))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def has_backlog_of(listener: Listener, backlog: int) -> bool:
    """Whether the kernel holds so many connections for it (Linux holds one more) and not yet two more."""
    clients = []
    for _ in range(backlog + 3):
        client = socket.socket()
        client.setblocking(False)
        client.connect_ex(listener.socket.getsockname())
        clients.append(client)
    _, connected, _ = select.select([], clients, [], 0.2)
    for client in clients:
        client.close()
    return len(connected) == backlog + 1


def test_an_address_that_stays_keeps_the_very_same_socket() -> None:
    sets = opened("127.0.0.1:0", "[::1]:0")
    first, second = sets[0].all()
    sets.open(1, settings_of("[::1]:0", "127.0.0.1:0", f"localhost:{free_port()}"))
    assert sets[1].all()[:2] == [second, first]
    sets.keep({1})
    with socket.create_connection(first.socket.getsockname()):
        pass
    sets.close()


def test_another_name_of_the_same_address_keeps_its_socket_now_and_later() -> None:
    port = free_port()
    sets = opened(f"127.0.0.1:{port}")
    (first,) = sets[0].all()
    for version in (1, 2):
        sets.open(version, settings_of(f"localhost:{port}"))
        sets.keep({version})
        assert first in sets[version].all()
    sets.close()


def test_a_unix_socket_by_another_spelling_is_the_same(tmp_path: Path) -> None:
    sets = opened(f"unix:{tmp_path}/s")
    sets.open(1, settings_of(f"unix:{tmp_path}/./s"))
    assert sets[1].all() == sets[0].all()
    sets.close()


def test_what_only_a_dropped_version_had_is_closed_and_its_file_removed(tmp_path: Path) -> None:
    kept, gone = tmp_path / "kept", tmp_path / "gone"
    sets = opened(f"unix:{kept}", f"unix:{gone}", "127.0.0.1:0")
    address = sets[0].all()[2].socket.getsockname()
    sets.open(1, settings_of(f"unix:{kept}"))
    assert gone.exists()
    sets.keep({1})
    assert kept.exists()
    assert not gone.exists()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
    sets.close()
    assert not kept.exists()


def test_a_set_that_cannot_be_opened_leaves_nothing_of_itself(tmp_path: Path) -> None:
    path = tmp_path / "s"
    sets = opened("127.0.0.1:0")
    before = sets[0].all()
    descriptors = os.listdir("/proc/self/fd")
    with socket.create_server(("127.0.0.1", 0)) as holder:
        taken = f"127.0.0.1:{holder.getsockname()[1]}"
        with pytest.raises(AddressInUseError, match=f"bind {taken}: "):
            sets.open(1, settings_of("127.0.0.1:0", f"unix:{path}", taken))
    assert not path.exists()
    assert sets[0].all() == before
    assert os.listdir("/proc/self/fd") == descriptors
    sets.close()


def test_a_socket_of_an_overtaken_version_is_the_next_ones_too(tmp_path: Path) -> None:
    sets = opened("127.0.0.1:0")
    sets.open(1, settings_of(f"unix:{tmp_path}/s"))
    (listener,) = sets[1].all()
    sets.open(2, settings_of(f"unix:{tmp_path}/s"))
    sets.keep({0, 2})
    assert sets[2].all() == [listener]
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(f"{tmp_path}/s")
    sets.close()


def test_a_file_that_was_removed_is_made_again(tmp_path: Path) -> None:
    path = tmp_path / "s"
    sets = opened(f"unix:{path}")
    path.unlink()
    sets.open(1, settings_of(f"unix:{path}"))
    sets.keep({1})
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
    sets.close()
    assert not path.exists()


def test_somebody_elses_file_in_its_place_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "s"
    sets = opened(f"unix:{path}")
    path.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        with pytest.raises(AddressInUseError):
            sets.open(1, settings_of(f"unix:{path}"))
        sets.close()
        assert path.exists()


def test_other_options_reach_the_socket_that_stays_and_leave_it_with_their_version() -> None:
    sets = opened("127.0.0.1:0", tcp_keepidle=600, backlog=1)
    (listener,) = sets[0].all()

    def option(name: int) -> int:
        return listener.socket.getsockopt(socket.IPPROTO_TCP, name)

    system = option(socket.TCP_KEEPINTVL)
    with socket.socket() as fresh:
        assert fresh.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL) == system
    sets.open(1, settings_of("127.0.0.1:0", tcp_keepidle=33, tcp_keepintvl=7, backlog=4))
    assert sets[1].all() == [listener]
    assert (option(socket.TCP_KEEPIDLE), option(socket.TCP_KEEPINTVL)) == (33, 7)
    assert has_backlog_of(listener, 4)
    sets.keep({0})
    assert (option(socket.TCP_KEEPIDLE), option(socket.TCP_KEEPINTVL)) == (600, system)
    sets.close()


def test_the_mode_of_a_unix_socket_changes_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "s"
    sets = opened(f"unix:{path}", unix_mode="0660")
    sets.open(1, settings_of(f"unix:{path}", unix_mode="0606"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o606
    sets.keep({0})
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    sets.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_unix_socket_without_an_owner_any_more_is_the_masters_again(tmp_path: Path) -> None:
    path = tmp_path / "s"
    sets = opened(f"unix:{path}", unix_owner="65534:65534")
    sets.open(1, settings_of(f"unix:{path}"))
    found = path.stat()
    assert (found.st_uid, found.st_gid) == (os.geteuid(), os.getegid())
    sets.close()


def test_options_that_cannot_be_changed_refuse_the_version(tmp_path: Path) -> None:
    path = tmp_path / "s"
    sets = opened(f"unix:{path}", unix_mode="0600")
    with pytest.raises((ConfigError, NotPermittedError), match="unix_owner"):
        sets.open(1, settings_of(f"unix:{path}", unix_owner="no_one", unix_mode="0666"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    sets.close()


def test_a_port_is_shared_from_a_reload_on() -> None:
    port = free_port()
    sets = opened(f"127.0.0.1:{port}")
    wanted = settings_of(f"127.0.0.1:{port}", reuse_port=True)
    with pytest.raises(AddressInUseError):
        ListenerSet.open(wanted, {}, 0, wait=print)
    sets.open(1, wanted)
    other = ListenerSets(ListenerSet.open(wanted, {}, 0, wait=print))
    other.close()
    sets.close()


def test_a_wildcard_is_bound_over_an_address_of_ours_that_goes() -> None:
    port = free_port()
    sets = opened(f"127.0.0.1:{port}")
    sets.open(1, settings_of(f"0.0.0.0:{port}"))
    (old,), (new,) = sets[0].all(), sets[1].all()
    with socket.create_connection(("127.0.0.1", port)):
        old.socket.accept()[0].close()
    for host in ("127.0.0.1", "0.0.0.0", "127.0.0.2"):
        with pytest.raises(AddressInUseError):
            ListenerSet.open(settings_of(f"{host}:{port}"), {}, 0, wait=print)
    sets.keep({1})
    with socket.create_connection(("127.0.0.1", port)):
        new.socket.accept()[0].close()
    sets.close()


def test_an_address_within_a_wildcard_of_ours_is_refused() -> None:
    port = free_port()
    sets = opened(f"0.0.0.0:{port}")
    with pytest.raises(AddressInUseError, match=f"bind 127.0.0.1:{port}: this service itself"):
        sets.open(1, settings_of(f"127.0.0.1:{port}"))
    sets.close()


def test_a_descriptor_that_is_new_in_a_reload_is_refused() -> None:
    sets = opened("127.0.0.1:0")
    with pytest.raises(ConfigError, match="fd://0: a descriptor is inherited"):
        sets.open(1, settings_of("fd://0"))
    sets.close()


def test_each_server_has_its_own_listeners_and_options() -> None:
    public = ServerSettings("public", Settings(bind=("127.0.0.1:0", "[::1]:0"), tcp_keepidle=50))
    admin = ServerSettings("admin", Settings(bind=("127.0.0.2:0",), tcp_keepidle=70))
    sets = ListenerSets(ListenerSet.open([public, admin], {}, 0, wait=print))
    assert sets[0].of("public") + sets[0].of("admin") == sets[0].all()
    idle = [
        each.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) for each in sets[0].all()
    ]
    assert idle == [50, 50, 70]
    sets.close()


def test_an_address_may_go_over_to_another_server() -> None:
    public, admin = (ServerSettings(name, Settings(bind=("127.0.0.1:0",))) for name in "pa")
    sets = ListenerSets(ListenerSet.open([public], {}, 0, wait=print))
    sets.open(1, [admin])
    assert sets[1].of("a") == sets[0].of("p")
    sets.close()


def test_two_names_of_one_address_are_refused_in_a_reload_as_at_the_start() -> None:
    port = free_port()
    sets = opened(f"127.0.0.1:{port}")
    with pytest.raises(
        ConfigError, match=f"bind localhost:{port}: is the same as 127.0.0.1:{port}"
    ):
        sets.open(1, settings_of(f"127.0.0.1:{port}", f"localhost:{port}"))
    sets.close()
