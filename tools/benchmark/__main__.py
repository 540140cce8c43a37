"""The command line of tools/bench: interleaved rounds over servers that all run the whole time.

Each round measures every server once, one after the other, so that whatever else the machine does meets
all of them alike; ratios are taken within a round. Servers stand on the first core that we may use and
the load on the last one, unless the scenario has more than one worker.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from types import FrameType

from benchmark import api_calls, load, mysql, mysql_http, report, servers
from benchmark.load import LoadError, Result
from benchmark.scenarios import SCENARIOS, Scenario
from benchmark.servers import Running, StartError

WARM_UP_SECONDS = 1

DATABASES = {
    "mysql": ("20 greenlets, a MariaDB, and four ways between them", mysql.run),
    "mysql-http": (
        "50 clients of one worker whose app asks a MariaDB, in four ways",
        mysql_http.run,
    ),
}
"""What is compared there are ways to reach a database, not servers: about, and what measures and prints."""


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tools/bench",
        description="Compare servers under one load, in one run. Absolute figures drift with the"
        " machine; the ratio of the first server to each other one, paired per round, is what holds.",
        epilog="Servers: "
        + ", ".join(servers.SERVERS)
        + ". wsgisrv is the compiled package, interpreted the same one as it is. Instead of servers "
        + ", ".join(DATABASES)
        + ' compare MySQL drivers, and "tools/bench filters" measures filters.',
    )
    parser.add_argument(
        "scenarios", nargs="*", default=["hello"], metavar="SCENARIO", help="default: hello"
    )
    parser.add_argument("--list", action="store_true", help="list the scenarios and end")
    parser.add_argument(
        "--servers",
        default=",".join(servers.SERVERS),
        metavar="NAME,NAME",
        help="which to compare; ratios are those of the first (default: all)",
    )
    parser.add_argument("--rounds", type=_positive, default=5, help="default: 5")
    parser.add_argument(
        "--seconds", type=_positive, default=3, help="of load for a server and round (default: 3)"
    )
    options = parser.parse_args(arguments)
    for kind, names, known in (
        ("scenario", options.scenarios, {**SCENARIOS, **DATABASES, "api": None}),
        ("server", options.servers.split(","), servers.SERVERS),
    ):
        for name in names:
            if name not in known:
                parser.error(f"no {kind} {name!r}; there are: {', '.join(known)}")
    return options


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return value


def cores_for(scenario: Scenario) -> tuple[set[int], set[int]]:
    """Returns the cores for the servers and for the load: one each, or all for both."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) == 1 or scenario.workers > 1 or scenario.beside:
        return set(cores), set(cores)
    return {cores[0]}, {cores[-1]}


def measure(
    server: Running, scenario: Scenario, seconds: int, cores: set[int], title: str
) -> Result:
    if scenario.idle:
        result = load.measure_idle(server, scenario)
    elif scenario.beside:
        result = load.measure_beside(server, scenario, seconds)
    elif scenario.attached:
        result = load.measure_among(server, scenario, seconds, cores)
    else:
        result = load.measure_rate(server, scenario, seconds, cores)
    print(f"  {title} {server.name}: {result.value:,.1f} {scenario.unit}", flush=True)
    return result


def run(
    scenario: Scenario, names: list[str], rounds: int, seconds: int, directory: Path
) -> list[report.Row]:
    """Measures every server and returns its row; a server that does not come up gets its reason."""
    server_cores, load_cores = cores_for(scenario)
    programs = Path(sys.prefix) / "bin"
    reasons: dict[str, str] = {}
    up: dict[str, Running] = {}
    results: dict[str, list[Result]] = {}
    with contextlib.ExitStack() as stack:
        for name in names:
            place = servers.running(name, scenario, programs, directory / name, server_cores)
            try:
                server = stack.enter_context(place)
            except StartError as error:
                reasons[name] = str(error)
                continue
            if server is None:
                reasons[name] = "cannot do this"
            else:
                up[name], results[name] = server, []
        # Memory that was once used is seldom given back: a second round would find it there.
        for number in range(1, 1 + (1 if scenario.idle else rounds)):
            for name, server in list(up.items()):
                try:
                    if number == 1 and not scenario.idle:
                        load.measure_rate(server, scenario, WARM_UP_SECONDS, load_cores)
                    title = f"round {number}"
                    results[name].append(measure(server, scenario, seconds, load_cores, title))
                except (LoadError, OSError) as error:
                    reasons[name] = f"failed in round {number}: {error}"
                    del up[name], results[name]
    return [report.Row(n, tuple(results.get(n, ())), reasons.get(n, "")) for n in names]


def end(number: int, frame: FrameType | None) -> None:
    """Turns a signal into an exit that unwinds, so that every server is ended."""
    raise SystemExit(128 + number)


def main() -> None:
    options = parse(sys.argv[1:])
    if options.list:
        for name, scenario in SCENARIOS.items():
            print(f"{name:15} {scenario.about}")
        for name, (about, _) in DATABASES.items():
            print(f"{name:15} {about}")
        print(f"{'api':15} {api_calls.ABOUT}")
        return
    signal.signal(signal.SIGTERM, end)
    if "api" in options.scenarios:
        print(f"api: {api_calls.ABOUT}\n\n{api_calls.run(options.rounds)}\n", flush=True)
    for name in [name for name in options.scenarios if name in DATABASES]:
        about, run_databases = DATABASES[name]
        print(f"{name}: {about}", flush=True)
        run_databases(options.rounds, options.seconds)
    options.scenarios = [name for name in options.scenarios if name in SCENARIOS]
    if not options.scenarios:
        return
    if shutil.which("wrk") is None:
        raise SystemExit("bench: wrk is not installed (on Debian and Ubuntu: apt-get install wrk)")
    for name in options.scenarios:
        scenario = SCENARIOS[name]
        print(f"{name}: {scenario.about}", flush=True)
        with tempfile.TemporaryDirectory(prefix="wsgisrv-bench-") as directory:
            rows = run(
                scenario,
                options.servers.split(","),
                options.rounds,
                options.seconds,
                Path(directory),
            )
        print(f"\n{report.table(scenario, rows)}\n", flush=True)


if __name__ == "__main__":
    main()
