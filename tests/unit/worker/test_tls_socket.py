"""A TLS socket beside a plain one: what is received does not depend on what can be sent."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
from pathlib import Path

from tests.support.certificates import Certificates
from tests.support.http import DEADLINE
from wsgisrv.worker.tls_socket import TlsSocket


def test_what_has_come_is_not_lost_when_records_wait_to_be_sent(tmp_path: Path) -> None:
    certificates = Certificates(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.issue("api.test"))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        theirs.settimeout(DEADLINE)
        server = TlsSocket(ours, context, {})
        with connected(server, ours, theirs, certificates.trusting()) as client:
            sent = 0
            with contextlib.suppress(BlockingIOError):
                while True:
                    sent += server.send(b"x" * 65536)
            client.sendall(b"hello")
            select.select([ours], [], [], DEADLINE)
            assert server.recv(65536) == b"hello"
            assert len(client.recv(65536)) > 0


def connected(
    server: TlsSocket, ours: socket.socket, theirs: socket.socket, context: ssl.SSLContext
) -> ssl.SSLSocket:
    """Returns the client's side after the handshake."""
    found: list[ssl.SSLSocket] = []

    def connect() -> None:
        client = context.wrap_socket(theirs, server_hostname="api.test")
        client.sendall(b"ready")
        found.append(client)

    thread = threading.Thread(target=connect)
    thread.start()
    data = b""
    while not data:
        select.select([ours], [], [], DEADLINE)
        with contextlib.suppress(BlockingIOError):
            data = server.recv(65536)
    thread.join(DEADLINE)
    assert data == b"ready"
    return found[0]
