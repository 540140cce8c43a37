"""Apps that take their connection over, chosen by ``app`` in the paste file.

All of them speak "lines": whatever comes is sent back, unless the docstring says otherwise.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

import eventlet

from wsgisrv.upgrade import RawConnection

HEADERS = [("X-Lines", "yes")]


def factory(global_conf: dict[str, str], app: str) -> WSGIApplication:
    found: WSGIApplication = globals()[app]
    return found


def echo(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Says goodbye when the worker drains; answers what is no upgrade with what it saw."""
    if "wsgisrv.upgrade" not in environ:
        return offered(environ, start_response)
    raw: RawConnection = environ["wsgisrv.upgrade"]("lines", HEADERS)
    while data := raw.recv():
        raw.sendall(data)
    if raw.is_draining:
        raw.sendall(b"bye")
    return []


def offered(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str("wsgisrv.upgrade" in environ).encode()]


def stubborn(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Does not care that the worker drains."""
    raw: RawConnection = environ["wsgisrv.upgrade"]("lines")
    while (data := raw.recv()) != b"":
        raw.sendall(data or b"no")
    return []


def small(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Receives at most three bytes at a time and marks the pieces."""
    raw: RawConnection = environ["wsgisrv.upgrade"]("lines")
    while data := raw.recv(3):
        raw.sendall(b"[" + data + b"]")
    return []


def patient(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Receives with a timeout, and afterwards again."""
    raw: RawConnection = environ["wsgisrv.upgrade"]("lines")
    try:
        raw.recv(timeout=1.0)
    except TimeoutError:
        raw.sendall(b"timeout")
    try:
        raw.recv(timeout=0)
    except TimeoutError:
        raw.sendall(b" at once")
    raw.sendall(raw.recv() or b"")
    return []


def wrong(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Takes over in a way that is wrong: the path says which."""
    upgrade: Any = environ["wsgisrv.upgrade"]
    kind = environ["PATH_INFO"]
    if kind == "/unasked":
        upgrade("other")
    elif kind == "/hop":
        upgrade("lines", [("Connection", "close")])
    elif kind == "/split":
        upgrade("lines", [("X-A", "a\r\nX-B: b")])
    elif kind == "/length":
        upgrade("lines", [("Content-Length", "0")])
    elif kind == "/late":
        start_response("200 OK", [])
        upgrade("lines")
    raw = upgrade("lines")
    raw.sendall(b"taken\n")
    if kind == "/twice":
        upgrade("lines")
    elif kind == "/start":
        start_response("200 OK", [])
    elif kind == "/fails":
        raise LookupError("after the upgrade")
    return [b"body"] if kind == "/body" else [b""]


def both_ways(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Sends as many bytes as the query says, in 64 KiB, while it receives as many; then a digest."""
    count = int(environ["QUERY_STRING"])
    raw: RawConnection = environ["wsgisrv.upgrade"]("lines")

    def send() -> None:
        for _ in range(count // 65536):
            raw.sendall(b"x" * 65536)

    sender = threading.Thread(target=send)
    sender.start()
    before = 0
    while not before or before != raw.unsent_bytes:  # until the client takes no more
        before = raw.unsent_bytes
        time.sleep(0.1)
    digest = hashlib.sha256()
    while count and (data := raw.recv()):
        digest.update(data)
        count -= len(data)
    sender.join()
    raw.sendall(digest.hexdigest().encode())
    return []


def orphaned(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Has a greenlet receive that dies of the timeout, and then receives with one itself."""
    raw: RawConnection = environ["wsgisrv.upgrade"]("lines")
    receiving = eventlet.spawn(raw.recv, timeout=0.3)
    while not receiving.dead:
        eventlet.sleep(0.02)
    try:
        raw.recv(timeout=0.3)
    except TimeoutError:
        raw.sendall(b"late")
    raw.sendall(raw.recv() or b"")
    return []


def flood(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Sends until it fails."""
    raw: RawConnection = environ["wsgisrv.upgrade"]("lines")
    try:
        while True:
            raw.sendall(bytes(65536))
    except OSError as error:
        print(f"flood ended: {error}", file=environ["wsgi.errors"], flush=True)
    print(f"received then: {raw.recv()!r}", file=environ["wsgi.errors"], flush=True)
    return []


def soon(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Sends without waiting until the client is too slow, and says how much that was."""
    raw: RawConnection = environ["wsgisrv.upgrade"]("lines")
    count = 0
    while raw.send_soon(bytes(65536)):
        count += 65536
    unsent = raw.unsent_bytes
    print(f"unsent: {unsent}", file=environ["wsgi.errors"], flush=True)
    raw.sendall(b"." + str(count).encode())
    return []


def slow_end(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Has work left when its connection is closed."""
    raw: RawConnection = environ["wsgisrv.upgrade"]("lines")
    while raw.recv():
        pass
    raw.close()
    print("cleaning up", file=environ["wsgi.errors"], flush=True)
    time.sleep(1)
    print("cleaned up", file=environ["wsgi.errors"], flush=True)
    return []


def closes(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Closes while another greenlet receives, and uses the connection afterwards."""
    raw: RawConnection = environ["wsgisrv.upgrade"]("lines")
    errors = environ["wsgi.errors"]

    def receive() -> None:
        print(f"received: {raw.recv()!r}", file=errors, flush=True)

    threading.Thread(target=receive).start()
    time.sleep(0)
    raw.sendall(b"last words")
    raw.close()
    try:
        raw.sendall(b"too late")
    except OSError as error:
        print(f"sent too late: {error}", file=errors, flush=True)
    return []
