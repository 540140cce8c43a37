"""How the service stands, as ``wsgisrv status`` gets it: plain values out of what the master knows.

Rules: times are seconds, sizes bytes. What a worker has not told yet is 0.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from wsgisrv import __version__
from wsgisrv.control import Fields
from wsgisrv.figures import Figures, lag_of, read_figures
from wsgisrv.layout import SHARED, Layout
from wsgisrv.master.events import Plan
from wsgisrv.master.member import State
from wsgisrv.master.reloads import Reloads
from wsgisrv.master.roster import Roster
from wsgisrv.master.worker_handle import WorkerHandle
from wsgisrv.master.workers import Workers
from wsgisrv.memory import rss_of
from wsgisrv.scoreboard import Real, Scoreboard, Slot, Word
from wsgisrv.series import REFUSED, RESTART, TIMEOUT
from wsgisrv.task_board import TaskBoard, TaskReal, TaskWord

SLOWEST = 20
"""Requests in flight that the status names."""


def service_status(
    roster: Roster,
    workers: Workers,
    versions: Reloads,
    *,
    is_stopping: bool,
    is_reloading: bool,
    now: float,
) -> Fields:
    """Returns how the service and each of its workers stand; the master's own times are its caller's.

    Args:
        now: time.monotonic().
    """
    states, plan, version = roster.workers(), roster.latest_plan, roster.plan.version
    addresses = versions.addresses(version)
    return {
        "version": __version__,
        "pid": os.getpid(),
        "state": "stopping" if is_stopping else "serving",
        "drains_in": None if roster.drains_at is None else round(max(roster.drains_at - now, 0), 1),
        "generation": roster.generation,
        "addresses": [url for urls in addresses.values() for url in urls],
        "servers": server_status(versions[version].layout, plan, addresses),
        "workers_wanted": sum(policy.workers for policy in plan.groups.values()),
        "reload": "under way" if is_reloading else "none",
        "workers": [
            worker_status(
                handle, state, workers.scoreboard[handle.slot], versions.servers_of(handle), now
            )
            for handle in workers.handles()
            if (state := states.get(handle.worker_id)) is not None
        ],
        "totals": totals(read_figures(workers.scoreboard)),
        "slowest": slowest(workers.scoreboard, workers.handles(), now),
    }


def server_status(layout: Layout, plan: Plan, addresses: Mapping[str, list[str]]) -> list[Fields]:
    """Returns what there is of each server that has a name.

    Args:
        plan: that will hold in the end.
        addresses: of the listeners, by server.
    """
    return [
        {
            "name": server.name,
            "addresses": addresses[server.name],
            "workers_wanted": plan.groups[group.name].workers if group.name in plan.groups else 0,
            "shares_workers": group.name == SHARED,
        }
        for server in layout.servers
        if server.name
        for group in layout.groups
        if server in group.servers
    ]


def in_words(addresses: Mapping[str, list[str]]) -> str:
    """Returns the addresses, behind the servers' names where there are several."""
    found = []
    for server, urls in addresses.items():
        name = f"{server} " if len(addresses) > 1 else ""
        found.append(name + ", ".join(urls))
    return ", ".join(found)


def worker_status(
    handle: WorkerHandle, state: State, slot: Slot, servers: list[str], now: float
) -> Fields:
    """Returns one worker's line.

    Args:
        servers: names of those that it serves.
        now: time.monotonic().
    """
    words = slot.words
    return {
        "id": handle.worker_id,
        "pid": handle.pid,
        "servers": servers,
        "generation": handle.generation,
        "state": state.value,
        "age": round(now - handle.spawned_at, 1),
        "requests": words[Word.REQUESTS],
        "rate": round(handle.gauge.rate, 1),
        "in_flight": words[Word.IN_FLIGHT],
        "waiting": words[Word.WAITING],
        "connections": words[Word.CONNECTIONS],
        "hub_lag": round(lag_of(slot, now), 3),
        "oldest_request": _oldest(slot, now),
        "threads": threads_status(slot),
        "jobs": jobs_status(slot),
        "tasks": {
            "running": words[Word.TASKS_RUNNING],
            "runs": words[Word.TASK_RUNS],
            "failures": words[Word.TASK_FAILURES],
        },
        "rss_bytes": rss_of(handle.pid),
        "last_death": _death(handle, now),
        "backdoor": handle.backdoor.path if handle.backdoor is not None else None,
    }


def threads_status(slot: Slot) -> Fields:
    """Returns how a worker's thread pool stands (wsgisrv.blocking)."""
    words = slot.words
    return {
        "threads": words[Word.THREADS],
        "running": words[Word.THREADS_BUSY],
        "waiting": words[Word.THREADS_WAITING],
        "calls": words[Word.THREAD_CALLS],
        "dropped": words[Word.THREAD_DROPPED],
        "wait_seconds": round(slot.reals[Real.THREAD_WAIT], 3),
    }


def jobs_status(slot: Slot) -> Fields:
    """Returns how a worker's jobs in helper processes stand (wsgisrv.blocking)."""
    words, reals = slot.words, slot.reals
    return {
        "running": words[Word.JOBS_RUNNING],
        "waiting": words[Word.JOBS_WAITING],
        "answered": words[Word.JOBS],
        "lost": words[Word.JOBS_LOST],
        "refused": words[Word.JOBS_REFUSED],
        "wait_seconds": round(reals[Real.JOB_WAIT], 3),
        "seconds": round(reals[Real.JOB_SECONDS], 3),
    }


def totals(figures: Figures) -> Fields:
    """Returns what all workers have counted together, the dead ones too; ``wsgisrv top`` lives by it."""
    return {
        "responses": figures.responses(),
        "refused": sum(count for count, _ in figures.of_kind(REFUSED).values()),
        "timeouts": sum(count for count, _ in figures.of_kind(TIMEOUT).values()),
        "restarts": {cause: count for (cause,), (count, _) in figures.of_kind(RESTART).items()},
        "bytes_in": figures.counts[Word.BYTES_IN],
        "bytes_out": figures.counts[Word.BYTES_OUT],
        "latency": figures.histograms[Word.LATENCY],
        "blocked_seconds": round(figures.sums[Real.BLOCKED], 3),
    }


def slowest(board: Scoreboard, workers: Iterable[WorkerHandle], now: float) -> list[Fields]:
    """Returns the requests that have run longest, each with its worker's id, the oldest first."""
    found = [
        (started, line, handle.worker_id)
        for handle in workers
        for started, line in board[handle.slot].requests_in_flight()
    ]
    return [
        {"line": line, "age": round(now - started, 3), "worker": worker_id}
        for started, line, worker_id in sorted(found)[:SLOWEST]
    ]


def tasks_status(board: TaskBoard | None, workers: Workers, now: float) -> list[Fields]:
    """Returns how those of a service's tasks stand that run in one worker only.

    Args:
        now: time.monotonic().
    """
    if board is None:
        return []
    ids = {handle.pid: handle.worker_id for handle in workers.handles()}
    found = []
    for name in board.shared:
        row = board.row(name)
        holder = ids.get(row.words[TaskWord.HOLDER])
        last = row.reals[TaskReal.STARTED]
        found.append(
            {
                "name": name,
                "worker": holder,
                "running": holder is not None and row.words[TaskWord.RUNNING] == 1,
                "runs": row.words[TaskWord.RUNS],
                "failures": row.words[TaskWord.FAILURES],
                "last": round(now - last, 1) if last else None,
                "seconds": round(row.reals[TaskReal.SECONDS], 3),
            }
        )
    return found


def _oldest(slot: Slot, now: float) -> Fields | None:
    for started, line in slot.requests_in_flight():
        return {"line": line, "age": round(now - started, 3)}
    return None


def _death(handle: WorkerHandle, now: float) -> Fields | None:
    """Returns how the worker ended that had this one's place before it."""
    if handle.last_death is None:
        return None
    at, reason = handle.last_death
    return {"reason": reason, "ago": round(now - at, 1)}
