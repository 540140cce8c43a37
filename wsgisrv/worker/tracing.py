"""A span for each request, by OpenTelemetry: ``tracing = otel``.

Rules: made in the worker, after the fork and the patching, before the app is loaded, which finds the
provider as the global one. The span is the current one for the app, in ``in_thread`` and in greenlets that
are spawned, by contextvars. Of a request its method, path, route and address are told, never a query, a
header or a body. What the SDK is to do (where to send, what to sample, as which service) say the OTEL_
variables that its documentation names. Without the option nothing of this is imported.

Source: W3C Trace Context; OpenTelemetry semantic conventions 1.29, "HTTP server span".
"""

from __future__ import annotations

import importlib
import os
import re
import threading
import types
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any
from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

from opentelemetry import context, propagate, trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.propagators.textmap import Getter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider

from wsgisrv import __version__
from wsgisrv.current import ROUTE, TRACE_ID
from wsgisrv.logs import original_rlock
from wsgisrv.worker.sampling import Ids, Odds
from wsgisrv.worker.span_queue import SpanQueue

if TYPE_CHECKING:
    from wsgisrv.worker.gateway import Exchange

_SPAN = "wsgisrv.span"
_METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY")
)
_NO_CONTEXT = context.Context()
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})").fullmatch
_USUAL_FIELDS = frozenset(("traceparent", "tracestate", "baggage"))  # of OTEL_PROPAGATORS' default
_OTHER = "_OTHER"  # semantic conventions: whatever a client makes up is one method


class Tracing:
    """Args:
    name: of the service, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES has one.
    """

    def __init__(self, name: str) -> None:
        _share_locks()
        resource = Resource.create({"process.pid": os.getpid()})
        if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
            resource = resource.merge(Resource({SERVICE_NAME: name}))
        self._queue = SpanQueue(OTLPSpanExporter())
        self._ids = Ids()
        provider = TracerProvider(resource=resource, shutdown_on_exit=False, id_generator=self._ids)
        provider.add_span_processor(self._queue)
        trace.set_tracer_provider(provider)
        self._tracer = provider.get_tracer("wsgisrv", __version__)
        self._odds = Odds.of(os.environ)
        self._are_usual = propagate.get_global_textmap().fields <= _USUAL_FIELDS

    def wrapped(self, app: WSGIApplication) -> WSGIApplication:
        """Returns the app with a span around each request; ``end`` ends it."""

        def traced(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            span = self._begin(environ)
            if span is None:
                return app(environ, start_response)
            try:
                return app(environ, start_response)
            except Exception as error:
                span.record_exception(error)
                raise

        return traced

    def _begin(self, environ: WSGIEnvironment) -> trace.Span | None:
        """Begins the trace of a request; returns its span, None if it is not sampled."""
        parent, sent = self._parent_of(environ)
        trace_id = sent.trace_id if sent is not None else self._ids.draw()
        environ[TRACE_ID] = f"{trace_id:032x}"
        if self._odds.drops(trace_id, sent):
            if sent is None or sent.trace_flags.sampled:
                flags = trace.TraceFlags.get_default()
                sent = trace.SpanContext(trace_id, self._ids.generate_span_id(), False, flags)
                parent = trace.set_span_in_context(trace.NonRecordingSpan(sent), parent)
            context.attach(parent)
            return None
        self._ids.give(trace_id if sent is None else 0)
        method = environ["REQUEST_METHOD"]
        span = environ[_SPAN] = self._tracer.start_span(
            method if method in _METHODS else "HTTP",
            parent,
            kind=trace.SpanKind.SERVER,
            attributes=_attributes(environ),
        )
        # Never detached: the request's context ends with the request.
        context.attach(trace.set_span_in_context(span, parent))
        return span

    def _parent_of(
        self, environ: WSGIEnvironment
    ) -> tuple[context.Context, trace.SpanContext | None]:
        """Returns what the client has sent: as a context, and the span in it, None for no valid one."""
        header: str | None = environ.get("HTTP_TRACEPARENT")
        is_usual = self._are_usual and "HTTP_BAGGAGE" not in environ
        if is_usual and header is None:
            return _NO_CONTEXT, None
        # By far the most of those that have one, in half of the propagators' time.
        is_plain = is_usual and "HTTP_TRACESTATE" not in environ
        if is_plain and (found := _TRACEPARENT(header or "")):
            trace_id, span_id, flags = (int(part, 16) for part in found.groups())
            sent = trace.SpanContext(trace_id, span_id, True, trace.TraceFlags(flags))
            parent = trace.set_span_in_context(trace.NonRecordingSpan(sent), _NO_CONTEXT)
        else:
            parent = propagate.extract(environ, _NO_CONTEXT, getter=_HEADERS)
            sent = trace.get_current_span(parent).get_span_context()
        return parent, sent if sent.is_valid else None

    def end(self, exchange: Exchange) -> None:
        """Ends the span of a request that was answered, or whose client is gone. Runs in: pool greenlet."""
        environ = exchange.environ
        span = environ.pop(_SPAN, None)
        if span is None:
            return
        if span.is_recording():
            status = exchange.status
            found: dict[str, Any] = {"http.response.status_code": status} if status else {}
            route = environ.get(ROUTE)
            if route:
                found["http.route"] = route
                method = environ["REQUEST_METHOD"]
                span.update_name(f"{method if method in _METHODS else 'HTTP'} {route}")
            if status >= 500 or not status:
                found["error.type"] = str(status or "no_response")
                span.set_status(trace.StatusCode.ERROR)
            span.set_attributes(found)
        span.end()

    def finish(self, seconds: float) -> None:
        """Sends what there is, so long at most, and ends. Stops the hub meanwhile."""
        self._queue.finish(seconds)


def _attributes(environ: WSGIEnvironment) -> dict[str, Any]:
    method = environ["REQUEST_METHOD"]
    found = {
        "http.request.method": method if method in _METHODS else _OTHER,
        "url.scheme": environ["wsgi.url_scheme"],
        "url.path": f"{environ.get('SCRIPT_NAME', '')}{environ['PATH_INFO']}",
        "network.protocol.version": environ["SERVER_PROTOCOL"].removeprefix("HTTP/"),
        "server.address": environ["SERVER_NAME"],
    }
    if environ["SERVER_PORT"].isdecimal():
        found["server.port"] = int(environ["SERVER_PORT"])
    if environ["REMOTE_ADDR"]:
        found["client.address"] = environ["REMOTE_ADDR"]
    return found


def _share_locks() -> None:
    """Gives the SDK's spans locks of before the patching: several are made and taken for each.

    Facts about them: each is held for a few steps that wait for nothing, and a green one cannot be shared
    with native threads (wsgisrv.worker.log_locks). An RLock is the whole hub's, so that a greenlet never
    waits in it, whatever a handler of logging does that the SDK warns through.
    """
    shared: Any = types.ModuleType("threading")
    vars(shared).update(vars(threading), Lock=original_rlock, RLock=original_rlock)
    for name in ("opentelemetry.attributes", "opentelemetry.sdk.trace", "opentelemetry.sdk.util"):
        module: Any = importlib.import_module(name)
        if hasattr(module, "threading"):
            module.threading = shared


class _Headers(Getter[WSGIEnvironment]):
    """Reads the fields of a propagator out of the environ."""

    def get(self, carrier: WSGIEnvironment, key: str) -> list[str] | None:
        value = carrier.get(f"HTTP_{key.upper().replace('-', '_')}")
        return None if value is None else [value]

    def keys(self, carrier: WSGIEnvironment) -> list[str]:
        return [key[5:].lower().replace("_", "-") for key in carrier if key.startswith("HTTP_")]


_HEADERS = _Headers()
