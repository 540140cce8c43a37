"""The backdoor: a Python console inside a running worker, for whoever has to find out what it is at.

Rules: over a unix socket that the master has made; only its own user and root are let in. Each client has a
greenlet. What it runs holds the hub as any code of the app's would; nobody waits for it when the worker ends.

Facts about eventlet.backdoor: it puts the client's socket in the place of sys.stdin, stdout and stderr for as
long as the console lives, so that what the app prints meanwhile goes to the client. Here that holds only
while a line of the client's runs.
"""

from __future__ import annotations

import code
import contextlib
import io
import logging
import os
import socket
from collections.abc import Mapping
from types import CodeType
from typing import Any

import eventlet
from eventlet.greenio import GreenSocket

from wsgisrv.control import user_of

_LOG = logging.getLogger("wsgisrv.worker")

MOST_CLIENTS = 4
LINE_BYTES = 65536


class Backdoor:
    """Args:
    listener: bound and listening, this worker's alone.
    names: what the console knows, by name.
    """

    def __init__(self, listener: socket.socket, names: Mapping[str, Any]) -> None:
        self._listener = GreenSocket(listener)
        self._names = names
        self._clients = 0
        self._greenlet: Any = None

    def start(self) -> None:
        """Begins to accept."""
        self._greenlet = eventlet.spawn(self._accept)

    def close(self) -> None:
        """Removes the file: there may be no master to do it."""
        with contextlib.suppress(OSError):
            os.unlink(self._listener.getsockname())

    def _accept(self) -> None:
        """Runs in: a greenlet of its own."""
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError as error:
                _LOG.warning("backdoor: cannot accept: %s", error)
                eventlet.sleep(1)
                continue
            uid = user_of(sock)
            if uid not in (os.geteuid(), 0):
                _LOG.warning("backdoor: user %d is not permitted", uid)
            elif self._clients >= MOST_CLIENTS:
                _LOG.warning("backdoor: %d clients are connected already", MOST_CLIENTS)
            else:
                _LOG.info("backdoor: user %d has connected", uid)
                eventlet.spawn(self._serve, sock)
                continue
            sock.close()

    def _serve(self, sock: Any) -> None:
        self._clients += 1
        try:
            _Console(sock, self._names).interact(
                f"Worker with pid {os.getpid()}. Names: {', '.join(self._names)}. End with exit().",
                exitmsg="",
            )
        except (SystemExit, OSError):
            pass  # the client has left, in one way or another
        finally:
            self._clients -= 1
            sock.close()


class _Console(code.InteractiveConsole):
    """Reads from a socket and writes to it. Runs in: a greenlet of its own."""

    def __init__(self, sock: Any, names: Mapping[str, Any]) -> None:
        super().__init__({"__name__": "__console__", **names, "exit": _leave, "quit": _leave})
        self._socket = sock
        self._input = b""

    def raw_input(self, prompt: str = "") -> str:
        """Returns the next line.

        Raises:
            EOFError: when the client has ended its side, or its line is too long.
        """
        self.write(prompt)
        while b"\n" not in self._input:
            data = self._socket.recv(4096)
            if not data or len(self._input) > LINE_BYTES:
                raise EOFError
            self._input += data
        line, _, self._input = self._input.partition(b"\n")
        return line.rstrip(b"\r").decode("utf-8", "replace")

    def write(self, data: str) -> None:
        """Sends text to the client."""
        self._socket.sendall(data.encode("utf-8", "backslashreplace"))

    def runcode(self, code: CodeType) -> None:
        """Runs what the client has typed; what it prints goes to the client."""
        output = _Output(self)
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            super().runcode(code)


class _Output(io.TextIOBase):
    """What the client's code has for sys.stdout."""

    def __init__(self, console: _Console) -> None:
        self._console = console

    def write(self, text: str) -> int:
        """Sends it to the client."""
        self._console.write(text)
        return len(text)


def _leave() -> None:
    raise SystemExit
