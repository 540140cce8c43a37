"""What is measured: one entry a scenario."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One kind of load.

    Args:
        about: one line for ``--list`` and above the table.
        path: what is asked for, one of those that the app knows.
        connections: at a time.
        body_bytes: of the request; above 0 it is a POST.
        pipeline: requests that are sent before the first answer is awaited.
        fresh_ids: no two requests of a connection have the same X-Request-Id.
        close: each request asks for the connection's end, so that the next one makes a new one.
        workers: of the server; servers that have only one process sit out where it is above 1.
        access_log: whether the server writes one, to a file.
        log_format: of wsgisrv's; "" for the default.
        traced: wsgisrv names each request and makes a span of it, which nobody receives.
        attached: clients of the kind that stay connected meanwhile, as ("slow", 5000): then the 99th
            percentile of the others' latency is measured instead of a rate.
        megabytes: of responses a second are measured.
        api: "bare" or "full" for the API of ``api_apps``, each server with the framework that it is used
            with; "" for the app of ``apps``.
        idle: memory is measured instead of a rate: what an idle connection costs.
        beside: path of a long request, of which so many run the whole time: then the 99th percentile of
            the latency is measured that one client sees who asks a hundred times a second. Nothing is
            pinned, and only wsgisrv takes part.
        measures: the unit of what is measured, where it is none of these.
    """

    about: str
    path: str = "/"
    connections: int = 64
    body_bytes: int = 0
    pipeline: int = 1
    fresh_ids: bool = False
    close: bool = False
    workers: int = 1
    access_log: bool = False
    log_format: str = ""
    traced: bool = False
    attached: tuple[str, int] | None = None
    megabytes: bool = False
    idle: bool = False
    beside: tuple[str, int] | None = None
    measures: str = ""
    api: str = ""

    @property
    def unit(self) -> str:
        if self.measures:
            return self.measures
        if self.idle:
            return "KiB/connection"
        if self.megabytes:
            return "MB/s"
        return "ms at p99" if self.attached or self.beside else "requests/s"


SCENARIOS = {
    "hello": Scenario(about="a 26-byte JSON answer, 64 keep-alive connections"),
    "fresh-ids": Scenario(
        about="hello, each request with fields of its own: a new X-Request-Id", fresh_ids=True
    ),
    "post10k": Scenario(
        about="a request body of 10 KiB that the app reads and sends back",
        path="/upload",
        body_bytes=10 * 1024,
    ),
    "mebibyte": Scenario(about="a response of 1 MiB in one piece", path="/mebibyte"),
    "new-connection": Scenario(about="a new connection for each request", close=True),
    "pipelined": Scenario(about="16 requests in one go", pipeline=16),
    "many": Scenario(about="1000 keep-alive connections, all busy", connections=1000),
    "file": Scenario(
        about="a file of 1 GiB by wsgi.file_wrapper", path="/file", connections=1, megabytes=True
    ),
    "idle": Scenario(about="memory of 10,000 idle connections", connections=10_000, idle=True),
    "among-idle": Scenario(
        about="4 clients among 10,000 idle ones", connections=4, attached=("idle", 10_000)
    ),
    "among-18000": Scenario(
        about="4 clients among 18,000 idle ones", connections=4, attached=("idle", 18_000)
    ),
    "among-slow": Scenario(
        about="4 clients among 5000 that send or read a byte a second",
        connections=4,
        attached=("slow", 5000),
    ),
    "alone": Scenario(about="4 clients, nobody else", connections=4, attached=("idle", 0)),
    "beside-nothing": Scenario(about="one client, nobody else", beside=("/", 0)),
    "beside-process": Scenario(
        about="one client beside a computation of 5 s by in_process", beside=("/process?5", 1)
    ),
    "beside-threads": Scenario(
        about="one client beside 50 calls that wait 1 s by in_thread", beside=("/thread?1", 50)
    ),
    "beside-block": Scenario(
        about="one client beside a computation of 5 s in the worker itself", beside=("/block?5", 1)
    ),
    "access-log": Scenario(about="hello with an access log to a file", access_log=True),
    "access-log-json": Scenario(
        about="hello with an access log in JSON to a file", access_log=True, log_format="json"
    ),
    "observed": Scenario(
        about="hello with an access log in JSON, request ids and a span of each request",
        access_log=True,
        log_format="json",
        traced=True,
    ),
    "api-http": Scenario(
        about="a routed JSON answer of 40 routes: wsgisrv.api; WebOb and Routes on eventlet, Falcon on"
        " gunicorn and granian",
        path="/r07/12345",
        api="bare",
    ),
    "api-http-full": Scenario(
        about="likewise, wsgisrv.api with validation, microversions and request ids",
        path="/r07/12345",
        api="full",
    ),
    "two-workers": Scenario(about="hello from two workers, nothing pinned", workers=2),
}
