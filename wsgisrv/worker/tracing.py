"""A span for each request, by OpenTelemetry: ``tracing = otel``.

Rules: made in the worker, after the fork and the patching, before the app is loaded, which finds the
provider as the global one. The span is the current one for the app, in ``in_thread`` and in greenlets that
are spawned, by contextvars. Of a request its method, path, route and address are told, never a query, a
header or a body. What the SDK is to do (where to send, what to sample, as which service) say the OTEL_
variables that its documentation names. Without the option nothing of this is imported.

Source: W3C Trace Context; OpenTelemetry semantic conventions 1.29, "HTTP server span".
"""

from __future__ import annotations

import os
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
from wsgisrv.worker.span_queue import SpanQueue

if TYPE_CHECKING:
    from wsgisrv.worker.gateway import Exchange

_SPAN = "wsgisrv.span"
_METHODS = frozenset(
    ("GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "QUERY")
)
_OTHER = "_OTHER"  # semantic conventions: whatever a client makes up is one method


class Tracing:
    """Args:
    name: of the service, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES has one.
    """

    def __init__(self, name: str) -> None:
        resource = Resource.create({"process.pid": os.getpid()})
        if str(resource.attributes[SERVICE_NAME]).startswith("unknown_service"):
            resource = resource.merge(Resource({SERVICE_NAME: name}))
        self._queue = SpanQueue(OTLPSpanExporter())
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(self._queue)
        trace.set_tracer_provider(provider)
        self._tracer = provider.get_tracer("wsgisrv", __version__)

    def wrapped(self, app: WSGIApplication) -> WSGIApplication:
        """Returns the app with a span around each request; ``end`` ends it."""
        tracer = self._tracer

        def traced(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            parent = propagate.extract(environ, getter=_HEADERS)
            method = environ["REQUEST_METHOD"]
            span = tracer.start_span(
                method if method in _METHODS else "HTTP",
                parent,
                kind=trace.SpanKind.SERVER,
                attributes=_attributes(environ),
            )
            environ[_SPAN] = span
            environ[TRACE_ID] = trace.format_trace_id(span.get_span_context().trace_id)
            # Never detached: the request's context ends with the request.
            context.attach(trace.set_span_in_context(span, parent))
            try:
                return app(environ, start_response)
            except Exception as error:
                span.record_exception(error)
                raise

        return traced

    def end(self, exchange: Exchange) -> None:
        """Ends the span of a request that was answered, or whose client is gone. Runs in: pool greenlet."""
        environ = exchange.environ
        span = environ.pop(_SPAN, None)
        if span is None:
            return
        if span.is_recording():
            route = environ.get(ROUTE)
            if route:
                span.set_attribute("http.route", route)
                method = environ["REQUEST_METHOD"]
                span.update_name(f"{method if method in _METHODS else 'HTTP'} {route}")
            status = exchange.status
            if status:
                span.set_attribute("http.response.status_code", status)
            if status >= 500 or not status:
                span.set_attribute("error.type", str(status or "no_response"))
                span.set_status(trace.StatusCode.ERROR)
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


class _Headers(Getter[WSGIEnvironment]):
    """Reads the fields of a propagator out of the environ."""

    def get(self, carrier: WSGIEnvironment, key: str) -> list[str] | None:
        value = carrier.get(f"HTTP_{key.upper().replace('-', '_')}")
        return None if value is None else [value]

    def keys(self, carrier: WSGIEnvironment) -> list[str]:
        return [key[5:].lower().replace("_", "-") for key in carrier if key.startswith("HTTP_")]


_HEADERS = _Headers()
