"""WebSockets, with a client that is not of the server's family."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect as connect_async
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.support.certificates import Certificates
from tests.support.frames import ACCEPTED, HANDSHAKE
from tests.support.http import DEADLINE, Client
from tests.support.server import ROOT, Server, serve


def url(server: Server, scheme: str = "ws") -> str:
    return f"{scheme}://127.0.0.1:{server.address[1]}/"


@contextlib.contextmanager
def serving(app: str, **options: Any) -> Iterator[Server]:
    with serve(f"tests.apps.websockets:{app}", workers=1, **options) as server:
        yield server


@pytest.fixture(scope="module")
def shared() -> Iterator[Callable[[str], Server]]:
    """Servers that one test after another asks for something that leaves nothing behind."""
    with contextlib.ExitStack() as stack:
        yield functools.cache(lambda app: stack.enter_context(serving(app)))


@contextlib.contextmanager
def connected(server: Server, **options: Any) -> Iterator[ClientConnection]:
    options = {"proxy": None, "compression": None, "close_timeout": DEADLINE} | options
    with connect(url(server), **options) as client:
        yield client


def end_of(client: ClientConnection) -> tuple[int, str]:
    """Waits for the end of a WebSocket and returns code and reason."""
    with pytest.raises(ConnectionClosed) as caught:
        client.recv(timeout=DEADLINE)
    end = caught.value.rcvd
    return (end.code, end.reason) if end is not None else (1006, "")


@pytest.mark.parametrize("hub", ["epolls", "asyncio"])
def test_messages_come_back_as_they_were_sent(hub: str) -> None:
    with serving("echo", hub=hub) as server:
        with connected(server) as client:
            for message in (
                "",
                "text äöü €",
                "x" * 125,
                "x" * 126,
                "x" * 65536,
                b"",
                b"\x00\xff" * 40_000,
            ):
                client.send(message)
                assert client.recv(timeout=DEADLINE) == message
        assert client.close_code == 1000
        server.wait_line("^ended: 1000")
        server.wait_line('"GET / HTTP/1.1" status: 101 ')


def test_messages_go_over_tls(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    with (
        serving("echo", tls_certificate=certificates.issue("api.test")) as server,
        connect(
            url(server, "wss"),
            ssl=certificates.trusting(),
            server_hostname="api.test",
            proxy=None,
        ) as client,
    ):
        client.send("x" * 100_000)
        assert client.recv(timeout=DEADLINE) == "x" * 100_000


def test_a_message_in_fragments_is_put_together_and_pings_between_are_answered() -> None:
    with serving("echo") as server, connected(server) as client:
        answered = client.ping()
        client.send(["one, ", "", "two, ", "three"])
        assert client.recv(timeout=DEADLINE) == "one, two, three"
        assert answered.wait(DEADLINE)
        client.send([b"\x00", b"\xff"])
        assert client.recv(timeout=DEADLINE) == b"\x00\xff"


def test_messages_are_compressed_if_both_sides_want_it() -> None:
    with serving("compressed") as server:
        with connected(server, compression="deflate") as client:
            assert client.response is not None
            agreed = client.response.headers["Sec-WebSocket-Extensions"].split("; ")
            assert agreed[0] == "permessage-deflate"
            assert {"server_no_context_takeover", "client_no_context_takeover"} < set(agreed)
            for _ in range(3):
                client.send("x" * 90_000)
                assert client.recv(timeout=DEADLINE) == "x" * 90_000
        server.wait_line(r"status: 101  len: \d{3} ")  # of 270,000
        with connected(server) as client:
            client.send("plain")
            assert client.recv(timeout=DEADLINE) == "plain"
    with serving("echo") as server, connected(server, compression="deflate") as client:
        assert client.response is not None
        assert "Sec-WebSocket-Extensions" not in client.response.headers


@pytest.mark.parametrize("app", ["echo", "compressed"])
@pytest.mark.parametrize(
    "message", ["x" * 100_001, b"x" * 100_001, ["x" * 99_999, "ää"], "x" * 20_000_000]
)
def test_a_message_that_is_too_big_ends_it_with_1009(
    shared: Callable[[str], Server], app: str, message: Any
) -> None:
    server = shared(app)
    seen = len(server.lines)
    with connected(server, compression="deflate") as client:
        client.send("x" * 100_000)
        assert client.recv(timeout=DEADLINE) == "x" * 100_000
        with contextlib.suppress(ConnectionClosed):
            client.send(message)
        assert end_of(client) == (1009, "a message may have 100000 bytes")
        server.wait_line("^ended: 1009", after=seen)


def test_a_small_message_that_inflates_to_a_huge_one_takes_little_memory() -> None:
    def most_kib(pid: int) -> int:
        status = Path(f"/proc/{pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0])

    with serving("compressed") as server, connected(server, compression="deflate") as client:
        (worker,) = server.wait_ready()
        before = most_kib(worker)
        with contextlib.suppress(ConnectionClosed):
            client.send(bytes(60_000_000))  # 60 KiB on the wire
        assert end_of(client)[0] == 1009
        assert most_kib(worker) - before < 30_000


def test_the_first_subprotocol_of_ours_that_the_client_offers_is_taken() -> None:
    with serving("subprotocol") as server:
        for offered, taken in (
            (["v1.chat", "v2.chat"], "v2.chat"),
            (["v1.chat", "v0.chat"], "v1.chat"),
            (["v0.chat"], None),
            (None, None),
        ):
            with connected(server, subprotocols=offered) as client:
                assert client.subprotocol == taken
                assert client.recv(timeout=DEADLINE) == str(taken)


@pytest.mark.parametrize(
    ("app", "origin", "is_let_in"),
    [
        ("echo", "http://test", True),
        ("echo", "https://test", True),
        ("echo", "http://TEST:80", True),
        ("echo", "https://test:443", True),
        ("echo", "http://test:81", False),
        ("echo", "http://test.evil", False),
        ("echo", "http://evil", False),
        ("echo", "http://test@evil", False),
        ("echo", "null", False),
        ("echo", "", False),
        ("echo", "http://[", False),
        ("echo", "file://test", False),
        ("public", "http://evil", True),
        ("public", "null", True),
        ("listed", "https://example.org", True),
        ("listed", "http://example.org", False),
        ("listed", "http://test", False),
    ],
)
def test_pages_of_other_origins_are_kept_out(
    shared: Callable[[str], Server], app: str, origin: str, is_let_in: bool
) -> None:
    with shared(app).connect() as client:
        response = client.get("/", *HANDSHAKE, f"Origin: {origin}")
        assert response.status == (101 if is_let_in else 403)


def test_the_handshake_is_accepted_as_the_rfc_has_it() -> None:
    with serving("listed") as server, server.connect() as client:
        response = client.get("/", *HANDSHAKE)
        assert response.fields == (
            ("upgrade", "websocket"),
            ("connection", "Upgrade"),
            ("sec-websocket-accept", ACCEPTED),
        )


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ((), 426),
        (("Connection: Upgrade", "Upgrade: h2c"), 426),
        ((*HANDSHAKE[:2], HANDSHAKE[3]), 426),
        ((*HANDSHAKE[:2], "Sec-WebSocket-Version: 8", HANDSHAKE[3]), 426),
        ((*HANDSHAKE[:2], "Sec-WebSocket-Version: 13, 8", HANDSHAKE[3]), 426),
        (HANDSHAKE[1:], 400),
        (HANDSHAKE[:3], 400),
        ((*HANDSHAKE[:3], "Sec-WebSocket-Key: c2hvcnQ="), 400),
        ((*HANDSHAKE[:3], "Sec-WebSocket-Key: not base64, but 24 bytes!"), 400),
        ((*HANDSHAKE, HANDSHAKE[3]), 400),
        ((*HANDSHAKE[:3], "Sec-WebSocket-Key: \xe4GhlIHNhbXBsZSBub25jZQ=="), 400),
    ],
)
def test_a_wrong_handshake_is_answered_and_the_connection_kept(
    shared: Callable[[str], Server], wrong: tuple[str, ...], status: int
) -> None:
    with shared("echo").connect() as client:
        response = client.get("/", *wrong)
        assert response.status == status
        if status == 426:
            assert response["upgrade"] == "websocket"
            assert response["connection"] == "Upgrade"
            assert response["sec-websocket-version"] == "13"
        assert client.get("/", *HANDSHAKE).status == 101


def test_a_websocket_begins_with_get() -> None:
    with serving("echo") as server, server.connect() as client:
        response = client.get("/", *HANDSHAKE, method="POST")
        assert (response.status, response["allow"]) == (405, "GET")


def test_a_handler_closes_with_its_own_code_and_only_once() -> None:
    with serving("closing") as server, connected(server) as client:
        client.send("4000 enough")
        assert client.recv(timeout=DEADLINE) == "goodbye"
        assert end_of(client) == (4000, "enough")
        for use in ("receive", "ping", "send"):
            server.wait_line(f"^{use}: 4000 enough")


def test_a_code_that_cannot_be_sent_is_an_error_of_the_handlers() -> None:
    with serving("closing") as server, connected(server) as client:
        client.send("5000 no")
        assert client.recv(timeout=DEADLINE) == "goodbye"
        assert end_of(client)[0] == 1011
        server.wait_line("ValueError: 5000 is no code of a close frame")
        server.may_log_traceback = True


def test_a_handler_that_fails_ends_it_with_1011_and_is_logged() -> None:
    with serving("failing") as server, connected(server) as client:
        client.send("mistake")
        assert end_of(client) == (1011, "")
        server.wait_line(r"ERROR wsgisrv\.app: \[req-\S+\] GET / HTTP/1\.1 failed")
        server.wait_line("LookupError: mistake")
        server.may_log_traceback = True


def test_a_client_hears_from_another_greenlet_that_it_is_closed_and_so_does_the_handler() -> None:
    with serving("closer") as server, connected(server) as client:
        assert end_of(client) == (4001, "by another")
        server.wait_line("^heard: 4001 by another")


def test_a_receive_times_out_and_goes_on() -> None:
    with serving("patient") as server, connected(server) as client:
        assert client.recv(timeout=DEADLINE) == "timeout"
        client.send("on")
        assert client.recv(timeout=DEADLINE) == "on"


@pytest.mark.parametrize("ending", ["close", "reset"])
def test_a_client_that_goes_without_a_close_frame_ends_it_with_1006(ending: str) -> None:
    with serving("echo") as server:
        with server.connect() as client:
            assert client.get("/", *HANDSHAKE).status == 101
            if ending == "reset":
                linger = struct.pack("ii", 1, 0)
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        server.wait_line("^ended: 1006 the client is gone")


def test_a_silent_client_is_pinged_and_stays_if_it_answers() -> None:
    with serving("watchful") as server, connected(server, ping_interval=None) as client:
        with pytest.raises(TimeoutError):
            client.recv(timeout=3.5)
        client.send("still here")
        assert client.recv(timeout=DEADLINE) == "still here"


def test_a_silent_client_that_does_not_answer_is_given_up() -> None:
    with serving("watchful") as server, server.connect() as client:
        assert client.get("/", *HANDSHAKE).status == 101
        server.wait_line("^ended: 1006 the client is gone")


@pytest.mark.parametrize("app", ["echo", "room", "pushing"])
def test_a_worker_that_drains_ends_every_websocket_with_1001(app: str) -> None:
    with serving(app) as server, connected(server) as first, connected(server) as second:
        if app == "echo":
            for client in (first, second):
                client.send("here")
                assert client.recv(timeout=DEADLINE) == "here"
        server.signal(signal.SIGTERM)
        for client in (first, second):
            for _ in client:
                pass  # what was on its way
            assert client.close_code == 1001
        assert server.wait_exit() == 0


def test_a_reload_ends_the_old_workers_websockets_and_new_ones_are_served() -> None:
    with serving("echo") as server:
        server.wait_ready()
        with connected(server) as client:
            client.send("here")
            assert client.recv(timeout=DEADLINE) == "here"
            seen = len(server.lines)
            server.signal(signal.SIGHUP)
            server.wait_ready(after=seen)
            assert end_of(client)[0] == 1001
        with connected(server) as client:
            client.send("there")
            assert client.recv(timeout=DEADLINE) == "there"


def test_what_one_says_a_hundred_hear() -> None:
    async def chat(address: str) -> None:
        async with contextlib.AsyncExitStack() as stack:
            options: dict[str, Any] = {"proxy": None, "compression": None}
            members = [
                await stack.enter_async_context(connect_async(address, **options))
                for _ in range(100)
            ]
            for count, member in enumerate(members, 1):
                for at in range(count, 101):
                    assert await member.recv() == f"{at} are here"
            for member in members:
                await member.send(f"from {id(member)}")
            wanted = {f"from {id(member)}" for member in members}
            for member in members:
                assert {await member.recv() for _ in range(100)} == wanted

    with serving("room") as server:
        asyncio.run(asyncio.wait_for(chat(url(server)), 3 * DEADLINE))
        server.wait_line("^0 left")


def test_a_member_that_takes_nothing_is_cut_off_and_holds_nobody_up() -> None:
    with serving("room") as server, server.connect(receive_buffer=4096) as slow:
        assert slow.get("/", *HANDSHAKE).status == 101
        with connected(server, max_size=None) as client:
            assert client.recv(timeout=DEADLINE) == "2 are here"
            for _ in range(20):
                client.send(bytes(1_000_000))
                assert client.recv(timeout=DEADLINE) == bytes(1_000_000)
            server.wait_line("^1 left")


def test_a_client_library_sees_a_refusal_as_one() -> None:
    with serving("echo") as server:
        with pytest.raises(InvalidStatus) as caught, connected(server, origin="http://evil"):
            pass
        assert caught.value.response.status_code == 403


def test_without_wsproto_one_line_says_what_to_install() -> None:
    code = "import sys; sys.modules['wsproto'] = None; import wsgisrv.websocket"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stderr.splitlines()[-1] == (
        "ImportError: wsgisrv.websocket needs wsproto: pip install 'wsgisrv[websocket]'"
    )


def test_a_client_that_breaks_off_in_the_handshake_harms_nobody() -> None:
    with serving("echo") as server:
        with Client(server.address) as client:
            client.send(b"GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\n")
        with connected(server) as good:
            good.send("fine")
            assert good.recv(timeout=DEADLINE) == "fine"
