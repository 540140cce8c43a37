"""What an app sees of the end of its service: the flag in the environ.

Rules: it stands in the part of the environ that all requests of a listener share, so no request pays for it,
and it asks shared memory when it is asked. Must not import eventlet.
"""

from __future__ import annotations

from wsgisrv.scoreboard import Scoreboard

KEY = "wsgisrv.draining"


class Draining:
    """``environ["wsgisrv.draining"]``: true as soon as the service is to stop, though it still serves.

    It is about the service, for those who choose where requests go: a single worker that drains, since it
    was reloaded or recycled, leaves it false. On other servers the key is missing, so
    ``environ.get("wsgisrv.draining")`` asks right everywhere.

    Args:
        scoreboard: of the service.
    """

    __slots__ = ("_scoreboard", "is_orphan")

    def __init__(self, scoreboard: Scoreboard) -> None:
        self._scoreboard = scoreboard
        self.is_orphan = False  # the master is gone, and with it whoever would say so

    def __bool__(self) -> bool:
        return self.is_orphan or self._scoreboard.service_stops
