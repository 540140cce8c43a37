"""What the master answers, as text for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wsgisrv.control import Fields

_COLUMNS = (
    "id", "pid", "gen", "state", "age", "requests", "req/s", "running", "waiting", "threads", "conns",
    "lag", "rss", "last death",
)  # fmt: skip
_TASK_COLUMNS = ("name", "worker", "state", "runs", "failures", "last begun", "took")
_HELPER_COLUMNS = ("id", "pid", "gen", "state", "age", "jobs", "this", "rss", "job")


def status_text(answer: Fields) -> str:
    """Returns service and workers as a few lines and a table."""
    last = _last(answer["last_reload"])
    master = f"wsgisrv {answer['version']}, master pid {answer['pid']}"
    servers = [_server(found) for found in answer["servers"]]
    wanted = f"generation {answer['generation']}, workers wanted: {answer['workers_wanted']}"
    waits = (
        f", drains in {duration(answer['drains_in'])}" if answer["drains_in"] is not None else ""
    )
    upgrade = [f"upgrade: {answer['upgrade']}{_last(answer['last_upgrade'])}"]
    head = [
        f"{master}, {answer['state']}{waits}, up for {duration(answer['uptime'])}",
        *(servers or [f"addresses: {', '.join(_named(answer))}"]),
        f"{wanted}, reload: {answer['reload']}{last}",
        *([f"admin: {', '.join(answer['admin'])}"] if answer["admin"] else ()),
        *(upgrade if answer["upgrade"] != "none" or answer["last_upgrade"] else ()),
    ]
    # What nobody has, nobody needs to read.
    columns = [*_COLUMNS, "servers"] if answer["servers"] else _COLUMNS
    rows = table(columns, [_row(found) for found in answer["workers"]])
    doors = [
        f"backdoor of worker {found['id']}: {found['backdoor']}"
        for found in answer["workers"]
        if found["backdoor"]
    ]
    parts = [*_helpers(answer), *_tasks(answer)]
    return "\n".join([*head, "", *rows, *([""] if doors else []), *doors, *parts])


def _tasks(answer: Fields) -> list[str]:
    """Returns a table of the tasks that run in one worker only, as ``_helpers`` does."""
    if not answer["tasks"]:
        return []
    rows = [
        [
            task["name"],
            str(task["worker"] or "-"),
            "running" if task["running"] else "waiting",
            str(task["runs"]),
            str(task["failures"]),
            "-" if task["last"] is None else f"{duration(task['last'])} ago",
            f"{task['seconds']:.3f} s",
        ]
        for task in answer["tasks"]
    ]
    return ["", "tasks in one worker", *table(_TASK_COLUMNS, rows)]


def _helpers(answer: Fields) -> list[str]:
    """Returns a table of the processes that compute, after an empty line; nothing where there are none."""
    if not answer["helpers"]:
        return []
    waiting = sum(worker["jobs"]["waiting"] for worker in answer["workers"])
    rows = [
        [
            str(helper["id"]),
            str(helper["pid"]),
            str(helper["generation"]),
            helper["state"],
            duration(helper["age"]),
            str(helper["jobs"]),
            duration(helper["job_seconds"]) if helper["state"] == "busy" else "-",
            f"{helper['rss_bytes'] / 1024**2:.0f} MiB",
            helper["job"] or "-",
        ]
        for helper in answer["helpers"]
    ]
    return ["", f"helper processes, jobs waiting: {waiting}", *table(_HELPER_COLUMNS, rows)]


def _server(server: Fields) -> str:
    shared = " shared" if server["shares_workers"] else ""
    workers = f"{server['workers_wanted']}{shared} workers wanted"
    return f"server {server['name']}: {', '.join(server['addresses'])}, {workers}"


def _last(outcome: str) -> str:
    return f" (last: {outcome})" if outcome else ""


def _named(answer: Fields) -> Iterator[str]:
    for address, name in zip(answer["addresses"], answer["names"], strict=True):
        yield f"{address} ({name})" if name else address


def _row(worker: Fields) -> list[str]:
    death = worker["last_death"]
    names = [", ".join(worker["servers"])] if worker["servers"] else []
    return [
        str(worker["id"]),
        str(worker["pid"]),
        str(worker["generation"]),
        worker["state"],
        duration(worker["age"]),
        str(worker["requests"]),
        f"{worker['rate']:.1f}",
        str(worker["in_flight"]),
        str(worker["waiting"]),
        _busy(worker["threads"]),
        str(worker["connections"]),
        f"{worker['hub_lag'] * 1000:.0f} ms",
        f"{worker['rss_bytes'] / 1024**2:.0f} MiB",
        f"{duration(death['ago'])} ago: {death['reason']}" if death else "-",
        *names,
    ]


def _busy(threads: Fields) -> str:
    """Returns how many calls run in threads, and how many wait for one."""
    waiting = f"+{threads['waiting']}" if threads["waiting"] else ""
    return f"{threads['running']}{waiting}/{threads['threads']}" if threads["threads"] else "-"


_ANSWERED_BY = {
    "hub": "",
    "watchdog": ": its hub is blocked",
    "signal": ": its hub is blocked, and its interpreter too; its threads and requests",
    "": ": no answer",
}


def dump_text(answer: Fields) -> str:
    """Returns every worker's stacks, each with its requests in front of it."""
    return "\n\n".join(part for worker in answer["workers"] for part in _stacks(worker))


def _stacks(worker: Fields) -> Iterator[str]:
    head = f"worker {worker['id']} (pid {worker['pid']}){_ANSWERED_BY[worker['answered_by']]}"
    yield "\n".join([head, *_facts(worker)])
    for stack in worker["stacks"]:
        count = stack["count"]
        requests = [f"  {request}" for request in stack["requests"]]
        requests += [f"  {number} {wait}" for wait, number in stack["waits"]]
        head = f"{count} {stack['kind']}{'s'[: count != 1]}:"
        yield "\n".join([head, *requests, stack["text"]])


def _facts(worker: Fields) -> Iterator[str]:
    """Yields what a dump tells besides stacks; nothing of a worker that could not say it."""
    facts = worker["facts"]
    if not facts:
        return
    for pool in facts["pools"]:
        name = f" of {pool['server']}" if pool["server"] else ""
        yield (
            f"  pool{name}: {pool['running']} of {pool['size']} running, {pool['waiting']} waiting;"
            f" {pool['connections']} connections"
        )
    yield f"  calls in threads: {_busy(facts['threads'])}"
    fds = facts["fds"]
    kinds = ", ".join(f"{count} {kind}" for kind, count in fds["kinds"].items())
    yield f"  descriptors: {fds['open']} of {fds['limit']}: {kinds}"
    memory = facts["memory"]
    types = ", ".join(f"{count} {kind}" for kind, count in memory["types"])
    yield (
        f"  memory: {worker['rss_bytes'] / 1024**2:.0f} MiB; {memory['objects']} objects since the app was"
        f" loaded: {types}"
    )
    for place, size in memory["allocations"]:
        yield f"    {size / 1024:.0f} KiB from {place}"
    for server, options in facts["options"].items():
        name = f" of {server}" if server else ""
        text = ", ".join(f"{key} = {value}" for key, value in options.items())
        yield f"  options{name}: {text or 'all at their defaults'}"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Returns lines with the columns under each other, the last one as wide as it is."""
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    widths[-1] = 0
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (columns, *rows)
    ]


def duration(seconds: float) -> str:
    """Returns a time in its two largest units, as 3m20s or 2d4h."""
    whole = int(seconds)
    for name, size, below, part in (
        ("d", 86400, "h", 3600),
        ("h", 3600, "m", 60),
        ("m", 60, "s", 1),
    ):
        if whole >= size:
            return f"{whole // size}{name}{whole % size // part}{below}"
    return f"{seconds:.1f}s"
