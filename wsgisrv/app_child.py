"""Loading an app as a worker does, in a child of its own that answers a question about it and ends.

Rules: nothing is bound and nobody served. What the app prints while it loads goes to stderr, so that the
command's stdout has its answer alone.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from typing import Any
from wsgiref.types import WSGIApplication

from wsgisrv.config import Settings
from wsgisrv.errors import BY_EXIT_CODE, BootError, WsgisrvError, first_line
from wsgisrv.master.reap import in_words
from wsgisrv.master.spawn import spawn_process

_CHUNK_BYTES = 65536
_write = os.write
"""As it is before the patching: eventlet's tries a pipe whose other end is closed again, for ever."""


@dataclasses.dataclass(frozen=True, slots=True)
class LoadedApp:
    """An app in the child, with the name of the hub and the seconds that hub, patching and app took."""

    app: WSGIApplication
    hub: str
    seconds: float


def ask_app(settings: Settings, question: Callable[[LoadedApp], Any]) -> Any:
    """Loads the app of a server and returns what ``question`` makes of it.

    Args:
        question: what it returns is JSON. Runs in: the child.

    Raises:
        WsgisrvError: what a worker would end its boot with, or what ``question`` raises.
    """
    reader, writer = os.pipe()
    try:
        pid = spawn_process(
            lambda: _answer(settings, question, writer), lambda: os.close(reader), "the check"
        )
    except OSError as error:
        os.close(reader)
        raise BootError(f"cannot fork: {error.strerror}") from None
    finally:
        os.close(writer)
    try:
        said = _read(reader, settings.boot_timeout)
    finally:
        os.close(reader)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
    if not said:
        raise BootError(f"the process that loaded the app {in_words(status)} without a word")
    answer: dict[str, Any] = json.loads(said)
    if "reason" in answer:
        raise BY_EXIT_CODE.get(answer["exit_code"], BootError)(answer["reason"])
    return answer["result"]


def _read(fd: int, seconds: float) -> bytes:
    """Reads up to the end.

    Raises:
        BootError: when it does not come in time; 0 waits for ever.
    """
    data = b""
    until = time.monotonic() + seconds
    while True:
        left = max(until - time.monotonic(), 0.0) if seconds else None
        if not select.select([fd], [], [], left)[0]:
            raise BootError(f"the app was not loaded in {seconds:g} s (boot_timeout)")
        chunk = os.read(fd, _CHUNK_BYTES)
        if not chunk:
            return data
        data += chunk


# Runs in: the child


def _answer(settings: Settings, question: Callable[[LoadedApp], Any], writer: int) -> int:
    with contextlib.suppress(OSError):  # a process may have no stderr
        os.dup2(2, 1)
    answer: dict[str, Any]
    try:
        answer = {"result": question(_load(settings))}
    except WsgisrvError as error:
        answer = {"exit_code": error.exit_code, "reason": str(error)}
    except Exception as error:
        answer = {"exit_code": BootError.exit_code, "reason": first_line(error)}
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()  # whoever has the answer kills this process
    data = json.dumps(answer).encode()
    with contextlib.suppress(BrokenPipeError):  # whoever asked was killed
        while data:
            data = data[_write(writer, data) :]
    return 0


def _load(settings: Settings) -> LoadedApp:
    from wsgisrv.deploy import load_served
    from wsgisrv.worker.access_format import make_render
    from wsgisrv.worker.boot import make_tracing, prepare

    began = time.monotonic()
    _, hub_name = prepare(settings)
    make_render(settings.access_log_format, "", names_server=False)
    make_tracing(settings)
    app = load_served(settings, {})
    return LoadedApp(app, hub_name, time.monotonic() - began)
