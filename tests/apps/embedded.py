"""A process of somebody else's that calls server(): patched by eventlet, with work of its own.

``python -m tests.apps.embedded FD OPTIONS`` serves on the descriptor FD with the arguments that OPTIONS, a
JSON object, names, and some that it makes itself: ``pool`` is the size of a GreenPool, ``workers`` how many
of its places other work takes, ``logger`` whether a logging.Logger is given, ``tls`` a certificate's path.
SIGUSR1 ends the work that waits, SIGUSR2 closes the listener, SIGTERM kills the serving greenlet, SIGINT
does so with KeyboardInterrupt.
"""

from __future__ import annotations

import json
import logging
import signal
import sys
import warnings
from collections.abc import Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import eventlet

    eventlet.monkey_patch()

import eventlet.websocket
from eventlet import event, hubs, patcher
from eventlet.greenio import GreenSocket

from wsgisrv.compat import wsgi

SHOWN = (
    "PATH_INFO", "RAW_PATH_INFO", "QUERY_STRING", "SERVER_NAME", "REMOTE_ADDR", "CONTENT_TYPE",
    "wsgi.url_scheme", "wsgi.multiprocess", "headers_raw", "HTTP_X_FOO", "given",
)  # fmt: skip


class Process:
    """What the handlers of signals and requests share."""

    def __init__(self) -> None:
        self.gate = event.Event()
        self.echo: WSGIApplication = eventlet.websocket.WebSocketWSGI(echo)

    def say(self, line: str) -> None:
        sys.stderr.write(line + "\n")

    def wait(self, what: str) -> None:
        """Waits for SIGUSR1 and says both ends."""
        self.say(f"{what} waits")
        self.gate.wait()
        self.say(f"{what} goes on")

    def app(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/websocket":
            return self.echo(environ, start_response)
        if path == "/fail":
            raise RuntimeError("the app's own fault")
        if path == "/wait":
            self.wait("the request")
        if path == "/hook":
            environ["eventlet.posthooks"].append((self.hook, ("hooked",), {"times": 2}))
        start_response("200 OK", [("content-type", "application/json")])
        if path == "/broken":
            return self.broken()
        if path == "/echo":
            return [environ["wsgi.input"].read()]
        return [json.dumps({name: environ.get(name) for name in SHOWN})]  # type: ignore[list-item]

    def hook(self, _environ: WSGIEnvironment, word: str, times: int) -> None:
        self.say(word * times)

    def broken(self) -> Iterable[bytes]:
        yield b"x" * 5000
        raise RuntimeError("the app's own fault")


def echo(connection: Any) -> None:
    """Sends a WebSocket's messages back until its client closes it."""
    while (message := connection.wait()) is not None:
        connection.send(message)


def arguments(options: dict[str, Any], process: Process) -> dict[str, Any]:
    """Returns what server() is called with."""
    pool_size = options.pop("pool", 0)
    if pool_size:
        pool = options["custom_pool"] = eventlet.GreenPool(pool_size)
        for number in range(options.pop("workers", 0)):
            pool.spawn(process.wait, f"work {number}")
    if options.pop("logger", False):
        logging.basicConfig(format="%(name)s %(levelname)s %(message)s", level=logging.DEBUG)
        options["log"] = logging.getLogger("service")
    return options


def main(fd: str, text: str) -> None:
    process = Process()
    options = json.loads(text)
    certificate = options.pop("tls", "")
    # A patched socket.socket takes every descriptor for TCP's.
    sock = GreenSocket(patcher.original("socket").socket(fileno=int(fd)))
    if certificate:
        sock = eventlet.wrap_ssl(sock, certfile=certificate, server_side=True)
    more = arguments(options, process)

    def serve() -> None:
        wsgi.server(sock, process.app, **more)
        process.say("server() has returned")

    serving = eventlet.spawn(serve)
    hub = hubs.get_hub()

    def soon(function: Any) -> Any:
        return lambda *_: hub.schedule_call_global(0, function)

    signal.signal(signal.SIGUSR1, soon(lambda: process.gate.send(None)))
    signal.signal(signal.SIGUSR2, soon(sock.close))
    signal.signal(signal.SIGTERM, soon(serving.kill))
    signal.signal(signal.SIGINT, soon(lambda: serving.kill(KeyboardInterrupt)))
    try:
        serving.wait()
    except eventlet.greenlet.GreenletExit:
        process.say("the serving greenlet was killed")
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it may come twice
    process.say(f"left in the hub: {len(hub.get_readers())} {len(hub.get_writers())}")


if __name__ == "__main__":
    main(*sys.argv[1:])
