"""What the admin process knows by itself, from shared memory, for pages and metrics.

Rules: reads, and takes no lock of the service's. Values for JSON are plain.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wsgisrv.admin.families import Family, families_of
from wsgisrv.admin.recent import NAMES, Recent
from wsgisrv.figures import read_figures
from wsgisrv.scoreboard import Scoreboard
from wsgisrv.series import REFUSED, REQUEST, RESTART, TIMEOUT

MOST_ROUTES = 200


class View:
    """Args:
    scoreboard: of the service.
    recent: its last 15 minutes.
    master_pid, started: as for ``families_of``.
    """

    def __init__(
        self, scoreboard: Scoreboard, recent: Recent, master_pid: int, started: float
    ) -> None:
        self._scoreboard = scoreboard
        self._recent = recent
        self._master_pid = master_pid
        self._started = started

    def families(self) -> Iterator[Family]:
        """Returns every metric as it is now."""
        found = read_figures(self._scoreboard)
        return families_of(found, master_pid=self._master_pid, started=self._started)

    def history(self, since: int) -> dict[str, Any]:
        """Returns the points from the ``since``-th on, by the column."""
        count, points = self._recent.since(since)
        columns = list(zip(*points, strict=True)) or [()] * len(NAMES)
        return {"count": count, **dict(zip(NAMES, columns, strict=True))}

    def counts(self) -> dict[str, Any]:
        """Returns what has been counted so far, by route and by reason."""
        found = read_figures(self._scoreboard)
        routes: dict[tuple[str, str, str], list[float]] = {}
        for (server, method, status, route), (count, seconds) in found.of_kind(REQUEST).items():
            row = routes.setdefault((server, method, route), [0, 0.0, 0, 0])
            row[0] += count
            row[1] += seconds
            row[2] += count if status == "4xx" else 0
            row[3] += count if status == "5xx" else 0
        busiest = sorted(routes.items(), key=lambda item: -item[1][0])[:MOST_ROUTES]
        return {
            "at": found.at,
            "responses": found.responses(),
            "routes": [[*labels, *numbers] for labels, numbers in busiest],
            "refused": [
                [*labels, count] for labels, (count, _) in sorted(found.of_kind(REFUSED).items())
            ],
            "timeouts": {kind: count for (kind,), (count, _) in found.of_kind(TIMEOUT).items()},
            "restarts": {cause: count for (cause,), (count, _) in found.of_kind(RESTART).items()},
        }
