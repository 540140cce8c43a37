"""The arguments of ``server`` as one value, and as the settings that connections understand.

What eventlet leaves unbounded by default (a head, a body, an idle connection, a client that takes
nothing) keeps wsgisrv's bounds, since a server that waits for ever can be stopped by anybody.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from wsgisrv.config import Settings

DEFAULT_LOG_FORMAT = (
    '%(client_ip)s - - [%(date_time)s] "%(request_line)s"'
    " %(status_code)s %(body_length)s %(wall_seconds).6f"
)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What ``server`` was called with; two fields more are module attributes of eventlet.wsgi.

    ``max_header_line`` and ``max_total_header_size`` are in bytes, and set there by many a service.
    """

    environ: Mapping[str, Any]
    max_size: int
    max_http_version: str
    minimum_chunk_size: int
    log_x_forwarded_for: bool
    keepalive: bool | float
    log_output: bool
    log_format: str
    url_length_limit: int
    debug: bool
    socket_timeout: float | None
    capitalize_response_headers: bool
    max_header_line: int
    max_total_header_size: int

    @property
    def is_http10(self) -> bool:
        """Whether to speak HTTP/1.0 only."""
        return self.max_http_version == "HTTP/1.0"

    @property
    def keepalive_seconds(self) -> float | None:
        """What the caller asked for, None when it left the time to the server."""
        return None if isinstance(self.keepalive, bool) else float(self.keepalive)

    def settings(self) -> Settings:
        """Returns them as the settings of a server, with its own defaults for the rest."""
        changed: dict[str, Any] = {
            "pool_size": self.max_size,
            "max_target_bytes": self.url_length_limit,
            "max_header_bytes": self.max_header_line,
            "max_headers_bytes": self.max_total_header_size,
        }
        if not self.keepalive or self.is_http10:
            changed["keepalive_timeout"] = 0.0
        elif self.keepalive_seconds is not None:
            changed["keepalive_timeout"] = self.keepalive_seconds
        if self.socket_timeout is not None:
            for name in ("header_timeout", "body_timeout", "write_timeout"):
                changed[name] = self.socket_timeout
        return dataclasses.replace(Settings(), **changed)
