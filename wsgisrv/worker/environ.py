"""The part of the environ that every request on a listener shares (PEP 3333, environ variables), and the
part that proxies tell.
"""

from __future__ import annotations

import socket
from collections.abc import Collection
from typing import Any

from wsgisrv import __version__
from wsgisrv.http1.forwarded import origin_of, without_unread
from wsgisrv.networks import Networks
from wsgisrv.worker.file_wrapper import FileWrapper


def base_environ(listener: socket.socket, errors: Any) -> dict[str, Any]:
    """Returns what does not change from one request on ``listener`` to the next.

    Args:
        errors: the stream for ``wsgi.errors``.
    """
    host, port = _name_of(listener)
    return {
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.errors": errors,
        "wsgi.multithread": True,  # requests of one process take turns wherever they wait
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
        "wsgi.file_wrapper": FileWrapper,
        "SERVER_SOFTWARE": f"wsgisrv/{__version__}",
        "SERVER_NAME": host,
        "SERVER_PORT": port,
        "GATEWAY_INTERFACE": "CGI/1.1",
        "SCRIPT_NAME": "",
    }


def _name_of(listener: socket.socket) -> tuple[str, str]:
    """Returns name and port; a unix socket has neither, and PEP 3333 wants both non-empty."""
    if listener.family not in (socket.AF_INET, socket.AF_INET6):
        return "localhost", "80"
    address = listener.getsockname()
    return address[0], str(address[1])


def believe_proxies(
    environ: dict[str, Any],
    fields: dict[str, str],
    peer: tuple[str, str],
    trusted: Networks,
    believed: Collection[str],
) -> tuple[str, str]:
    """Puts in what trusted proxies say of a request, and takes out what nobody vouches for.

    Args:
        fields: of the request, by CGI name.
        peer: the connection's address and port.
        believed: names of the headers that trusted proxies set.

    Returns:
        The client's address and port, which are the peer's where no proxy says another.

    Raises:
        RefusedError: for what no proxy would say.
    """
    origin = origin_of(fields, peer[0], trusted, believed)
    without_unread(environ, peer[0] in trusted, believed)
    if origin is None:
        return peer
    if origin.scheme:
        environ["wsgi.url_scheme"] = origin.scheme
        environ["HTTPS"] = "on" if origin.scheme == "https" else "off"
    if origin.host:
        environ["HTTP_HOST"] = origin.host
    if origin.server_port:
        environ["SERVER_PORT"] = origin.server_port
    if origin.prefix:
        environ["SCRIPT_NAME"] = origin.prefix
    if not origin.address:
        return peer
    environ.setdefault("wsgisrv.peer", peer)
    environ["REMOTE_ADDR"], environ["REMOTE_PORT"] = origin.address, origin.port
    return origin.address, origin.port
