"""Whether the app loads: in a child that boots as a worker does, says what it found, and ends."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import time
from typing import Any

from wsgisrv.config import Settings
from wsgisrv.errors import BY_EXIT_CODE, BootError, WsgisrvError, first_line
from wsgisrv.master.reap import in_words
from wsgisrv.master.spawn import spawn_process

_CHUNK_BYTES = 65536


def check_app(settings: Settings, *, with_imports: bool) -> dict[str, Any]:
    """Loads the app and returns what the child said: ``hub``, ``seconds``, ``imports``.

    Raises:
        WsgisrvError: what a worker would end its boot with.
    """
    reader, writer = os.pipe()
    try:
        pid = spawn_process(
            lambda: _load(settings, writer, with_imports), lambda: os.close(reader), "the check"
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
    return answer


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


def _load(settings: Settings, writer: int, with_imports: bool) -> int:
    answer: dict[str, Any]
    try:
        answer = _loaded(settings, with_imports)
    except WsgisrvError as error:
        answer = {"exit_code": error.exit_code, "reason": str(error)}
    except Exception as error:
        answer = {"exit_code": BootError.exit_code, "reason": first_line(error)}
    with os.fdopen(writer, "wb") as file:
        file.write(json.dumps(answer).encode())
    return 0


def _loaded(settings: Settings, with_imports: bool) -> dict[str, Any]:
    from wsgisrv.check.imports import find_blocking
    from wsgisrv.deploy import load_app
    from wsgisrv.worker.access_format import make_render
    from wsgisrv.worker.boot import make_tracing, prepare

    began = time.monotonic()
    _, hub_name = prepare(settings)
    make_render(settings.access_log_format, "", names_server=False)
    make_tracing(settings)
    app = load_app(settings.paste_config, {})
    return {
        "hub": hub_name,
        "seconds": round(time.monotonic() - began, 3),
        "app": f"{type(app).__module__}.{type(app).__qualname__}",
        "imports": find_blocking() if with_imports else None,
    }
