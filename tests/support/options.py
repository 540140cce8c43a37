"""Options of the drop-in for unit tests, all at some value."""

from __future__ import annotations

from typing import Any

from wsgisrv.compat.options import Options


def drop_in_options(**changed: Any) -> Options:
    defaults: dict[str, Any] = {
        "environ": {},
        "max_size": 7,
        "max_http_version": "HTTP/1.1",
        "minimum_chunk_size": 4096,
        "log_x_forwarded_for": True,
        "keepalive": True,
        "log_output": True,
        "log_format": "",
        "url_length_limit": 9000,
        "debug": True,
        "socket_timeout": None,
        "capitalize_response_headers": True,
        "max_header_line": 1000,
        "max_total_header_size": 2000,
    }
    return Options(**{**defaults, **changed})
