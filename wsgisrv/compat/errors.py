"""The errors of reads, each also the one that an app written for eventlet.wsgi catches."""

from __future__ import annotations

from eventlet import wsgi as eventlet_wsgi

from wsgisrv.worker.errors import BodyError, MalformedBodyError


class ChunkReadError(MalformedBodyError, eventlet_wsgi.ChunkReadError):  # type: ignore[misc]
    """Raised by a read of a malformed body; is eventlet's error of that name, too."""


class InputTimeoutError(BodyError, TimeoutError):
    """Raised by a read that took too long, as eventlet's raises socket.timeout."""
