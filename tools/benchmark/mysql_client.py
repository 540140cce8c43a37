"""One way to reach MySQL, as a process: ``python -m benchmark.mysql_client WAY ADDRESS``.

ADDRESS is a JSON object, the arguments of ``connect``. It says ``ready`` on stdout once its connections
stand. Then each line of stdin, a statement, how many seconds and how often at most each client runs it, is
done and answered with a JSON line: statements a second, the 99th percentile of the hub's lag in ms.
"""

from __future__ import annotations

import warnings

warnings.simplefilter("ignore")

import eventlet  # noqa: E402 -- before anything else, as in a worker

eventlet.monkey_patch(psycopg=False)

import importlib  # noqa: E402
import json  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from collections.abc import Callable  # noqa: E402
from typing import Any  # noqa: E402

from eventlet import tpool  # noqa: E402

CLIENTS = 20
PROBE_SECONDS = 0.002

MODULES = {
    "wsgisrv": "wsgisrv.blocking.mysql",
    "direct": "MySQLdb",
    "tpool": "MySQLdb",
    "pymysql": "pymysql",
}


class Clients:
    """Connections, and a greenlet for each while something is measured."""

    def __init__(self, way: str, address: dict[str, Any]) -> None:
        module = importlib.import_module(MODULES[way])
        self._in_thread = way == "tpool"
        self._connections = [module.connect(**address) for _ in range(CLIENTS)]

    def measure(self, statement: str, seconds: float, times: int) -> dict[str, float]:
        lags: list[float] = []
        probe = eventlet.spawn(_probe, lags)
        eventlet.sleep(PROBE_SECONDS)
        begin = time.perf_counter()
        clients = [
            eventlet.spawn(self._run, connection, statement, begin + seconds, times)
            for connection in self._connections
        ]
        done = sum(client.wait() for client in clients)
        took = time.perf_counter() - begin
        eventlet.sleep(2 * PROBE_SECONDS)  # what was late to the very end counts, too
        probe.kill()
        lags.sort()
        return {"rate": done / took, "lag": lags[int(len(lags) * 0.99)] * 1e3, "took": took}

    def _run(self, connection: Any, statement: str, until: float, times: int) -> int:
        cursor = connection.cursor()

        def once() -> None:
            cursor.execute(statement)
            cursor.fetchall()

        ask: Callable[[], None] = (lambda: tpool.execute(once)) if self._in_thread else once
        done = 0
        while done < times and time.perf_counter() < until:
            ask()
            done += 1
        return done


def _probe(lags: list[float]) -> None:
    while True:
        begin = time.perf_counter()
        eventlet.sleep(PROBE_SECONDS)
        lags.append(time.perf_counter() - begin - PROBE_SECONDS)


def main() -> None:
    clients = Clients(sys.argv[1], json.loads(sys.argv[2]))
    print("ready", flush=True)
    for line in sys.stdin:
        statement, seconds, times = json.loads(line)
        print(json.dumps(clients.measure(statement, seconds, times)), flush=True)


if __name__ == "__main__":
    main()
