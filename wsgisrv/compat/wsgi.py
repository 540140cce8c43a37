"""``server``: what ``eventlet.wsgi.server`` is called with, and what it means.

    from wsgisrv.compat import wsgi     # was: from eventlet import wsgi
    wsgi.server(eventlet.listen(("", 8080)), app)

Rules: the signature is eventlet 0.41's. README, "Moving from eventlet.wsgi", says what is different.
"""

from __future__ import annotations

import warnings
from email.utils import formatdate
from typing import Any
from wsgiref.types import WSGIApplication

from eventlet import hubs
from eventlet import wsgi as eventlet_wsgi

from wsgisrv.compat.errors import ChunkReadError
from wsgisrv.compat.log import Log
from wsgisrv.compat.options import DEFAULT_LOG_FORMAT, Options
from wsgisrv.compat.server import EmbeddedServer

__all__ = ["server", "format_date_time", "ChunkReadError", "DEFAULT_LOG_FORMAT"]

MAX_REQUEST_LINE = 8192
"""Default of ``url_length_limit``, in bytes."""


def format_date_time(timestamp: float) -> str:
    """Returns seconds since the epoch as HTTP writes a date (RFC 9110 5.6.7)."""
    return formatdate(timestamp, usegmt=True)


def server(
    sock: Any,
    site: WSGIApplication,
    log: Any = None,
    environ: dict[str, Any] | None = None,
    max_size: int | None = None,
    max_http_version: str = "HTTP/1.1",
    protocol: Any = eventlet_wsgi.HttpProtocol,
    server_event: Any = None,
    minimum_chunk_size: int | None = None,
    log_x_forwarded_for: bool = True,
    custom_pool: Any = None,
    keepalive: bool | float = True,
    log_output: bool = True,
    log_format: str = DEFAULT_LOG_FORMAT,
    url_length_limit: int = MAX_REQUEST_LINE,
    debug: bool = True,
    socket_timeout: float | None = None,
    capitalize_response_headers: bool = True,
) -> None:
    """Serves until ``sock`` is closed or the calling greenlet is killed; then lets requests finish.

    Args:
        sock: bound and listening; from ``eventlet.listen``, perhaps with ``eventlet.wrap_ssl`` around it.
            Closed at the end.
        site: the app.
        log: a file-like object, or what has ``info`` and ``debug`` like a logger; None is stderr.
        environ: what every request's environ has, too.
        max_size: requests that run at a time, 1 or more; None is 1024. Idle connections do not count.
        max_http_version: ``HTTP/1.0`` answers as that and keeps no connection.
        protocol: its ``minimum_chunk_size`` is heeded, and nothing else: there is no such class here.
        server_event: gets the server by ``send``; deprecated by eventlet.
        minimum_chunk_size: bytes of an iterable's pieces to gather before they are sent; an app may set
            ``environ["eventlet.minimum_write_chunk_size"]``.
        log_x_forwarded_for: whether that field stands in the log before the client's address.
        custom_pool: has ``spawn`` and ``waitall``, as a GreenPool, which others may use as well; runs the
            requests in the place of ``max_size``.
        keepalive: False or 0 closes every connection after its response; a number is the seconds that
            one may be idle, True 75 of them.
        log_output: False logs nothing.
        log_format: of a request's line, with ``client_ip``, ``client_port``, ``date_time``,
            ``request_line``, ``status_code``, ``body_length`` and ``wall_seconds``.
        url_length_limit: bytes of a request target; a longer one is answered 414.
        debug: whether the log has debug lines and **clients get tracebacks** with a 500.
        socket_timeout: seconds for a head, between two pieces of a body and for a client that takes
            nothing; None takes wsgisrv's own defaults.
        capitalize_response_headers: makes ``x-some-name`` ``X-Some-Name``.

    Raises:
        OSError: when nothing can be accepted from ``sock``.
        AttributeError: for a pool that lacks one of the two methods.
        KeyError, TypeError, ValueError: for a ``log_format`` that cannot be filled.
    """
    if protocol is not eventlet_wsgi.HttpProtocol:
        warnings.warn(
            "wsgisrv.compat.wsgi.server calls no method of a protocol class; only its"
            " minimum_chunk_size is heeded",
            RuntimeWarning,
            stacklevel=2,
        )
    if not capitalize_response_headers:
        warnings.warn(
            "capitalize_response_headers=False is for clients that take case in header names for"
            " meaningful, which they should not",
            DeprecationWarning,
            stacklevel=2,
        )
    if minimum_chunk_size is None:
        minimum_chunk_size = protocol.minimum_chunk_size
    options = Options(
        environ=environ or {},
        max_size=max_size or eventlet_wsgi.DEFAULT_MAX_SIMULTANEOUS_REQUESTS,
        max_http_version=max_http_version,
        minimum_chunk_size=minimum_chunk_size,
        log_x_forwarded_for=log_x_forwarded_for,
        keepalive=keepalive,
        log_output=log_output,
        log_format=log_format,
        url_length_limit=url_length_limit,
        debug=debug,
        socket_timeout=socket_timeout,
        capitalize_response_headers=capitalize_response_headers,
        max_header_line=eventlet_wsgi.MAX_HEADER_LINE,
        max_total_header_size=eventlet_wsgi.MAX_TOTAL_HEADER_SIZE,
    )
    embedded = EmbeddedServer(
        sock, site, hubs.get_hub(), options, Log(log, options), custom_pool=custom_pool
    )
    if server_event is not None:
        warnings.warn("server_event is deprecated", DeprecationWarning, stacklevel=2)
        server_event.send(embedded)
    embedded.serve()
