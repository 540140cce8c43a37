"""An app that looks at the socket that its request came on."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterable, Iterator
from pathlib import Path
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


def factory(global_conf: dict[str, str], app: str) -> WSGIApplication:
    found: WSGIApplication = globals()[app]
    return found


def keepalive(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answers SO_KEEPALIVE and its three figures, for each connection to the client's port."""
    found = []
    for fd in connections_to(environ["REMOTE_PORT"]):
        with socket.socket(fileno=os.dup(fd)) as sock:
            found.append([
                sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
                sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL),
                sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT),
            ])  # fmt: skip
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(found).encode()]


def connections_to(port: str) -> Iterator[int]:
    """Yields this process's descriptors of connections to a client's port."""
    for entry in Path("/proc/self/fd").iterdir():
        if os.path.islink(entry) and os.readlink(entry).startswith("socket:"):
            with socket.socket(fileno=os.dup(int(entry.name))) as sock:
                name: object = ""
                with contextlib.suppress(OSError):  # of a listener
                    name = sock.getpeername()
            if isinstance(name, tuple) and str(name[1]) == port:
                yield int(entry.name)
