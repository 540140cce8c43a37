"""The admin listener's HTTP server: a few paths, GET and HEAD, each connection for one request.

Rules: nothing that is asked for changes anything, and of a request nothing but method, path, Host and Accept
is looked at. The standard library's server will do here: who asks is on this machine, and few. A bounded
number of threads, each for a bounded time.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import importlib.resources
import json
import logging
import re
import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

from wsgisrv.admin.asked import Asked
from wsgisrv.admin.hosts import Hosts
from wsgisrv.admin.view import View

_LOG = logging.getLogger("wsgisrv.admin")

MOST_THREADS = 16
SECONDS = 10.0
"""That a client may take for its request, and then for each piece of the answer."""

Answer = tuple[HTTPStatus, str, bytes]

_TEXT = "text/plain; charset=utf-8"
_MISSING = "metrics need prometheus_client: pip install 'wsgisrv[metrics]'\n"
_MOST_DIGITS = 12

_OWN = ("none", "same-origin")
"""What a browser says of a request that no page elsewhere has made it send."""


class Pages:
    """What each path answers.

    Args:
        view: of shared memory.
        asked: the master, for what is not there.
    """

    def __init__(self, view: View, asked: Asked) -> None:
        self._view = view
        self._asked = asked
        page = importlib.resources.files("wsgisrv.admin").joinpath("assets/page.html").read_bytes()
        self._page = page
        self.policy = _policy_of(page.decode())
        self._by_path: dict[str, Callable[[str, str], Answer]] = {
            "/": lambda _query, _accept: (HTTPStatus.OK, "text/html; charset=utf-8", self._page),
            "/metrics": self._metrics,
            "/history.json": self._history,
            "/status.json": lambda _query, _accept: _json(
                {**self._view.counts(), **self._asked.status()}
            ),
            "/stacks.json": lambda _query, _accept: _json(self._asked.stacks()),
        }

    def answer(self, target: str, accept: str) -> Answer:
        """Returns what is at a request target."""
        parts = urlsplit(target)
        page = self._by_path.get(parts.path)
        if page is None:
            known = " ".join(self._by_path)
            return HTTPStatus.NOT_FOUND, _TEXT, f"not here; there is {known}\n".encode()
        return page(parts.query, accept)

    def _metrics(self, _query: str, accept: str) -> Answer:
        try:
            from wsgisrv.admin.exposition import expose
        except ImportError:
            return HTTPStatus.SERVICE_UNAVAILABLE, _TEXT, _MISSING.encode()
        text, media_type = expose(self._view.families(), accept)
        return HTTPStatus.OK, media_type, text

    def _history(self, query: str, _accept: str) -> Answer:
        since = parse_qs(query).get("since", ["0"])[0]
        if not (since.isascii() and since.isdecimal() and len(since) <= _MOST_DIGITS):
            return HTTPStatus.BAD_REQUEST, _TEXT, b"since is a whole number\n"
        return _json(self._view.history(int(since)))


def _json(document: dict[str, Any]) -> Answer:
    text = json.dumps(document, separators=(",", ":"))
    return HTTPStatus.OK, "application/json", text.encode()


def _policy_of(page: str) -> str:
    """Returns a Content-Security-Policy that lets the page's own style and script run, and nothing else."""
    sources = {
        kind: " ".join(
            f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
            for text in re.findall(rf"<{kind}>(.*?)</{kind}>", page, re.DOTALL)
        )
        for kind in ("style", "script")
    }
    return (
        f"default-src 'none'; style-src {sources['style']}; script-src {sources['script']};"
        " connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


class AdminServer(socketserver.ThreadingMixIn, http.server.HTTPServer):
    """Args:
    listener: bound and listening.
    pages: what is answered.
    hosts: by which names it may be asked.
    """

    daemon_threads = True

    def __init__(self, listener: socket.socket, pages: Pages, hosts: Hosts) -> None:
        self.pages = pages
        self.hosts = hosts
        self._free = threading.BoundedSemaphore(MOST_THREADS)
        super().__init__(listener.getsockname(), _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serves a connection in a thread of its own; one too many is closed."""
        if self._free.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Runs in: the thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is no fault of anybody's; all else is a bug of ours."""
        is_gone = isinstance(sys.exc_info()[1], OSError)
        _LOG.log(
            logging.DEBUG if is_gone else logging.ERROR,
            "a request of the admin listener failed",
            exc_info=True,
        )


class _Handler(http.server.BaseHTTPRequestHandler):
    server: AdminServer
    timeout = SECONDS
    protocol_version = "HTTP/1.1"

    def version_string(self) -> str:
        """Returns the Server field."""
        return "wsgisrv"

    def do_GET(self) -> None:
        self.close_connection = True
        hosts = self.headers.get_all("Host", [])
        if len(hosts) > 1 or (hosts and hosts[0] not in self.server.hosts):
            text = b"not by this name: localhost, an address, or one of admin_hosts\n"
            self._send(HTTPStatus.MISDIRECTED_REQUEST, _TEXT, text)
        elif self.path != "/" and self.headers.get("Sec-Fetch-Site", "none") not in _OWN:
            self._send(HTTPStatus.FORBIDDEN, _TEXT, b"not from a page elsewhere\n")
        else:
            self._send(*self.server.pages.answer(self.path, self.headers.get("Accept", "")))

    do_HEAD = do_GET  # noqa: N815

    def _refuse(self) -> None:
        self.close_connection = True
        self._send(HTTPStatus.METHOD_NOT_ALLOWED, _TEXT, b"GET or HEAD\n", ("Allow", "GET, HEAD"))

    do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _refuse  # noqa: N815

    def _send(
        self, status: HTTPStatus, media_type: str, body: bytes, *more: tuple[str, str]
    ) -> None:
        self.send_response(status)
        for name, value in (
            ("Content-Type", media_type),
            ("Content-Length", str(len(body))),
            ("Cache-Control", "no-store"),
            ("Connection", "close"),
            ("Content-Security-Policy", self.server.pages.policy),
            ("Cross-Origin-Resource-Policy", "same-origin"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
            *more,
        ):
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Answers what http.server itself refuses, without a word of the client's in it."""
        self.close_connection = True
        status = HTTPStatus(code)
        self.requestline = getattr(self, "requestline", "")
        self.command = getattr(self, "command", "")
        if not hasattr(self, "request_version") or self.request_version == "HTTP/0.9":
            self.request_version = "HTTP/1.1"
        self._send(status, _TEXT, f"{status.phrase}\n".encode())

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- http.server's name
        """Logs nothing: who asks for metrics asks four times a minute."""
