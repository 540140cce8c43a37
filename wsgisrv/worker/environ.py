"""The part of the environ that every request on a listener shares (PEP 3333, environ variables)."""

from __future__ import annotations

import socket
from typing import Any

from wsgisrv import __version__
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
