"""What filters cost: ``tools/bench filters``, in one process and without a server.

Each round calls every stack once, one after the other, so that whatever else the machine does meets all of
them alike; what the bare app takes is taken off, round by round. Time is the process's own, for nothing here
waits: by the clock, on a machine that others kept busy, the same stack took five times as long. The best
round is shown beside the median: others use the caches, too, which adds to a time and never takes off.
"""

from __future__ import annotations

import argparse
import importlib
import io
import statistics
import time
import warnings
from collections.abc import Callable, Iterable
from typing import Any

CALLS = 2000
OURS = "wsgisrv.middleware"
FIVE = ("request_id", "catch_errors", "proxy_headers", "size_limit", "rate_limit")
OPTIONS: dict[str, dict[str, str]] = {
    "proxy_headers": {"networks": "10.0.0.0/8"},
    "rate_limit": {"limits": "1000000/second"},
}
OSLO = {
    "request_id": ("RequestId", {}),
    "catch_errors": ("CatchErrors", {}),
    "size_limit": ("RequestBodySizeLimiter", {}),
    "proxy_headers": ("HTTPProxyToWSGI", {"enable_proxy_headers_parsing": "true"}),
}
BODY = b'{"message":"Hello, world"}'
HEADERS = [("Content-Type", "application/json"), ("Content-Length", str(len(BODY)))]
ENVIRON: dict[str, Any] = {
    "REQUEST_METHOD": "GET", "PATH_INFO": "/v1/books", "SCRIPT_NAME": "", "QUERY_STRING": "",
    "SERVER_NAME": "api", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.1", "HTTP_HOST": "api",
    "REMOTE_ADDR": "10.0.0.1", "REMOTE_PORT": "4711", "wsgi.url_scheme": "http",
    "wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO(), "wsgi.version": (1, 0),
    "wsgi.multithread": True, "wsgi.multiprocess": True, "wsgi.run_once": False,
    "HTTP_USER_AGENT": "python-requests/2.32.3", "HTTP_ACCEPT": "application/json",
    "HTTP_ACCEPT_ENCODING": "gzip, deflate", "HTTP_X_AUTH_TOKEN": "gAAAAABm" + "k3Zr9QxT" * 22,
    "HTTP_X_OPENSTACK_REQUEST_ID": "req-3f0c6a9e-5b1d-4c58-9a37-d0a4f1c2b7e6",
    "HTTP_X_FORWARDED_FOR": "203.0.113.7", "HTTP_X_FORWARDED_PROTO": "https",
}  # fmt: skip

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def bare(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
    start_response("200 OK", HEADERS)
    return [BODY]


def ours(name: str) -> Callable[[App], App]:
    factory = importlib.import_module(f"{OURS}.{name}").filter_factory
    made: Callable[[App], App] = factory({}, **OPTIONS.get(name, {}))
    return made


def oslo(name: str) -> Callable[[App], App]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        module = importlib.import_module("oslo_middleware")
    kind, options = OSLO[name]
    made: Callable[[App], App] = getattr(module, kind).factory({}, **options)
    return made


def stack(names: Iterable[str], make: Callable[[str], Callable[[App], App]]) -> App:
    app: App = bare
    for name in reversed(list(names)):
        app = make(name)(app)
    return app


def nanoseconds(app: App, calls: int) -> float:
    """Returns what one request takes."""
    environs = [dict(ENVIRON) for _ in range(calls)]

    def start_response(status: str, headers: object, exc_info: object = None) -> None:
        pass

    began = time.process_time_ns()
    for environ in environs:
        result = app(environ, start_response)
        for _ in result:
            pass
        if (close := getattr(result, "close", None)) is not None:
            close()
    return (time.process_time_ns() - began) / calls


def main() -> None:
    parser = argparse.ArgumentParser(prog="tools/bench filters", description="What filters cost.")
    parser.add_argument("--rounds", type=int, default=15, help="default: 15")
    rounds = parser.parse_args().rounds
    single = [*FIVE, "gzip", "debug"]
    stacks = {f"wsgisrv {name}": stack([name], ours) for name in single}
    stacks |= {f"oslo {name}": stack([name], oslo) for name in OSLO}
    stacks["wsgisrv, those four"] = stack(FIVE[:4], ours)
    stacks["oslo, those four"] = stack(FIVE[:4], oslo)
    stacks["wsgisrv, a stack of five"] = stack(FIVE, ours)
    taken: dict[str, list[float]] = {name: [] for name in stacks}
    for _ in range(rounds):
        nothing = nanoseconds(bare, CALLS)
        for name, app in stacks.items():
            taken[name].append(nanoseconds(app, CALLS) - nothing)
    print(f"{'filter':28} {'best':>10} {'median':>10}   ns a request, above the bare app")
    for name, values in taken.items():
        print(f"{name:28} {min(values):10,.0f} {statistics.median(values):10,.0f}")


if __name__ == "__main__":
    main()
