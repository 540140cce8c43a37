"""What an app does with wsgisrv.blocking.in_process, chosen by PATH_INFO; the query is the argument."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from wsgisrv.blocking import JobError, in_process

VERSION = (
    Path(os.environ["TEST_VERSION_FILE"]).read_text() if "TEST_VERSION_FILE" in os.environ else ""
)
"""What the code said when it was imported."""


class OddError(Exception):
    """One that does not survive pickling as it is."""

    def __init__(self, left: int, right: int) -> None:
        super().__init__(f"{left} and {right}")


def factory(global_conf: dict[str, str], app: str) -> WSGIApplication:
    return serve


def pid(_: str) -> int:
    return os.getpid()


def imported(_: str) -> list[Any]:
    return [VERSION, "eventlet" in sys.modules, os.getpriority(os.PRIO_PROCESS, 0), os.getpid()]


def spin(seconds: str) -> float:
    """Computes in Python."""
    until = time.monotonic() + float(seconds)
    while time.monotonic() < until:
        pass
    return float(seconds)


def match(_: str) -> None:
    """Computes for hours in C code that keeps the interpreter to itself."""
    re.match(r"(a+)+$", "a" * 60 + "b")


def fails(text: str) -> None:
    raise LookupError(text)


def fails_oddly(_: str) -> None:
    raise OddError(1, 2)


def exits(code: str) -> None:
    sys.exit(int(code))


def dies(_: str) -> None:
    os._exit(9)


def read(path: str) -> str:
    """Waits for somebody who writes to a FIFO."""
    return Path(path).read_text()


def append(path: str) -> None:
    """Leaves a mark that it ran."""
    with Path(path).open("a") as file:
        file.write("ran\n")


def lambda_of(_: str) -> Any:
    return lambda: None


def echo(size: str) -> bytes:
    return b"x" * int(size)


def nested(_: str) -> bool:
    return in_process(pid, "") == os.getpid()


JOBS = {
    f"/{f.__name__}": f
    for f in (
        pid,
        imported,
        spin,
        match,
        fails,
        fails_oddly,
        exits,
        dies,
        append,
        read,
        lambda_of,
        echo,
        nested,
    )
}


def serve(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Answers the result of a job; ``raise/...`` leaves its error to the server."""
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    answer: Any = None
    if path.startswith("/raise"):
        answer = in_process(JOBS[path.removeprefix("/raise")], query)
    elif path == "/lambda":
        answer = outcome(lambda _: None, query)
    elif path == "/hello":
        answer = os.getpid()
    elif path == "/impatient":
        answer = impatiently(append, query)
    elif path.startswith("/soon"):
        answer = outcome(JOBS[path.removeprefix("/soon")], query, timeout=0.3)
    elif path == "/echo":
        answer = len(in_process(echo, query))
    else:
        answer = outcome(JOBS[path], query)
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]


def impatiently(f: Any, query: str) -> Any:
    import eventlet

    try:
        with eventlet.Timeout(0.1):
            return in_process(f, query)
    except eventlet.Timeout:
        return "timed out"


def outcome(f: Any, query: str, **options: Any) -> Any:
    try:
        return in_process(f, query, **options)
    except (LookupError, OSError, JobError, SystemExit) as error:
        return [type(error).__name__, str(error), *getattr(error, "__notes__", [])]
