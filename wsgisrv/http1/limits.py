"""The bounds of the reader, all in bytes but the count."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request may take; each field is the option of the same name."""

    max_target_bytes: int = 8000
    max_header_count: int = 100
    max_header_bytes: int = 16384
    max_headers_bytes: int = 65536
    max_chunk_line_bytes: int = 1024
    max_trailer_bytes: int = 8192
    max_body_bytes: int = 0  # 0: no bound
    header_underscores: str = "drop"
    requires_host: bool = True  # False serves what RFC 9112 3.2 refuses, for compat alone
