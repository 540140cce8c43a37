"""``tools/bench api``: what a routed JSON answer costs in each framework, called without a server.

Rules: rounds interleave, so that whatever else the machine does meets all of them alike; ratios are taken
within a round. Each gets a fresh environ each time, as a server makes one.
"""

from __future__ import annotations

import io
import statistics
import sys
import time
import typing
from typing import Any
from urllib.parse import urlsplit

from benchmark import api_apps
from benchmark.load import HEADERS

if typing.TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

ABOUT = "a routed JSON answer of 40 routes, called without a server"
CALLS = 2_000
_TURNS = 5  # pieces of a round's calls, so that a disturbance meets all of them


def run(rounds: int) -> str:
    """Returns the table: microseconds a request, and the ratios that count."""
    apps = {
        "bare": api_apps.bare(),
        "full": api_apps.full(),
        "falcon": api_apps.falcon(),
        "glance": api_apps.glance(),
    }
    for name, app in apps.items():
        _check(name, app)
    found: dict[str, list[float]] = {name: [] for name in apps}
    for number in range(rounds + 1):  # the first one warms up
        best = dict.fromkeys(apps, float("inf"))
        for _ in range(_TURNS):
            for name, app in apps.items():
                best[name] = min(best[name], _time(app))
        if number:
            for name, seconds in best.items():
                found[name].append(seconds * 1e6)
    lines = [
        f"{name:8} {statistics.median(times):7.2f} us/request" for name, times in found.items()
    ]
    for ours, theirs, wanted in (
        ("bare", "falcon", "at most 1.5"), ("full", "falcon", "at most 1.5"),
        ("bare", "glance", "at most 0.25"), ("full", "glance", "at most 0.25"),
        ("full", "bare", "at most 2"),
    ):  # fmt: skip
        ratios = [a / b for a, b in zip(found[ours], found[theirs], strict=True)]
        span = f"{min(ratios):.2f}-{max(ratios):.2f}"
        lines.append(f"{ours} / {theirs}: {statistics.median(ratios):.2f} ({span}); {wanted}")
    return "\n".join(lines)


def _environ() -> dict[str, Any]:
    environ: dict[str, Any] = {
        f"HTTP_{name.upper().replace('-', '_')}": value for name, value in HEADERS.items()
    }
    path = urlsplit(api_apps.PATH).path
    return environ | {
        "REQUEST_METHOD": "GET", "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": "",
        "SERVER_NAME": "localhost", "SERVER_PORT": "80", "HTTP_HOST": "localhost",
        "SERVER_PROTOCOL": "HTTP/1.1", "REMOTE_ADDR": "127.0.0.1",
        "wsgi.url_scheme": "http", "wsgi.version": (1, 0), "wsgi.errors": sys.stderr,
        "wsgi.input": io.BytesIO(),
    }  # fmt: skip


def _check(name: str, app: WSGIApplication) -> None:
    said: list[Any] = []
    body = b"".join(app(_environ(), lambda *answer: said.append(answer) or (lambda _: None)))  # type: ignore[func-returns-value]
    if said[0][0] != "200 OK" or b'"12345"' not in body:
        raise SystemExit(f"bench: {name} answers {said} {body!r}")


def _time(app: WSGIApplication) -> float:
    """Returns the seconds that one request takes; making its environ is not counted."""
    environs = [_environ() for _ in range(CALLS)]

    def start_response(*answer: Any) -> Any:
        return None

    start = time.perf_counter()
    for environ in environs:
        app(environ, start_response)
    return (time.perf_counter() - start) / CALLS
