"""Spans on their way to the exporter, which a native thread drives.

Rules: greenlets and native threads hand spans over without a lock or a wait; a span too many is counted and
dropped. How long it gathers, and how many, say OpenTelemetry's own OTEL_BSP_ variables.

Why not the SDK's BatchSpanProcessor: in a patched process its thread is a greenlet of the hub's and its
condition green, so that encoding and compressing would hold the hub, and a span that ends in a native
thread, as one of ``in_thread``, would have to wake a greenlet of another thread, which eventlet cannot.

Facts about a green socket in a native thread: it waits in a hub of that thread's own, so the exporter's HTTP
client, which is patched, works there like a plain one, as long as no other thread uses it.
"""

from __future__ import annotations

import collections
import logging
import os
from typing import Any

from eventlet import patcher
from opentelemetry import context
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter

_LOG = logging.getLogger("wsgisrv.worker")

_native: Any = patcher.original("threading")


class SpanQueue(SpanProcessor):
    """Args:
    exporter: taken over; only the thread uses it.
    """

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._most = _number("OTEL_BSP_MAX_QUEUE_SIZE", 2048)
        self._batch = _number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512)
        self._delay = _number("OTEL_BSP_SCHEDULE_DELAY", 5000) / 1000
        self._spans: collections.deque[ReadableSpan] = collections.deque()
        self._dropped = 0
        self._told = 0
        self._ends = False
        self._bell = _native.Event()
        self._thread = _native.Thread(target=self._run, name="spans", daemon=True)
        self._thread.start()

    def on_end(self, span: ReadableSpan) -> None:
        """Takes a span that has ended. Runs in: any greenlet or thread."""
        found = span.get_span_context()
        if found is None or not found.trace_flags.sampled:
            return
        if len(self._spans) >= self._most:
            self._dropped += 1
            return
        self._spans.append(span)
        if len(self._spans) >= self._batch and not self._bell.is_set():
            self._bell.set()

    def finish(self, seconds: float) -> None:
        """Exports what there is, so long at most, and ends. Stops the hub meanwhile."""
        self._ends = True
        self._bell.set()
        self._thread.join(seconds)
        if self._spans:
            _LOG.warning("tracing: %d spans were not sent in time", len(self._spans))

    def shutdown(self) -> None:
        """The SDK's way to end: sends what there is."""
        self.finish(self._delay)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Has what there is sent soon; the thread alone knows when that is done, so nobody waits."""
        self._bell.set()
        return True

    # Runs in: the native thread

    def _run(self) -> None:
        # As the SDK's own thread: what the exporter does is no trace.
        context.attach(context.set_value(context._SUPPRESS_INSTRUMENTATION_KEY, True))
        while not self._ends:
            self._bell.wait(self._delay)
            self._bell.clear()
            self._export()
        self._export()
        self._exporter.shutdown()

    def _export(self) -> None:
        while self._spans:
            batch = [self._spans.popleft() for _ in range(min(len(self._spans), self._batch))]
            try:
                self._exporter.export(batch)
            except Exception as error:  # whatever it is, the next batch may fare better
                _LOG.warning("tracing: %d spans lost: %r", len(batch), error)
        if self._dropped > self._told:
            _LOG.warning("tracing: %d spans lost, too many at once", self._dropped - self._told)
            self._told = self._dropped


def _number(variable: str, default: int) -> int:
    text = os.environ.get(variable, "")
    return int(text) if text.isdecimal() and int(text) else default
