"""Traces by OpenTelemetry: real spans at a real receiver, whatever thread or greenlet they ended in."""

from __future__ import annotations

import json
import re
import signal
import sys
from pathlib import Path

import pytest

from tests.support.otlp import receiving
from tests.support.server import Server, run

pytest.importorskip("opentelemetry.exporter.otlp.proto.http")

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SERVER_KIND, OK, ERROR = 2, 0, 2


def args(tmp_path: Path, *more: str) -> list[str]:
    ini = tmp_path / "api.ini"
    ini.write_text("[app:main]\npaste.app_factory = tests.apps.traced:factory\napp = api\n")
    return ["serve", str(ini), "--bind", f"unix:{tmp_path / 's'}", "--workers", "1", *more]


def connect(server: Server, tmp_path: Path) -> Server:
    server.wait_ready()
    server.address = str(tmp_path / "s")
    return server


def test_each_request_is_a_span_and_the_apps_own_are_below_it(tmp_path: Path) -> None:
    log = tmp_path / "access.log"
    more = ("--tracing", "otel", "--access-log", str(log), "--access-log-format", "json")
    with receiving() as receiver:
        with run(args(tmp_path, *more), env=receiver.env) as server:
            with connect(server, tmp_path).connect() as client:
                sent = client.get("/things/1?token=secret", f"traceparent: 00-{TRACE}-{PARENT}-01")
                assert sent.json() == {"id": "1", "trace": TRACE}
                (span,) = receiver.wait("GET /things/{thing_id}")
                assert (span["trace"], span["parent"], span["kind"]) == (TRACE, PARENT, SERVER_KIND)
                assert span["status"] == OK
                assert span["service"]["service.name"] == "wsgisrv"
                shown = span["attributes"]
                assert shown["http.request.method"] == "GET"
                assert shown["http.route"] == "/things/{thing_id}"
                assert shown["http.response.status_code"] == 200
                assert (shown["url.path"], shown["url.scheme"]) == ("/things/1", "http")
                assert shown["network.protocol.version"] == "1.1"
                assert "secret" not in json.dumps(receiver.spans)
                for name in ("here", "thread", "spawned", "pooled"):
                    (inner,) = receiver.wait(name)
                    assert (inner["trace"], inner["parent"]) == (TRACE, span["id"]), name
                server.may_log_traceback = True
                assert client.get("/things/fails").status == 500
                failed = receiver.wait("GET /things/{thing_id}", 2)[1]
                assert (failed["status"], failed["attributes"]["error.type"]) == (ERROR, "500")
                assert failed["trace"] != TRACE
                assert client.get("/nothing", method="BREW").status == 501
                assert receiver.wait("HTTP")[0]["attributes"]["http.request.method"] == "_OTHER"
            server.signal(signal.SIGTERM)
            assert server.wait_exit() == 0
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        assert [line["trace_id"] for line in lines[:2]] == [TRACE, failed["trace"]]
        assert lines[0]["route"] == "/things/{thing_id}"
        assert re.fullmatch("req-[0-9a-f-]{36}", lines[0]["request_id"])


STATE, BAGGAGE = "vendor=1", "tenant=7"


@pytest.mark.parametrize("more", [(), (f"tracestate: {STATE}", f"baggage: {BAGGAGE}")])
@pytest.mark.parametrize(
    ("sampler", "sampled"),
    [("parentbased_always_on", False), ("traceidratio", False), ("always_on", True)],
)
def test_a_trace_that_is_not_sampled_is_carried_on_and_no_span_is_sent(
    sampler: str, sampled: bool, more: tuple[str, ...], tmp_path: Path
) -> None:
    sampling = {"OTEL_TRACES_SAMPLER": sampler, "OTEL_TRACES_SAMPLER_ARG": "0"}
    with receiving() as receiver:
        with run(args(tmp_path, "--tracing", "otel"), env=receiver.env | sampling) as server:
            with connect(server, tmp_path).connect() as client:
                header = f"traceparent: 00-{TRACE}-{PARENT}-00"
                carried = client.get("/things/carried", header, *more).json()
            server.signal(signal.SIGTERM)
            assert server.wait_exit() == 0
        if sampled:
            (span,) = receiver.wait("GET /things/{thing_id}")
            assert (span["trace"], span["parent"]) == (TRACE, PARENT)
        else:
            assert not receiver.spans
    assert re.fullmatch(rf"00-{TRACE}-[0-9a-f]{{16}}-0{int(sampled)}", carried["traceparent"])
    assert carried.get("tracestate") == (STATE if more else None)
    assert carried.get("baggage") == (BAGGAGE if more else None)


def test_a_share_of_the_traces_is_sampled_by_their_ids(tmp_path: Path) -> None:
    share = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.5"}
    with receiving() as receiver:
        with run(args(tmp_path, "--tracing", "otel"), env=receiver.env | share) as server:
            with connect(server, tmp_path).connect() as client:
                ids = [client.get("/things/1").json()["trace"] for _ in range(40)]
            server.signal(signal.SIGTERM)
            assert server.wait_exit() == 0
        sampled = {trace for trace in ids if int(trace[16:], 16) < 1 << 63}
        assert len(set(ids)) == 40
        assert {span["trace"] for span in receiver.spans} == sampled


@pytest.mark.parametrize(
    "header", ["nonsense", f"00-{'0' * 32}-{PARENT}-01", f"ff-{TRACE}-{PARENT}-01"]
)
def test_a_trace_that_is_none_is_not_continued(header: str, tmp_path: Path) -> None:
    with (
        receiving() as receiver,
        run(args(tmp_path, "--tracing", "otel"), env=receiver.env) as server,
        connect(server, tmp_path).connect() as client,
    ):
        trace = client.get("/things/1", f"traceparent: {header}").json()["trace"]
        (span,) = receiver.wait("GET /things/{thing_id}")
        assert (span["trace"], span["parent"]) == (trace, "")
        assert trace not in (TRACE, "0" * 32)


def test_what_has_not_been_sent_is_sent_at_the_end(tmp_path: Path) -> None:
    with receiving() as receiver:
        env = receiver.env | {"OTEL_BSP_SCHEDULE_DELAY": "60000", "OTEL_SERVICE_NAME": "stock"}
        with run(args(tmp_path, "--tracing", "otel"), env=env) as server:
            with connect(server, tmp_path).connect() as client:
                for _ in range(20):
                    client.get("/things/1")
            assert not receiver.spans
            server.signal(signal.SIGTERM)
            assert server.wait_exit() == 0
        spans = receiver.wait("GET /things/{thing_id}", 20)
        assert {span["service"]["service.name"] for span in spans} == {"stock"}


def test_a_receiver_that_is_away_disturbs_no_request(tmp_path: Path) -> None:
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_BSP_SCHEDULE_DELAY": "20"}
    with run(args(tmp_path, "--tracing", "otel"), env=env) as server:
        server.may_log_traceback = True  # of the exporter's own log
        with connect(server, tmp_path).connect() as client:
            for _ in range(50):
                assert client.get("/things/1").status == 200
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0


def test_without_the_packages_the_start_fails_with_one_line(tmp_path: Path) -> None:
    blocker = tmp_path / "blocked" / "opentelemetry"
    blocker.mkdir(parents=True)
    (blocker / "__init__.py").write_text("raise ImportError('not here')")
    (tmp_path / "blocked" / "sitecustomize.py").write_text(
        f"import sys; sys.path.insert(0, {str(blocker.parent)!r})"
    )
    paths = [str(blocker.parent), *sys.path]
    env = {"PYTHONPATH": ":".join(filter(None, paths))}
    with run(args(tmp_path, "--tracing", "otel"), env=env) as server:
        assert server.wait_exit() == 78
    assert re.match(
        r"wsgisrv: \[wsgisrv\] tracing = otel: needs OpenTelemetry \(pip install 'wsgisrv\[otel\]'\)",
        server.lines[-1],
    )
