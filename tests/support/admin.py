"""The admin listener of a service, as Prometheus and an operator's browser ask it."""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.support.control import operated
from tests.support.http import DEADLINE, Client, Response
from tests.support.server import Server

Series = tuple[str, frozenset[tuple[str, str]]]
Metrics = dict[Series, float]


class Admin:
    """Where a service shows how it is."""

    def __init__(self, address: Any) -> None:
        self.address = address

    def get(
        self, target: str, *more: str, method: str = "GET", host: str = "localhost"
    ) -> Response:
        with Client(self.address) as client:
            lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *more, "", ""]
            client.send("\r\n".join(lines).encode("latin-1"))
            return client.response(method)

    def metrics(self) -> Metrics:
        """Returns every sample of /metrics by its name and labels."""
        response = self.get("/metrics")
        assert response.status == 200, response
        return parsed(response.body.decode())

    def wait_metrics(self, holds: Callable[[Metrics], object]) -> Metrics:
        """Asks until ``holds`` what it says, and returns it."""
        until = time.monotonic() + DEADLINE
        while not holds(found := self.metrics()):
            assert time.monotonic() < until, found
            select.select([], [], [], 0.05)
        return found


def parsed(text: str) -> Metrics:
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(metrics: Metrics, name: str, **labels: str) -> float:
    """Returns the sum of the samples that have the labels."""
    wanted = set(labels.items())
    return sum(
        number for (found, has), number in metrics.items() if found == name and wanted <= has
    )


def counters(metrics: Metrics) -> Metrics:
    """Returns what must never fall."""
    ends = ("_total", "_count", "_bucket", "_sum")
    return {series: number for series, number in metrics.items() if series[0].endswith(ends)}


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def administered(app: str, directory: Path, **options: Any) -> Iterator[tuple[Server, Admin, str]]:
    """Serves an app with an admin listener and yields server, listener and control socket's path."""
    port = free_port()
    with operated(app, directory, admin_bind=f"127.0.0.1:{port}", **options) as (server, path):
        yield server, Admin(("127.0.0.1", port)), path
