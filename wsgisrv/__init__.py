"""wsgisrv: a forking, green, strict WSGI API server.

This package's top level imports nothing, so that the master stays free of eventlet and a worker can
choose its hub and patch the standard library before anything else is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wsgisrv.service import Service as Service

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Returns ``Service``, imported when it is asked for."""
    if name == "Service":
        from wsgisrv.service import Service

        return Service
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
