"""Options of listening sockets: who may connect, who may share the port, how dead peers are noticed."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from pathlib import Path

import pytest

from wsgisrv.config import Settings
from wsgisrv.errors import AddressInUseError, ConfigError, NotPermittedError
from wsgisrv.master.listeners import open_listeners
from wsgisrv.master.socket_options import SocketOptions

NOBODY = 65534


class Watching(SocketOptions):
    """Notes what the file is like before it is opened up."""

    def open_up(self, path: str, before: SocketOptions | None = None) -> None:
        mode = stat.S_IMODE(os.lstat(path).st_mode)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect_ex(path)  # of root alone: it listens already
        Path(path + ".seen").write_text(f"{mode:o}")
        super().open_up(path, before)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_a_unix_socket_has_its_mode_whatever_the_umask_and_none_before(
    tmp_path: Path, umask: int
) -> None:
    path = tmp_path / "s"
    before = os.umask(umask)
    try:
        (listener,) = open_listeners(
            [f"unix:{path}"], backlog=5, timeout=0, options=Watching(unix_mode=0o606)
        )
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o606
    assert Path(f"{path}.seen").read_text() == "0"
    listener.close()


def test_by_default_owner_and_group_may_connect_to_a_unix_socket(tmp_path: Path) -> None:
    path = tmp_path / "s"
    options = SocketOptions.of(Settings())
    (listener,) = open_listeners([f"unix:{path}"], backlog=5, timeout=0, options=options)
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    listener.close()


@pytest.mark.parametrize("form", ["{uid}", "{uid}:{gid}", ":{gid}"])
def test_a_unix_socket_is_given_to_its_owner(tmp_path: Path, form: str) -> None:
    path = tmp_path / "s"
    uid, gid = (NOBODY, NOBODY) if not os.geteuid() else (os.getuid(), os.getgid())
    options = SocketOptions(unix_owner=form.format(uid=uid, gid=gid))
    (listener,) = open_listeners([f"unix:{path}"], backlog=5, timeout=0, options=options)
    found = path.stat()
    assert found.st_uid == (uid if "uid" in form else os.geteuid())
    assert found.st_gid == (gid if "gid" in form else os.getegid())
    listener.close()


@pytest.mark.parametrize(
    ("owner", "unknown"),
    [("no_one", "user no_one"), (":no_one", "group no_one"), ("0:no_one", "group no_one")],
)
def test_an_unknown_owner_is_one_line_and_leaves_no_file(
    tmp_path: Path, owner: str, unknown: str
) -> None:
    path = tmp_path / "s"
    with pytest.raises(ConfigError) as caught:
        open_listeners(
            [f"unix:{path}"], backlog=5, timeout=0, options=SocketOptions(unix_owner=owner)
        )
    assert str(caught.value) == f"[wsgisrv] unix_owner = {owner}: there is no {unknown}"
    assert not path.exists()


def test_an_owner_that_may_not_be_given_a_file_is_not_permitted() -> None:
    before = os.geteuid()
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o733)  # noqa: S103 -- for the time of the test, in its own directory
        if not before:
            os.seteuid(NOBODY)
        try:
            with pytest.raises(NotPermittedError, match=r"^\[wsgisrv\] unix_owner = 0:0: not perm"):
                open_listeners(
                    [f"unix:{directory}/s"],
                    backlog=5,
                    timeout=0,
                    options=SocketOptions(unix_owner="0:0"),
                )
        finally:
            os.seteuid(before)
        assert os.listdir(directory) == []


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_a_port_is_shared_only_when_both_masters_want_it(host: str) -> None:
    shares = SocketOptions(reuse_port=True)
    (first,) = open_listeners([f"{host}:0"], backlog=5, timeout=0, options=shares)
    address = f"{host}:{first.socket.getsockname()[1]}"
    (second,) = open_listeners([address], backlog=5, timeout=0, options=shares)
    with pytest.raises(AddressInUseError):
        open_listeners([address], backlog=5, timeout=0)
    first.close()
    second.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_accepted_connections_are_probed_as_the_options_say(host: str) -> None:
    options = SocketOptions(tcp_keepidle=77, tcp_keepintvl=7, tcp_keepcnt=3)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as handed_over:
        bound = f"[{host}]:0" if ":" in host else f"{host}:0"
        addresses = [bound, f"fd://{os.dup(handed_over.fileno())}"]
        for listener in open_listeners(addresses, backlog=5, timeout=0, options=options):
            with socket.create_connection(listener.socket.getsockname()[:2]):
                accepted, _ = listener.socket.accept()
                with accepted:
                    assert keepalive_of(accepted) == (1, 77, 7, 3)
            listener.close()


def test_zero_sends_no_probes_and_leaves_the_rest_to_the_system() -> None:
    with socket.socket() as plain:
        default = keepalive_of(plain)
        SocketOptions(tcp_keepidle=0, tcp_keepcnt=3).probe_idle_peers(plain)
        assert keepalive_of(plain) == (0, *default[1:])
        SocketOptions(tcp_keepidle=5).probe_idle_peers(plain)
        assert keepalive_of(plain) == (1, 5, *default[2:])


def keepalive_of(sock: socket.socket) -> tuple[int, int, int, int]:
    return (
        sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
        sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
        sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
        sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
    )
