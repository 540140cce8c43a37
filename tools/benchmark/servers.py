"""What is compared: one entry a server, and how one is started and ended.

Rules: every server is a process group of its own that is ended with everything in it; each has one
worker where the scenario does not say more, and the access log off where it does not say on.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmark.scenarios import Scenario

HOST = "127.0.0.1"
START_SECONDS = 20.0
STOP_SECONDS = 5.0
TOOLS = Path(__file__).resolve().parent.parent
CHECKOUT = TOOLS.parent
COMPILED = Path(os.environ.get("BENCH_COMPILED", CHECKOUT))
"""A copy of the checkout in which the package is compiled, or the checkout where it cannot be."""
PASTE = "[app:main]\npaste.app_factory = benchmark.apps:app_factory\n"
TRACED_PASTE = (
    "[pipeline:main]\npipeline = request_id app\n[filter:request_id]\nuse = egg:wsgisrv#request_id\n"
    "[app:app]\npaste.app_factory = benchmark.apps:app_factory\n"
)
API_PASTE = "[app:main]\npaste.app_factory = benchmark.api_apps:api_factory\n"
OPEN_CONNECTIONS = 20_000
"""What servers with a bound of their own are allowed, above every scenario's need."""


@dataclasses.dataclass(frozen=True, slots=True)
class Setup:
    """Where a server finds its programs, its port and its files."""

    bin: Path
    port: int
    directory: Path
    scenario: Scenario
    access_log: Path | None

    @property
    def app(self) -> str:
        """What a server that imports its app by name is told."""
        api = bool(self.scenario.api)
        return "benchmark.api_apps:falcon_app" if api else "benchmark.apps:application"

    @property
    def address(self) -> str:
        return f"{HOST}:{self.port}"


Command = list[str]


def wsgisrv(setup: Setup) -> Command:
    paste = setup.directory / "api-paste.ini"
    api = setup.scenario.api
    paste.write_text(API_PASTE + ("full = yes\n" if api == "full" else "") if api else PASTE)
    log = str(setup.access_log or "off")
    options = [
        "--workers",
        str(setup.scenario.workers),
        "--access-log",
        log,
        "--bind",
        setup.address,
        "--max-connections",
        str(OPEN_CONNECTIONS),
    ]
    if setup.scenario.log_format:
        options += ["--access-log-format", setup.scenario.log_format]
    if setup.scenario.traced:
        paste.write_text(TRACED_PASTE)
        options += ["--tracing", "otel"]
    if setup.scenario.beside:
        options += ["--cpu-workers", "1", "--blocking-threads", "50", "--blocked-warning", "0"]
    return [str(setup.bin / "python"), "-m", "wsgisrv", "serve", str(paste), *options]


def interpreted(setup: Setup) -> Command | None:
    return wsgisrv(setup) if COMPILED != CHECKOUT else None


def wsgisrv_off(setup: Setup) -> Command | None:
    """Runs it with nothing of what the scenario observes: what that costs is the ratio of the two."""
    if not setup.access_log:
        return None
    scenario = dataclasses.replace(setup.scenario, log_format="", traced=False)
    return wsgisrv(dataclasses.replace(setup, access_log=None, scenario=scenario))


def one_worker(setup: Setup) -> Command | None:
    """Runs it with one worker where the scenario has several.

    The load takes time of the same cores, so what several are worth is told by the CPU time of a request:
    as long as it stays the same, n cores serve n times as many.
    """
    if setup.scenario.workers == 1:
        return None
    scenario = dataclasses.replace(setup.scenario, workers=1)
    return wsgisrv(dataclasses.replace(setup, scenario=scenario))


def eventlet(setup: Setup) -> Command | None:
    name = "glance" if setup.scenario.api else "eventlet"
    return _peer(name, setup, [str(setup.access_log)] if setup.access_log else [])


def bjoern(setup: Setup) -> Command | None:
    # It drops requests that come behind another: one answer for 16 was seen, and then silence.
    scenario = setup.scenario
    able = setup.access_log is None and scenario.pipeline == 1 and not scenario.api
    return _peer("bjoern", setup, []) if able else None


def _peer(name: str, setup: Setup, more: list[str]) -> Command | None:
    command = [str(setup.bin / "python"), "-m", "benchmark.peers", name, str(setup.port), *more]
    return command if setup.scenario.workers == 1 else None


def gunicorn(setup: Setup) -> Command:
    command = [str(setup.bin / "gunicorn"), "-k", "gevent", "-w", str(setup.scenario.workers)]
    command += ["-b", setup.address, "--keep-alive", "75", "--log-level", "warning"]
    command += ["--worker-connections", str(OPEN_CONNECTIONS)]
    if setup.access_log:
        command += ["--access-logfile", str(setup.access_log)]
    return [*command, setup.app]


def waitress(setup: Setup) -> Command | None:
    command = [str(setup.bin / "waitress-serve"), f"--listen={setup.address}"]
    able = setup.scenario.workers == 1 and not setup.access_log and not setup.scenario.api
    command += [f"--connection-limit={OPEN_CONNECTIONS}", "--asyncore-use-poll", setup.app]
    return command if able else None


def granian(setup: Setup) -> Command:
    command = [str(setup.bin / "granian"), "--interface", "wsgi", "--host", HOST]
    command += ["--port", str(setup.port), "--workers", str(setup.scenario.workers)]
    command += ["--backlog", str(OPEN_CONNECTIONS)]  # also its bound on open connections
    command += ["--access-log" if setup.access_log else "--no-access-log"]
    return [*command, "--log-level", "info" if setup.access_log else "warning", setup.app]


SERVERS: dict[str, Callable[[Setup], Command | None]] = {
    "wsgisrv": wsgisrv,
    "interpreted": interpreted,
    "wsgisrv-off": wsgisrv_off,
    "one-worker": one_worker,
    "eventlet": eventlet,
    "gunicorn": gunicorn,
    "waitress": waitress,
    "granian": granian,
    "bjoern": bjoern,
}
"""A server's command line for a setup, or None where it cannot do what the scenario asks."""


@dataclasses.dataclass(frozen=True, slots=True)
class Running:
    """A server that answers."""

    name: str
    url: str
    port: int
    group: int


class StartError(Exception):
    """Raised when a server ends at once or never answers; the text names its output file."""


def free_port() -> int:
    """Returns a port that nobody has now; another process may take it before the server does."""
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextlib.contextmanager
def running(
    name: str, scenario: Scenario, programs: Path, directory: Path, cores: set[int]
) -> Iterator[Running | None]:
    """Runs a server on the given cores until the block ends; None where it cannot do the scenario.

    Raises:
        StartError: when it does not come up.
    """
    directory.mkdir(parents=True, exist_ok=True)
    log = directory / "access.log" if scenario.access_log else None
    setup = Setup(programs, free_port(), directory, scenario, log)
    command = SERVERS[name](setup)
    if command is None or (scenario.beside and name not in ("wsgisrv", "interpreted")):
        yield None
        return
    url = f"http://{setup.address}{scenario.path}"
    package = CHECKOUT if name == "interpreted" else COMPILED
    with serving(command, url, directory, cores, package) as process:
        yield Running(name, f"http://{setup.address}{scenario.path}", setup.port, process.pid)


@contextlib.contextmanager
def serving(
    command: Command, url: str, directory: Path, cores: set[int], package: Path = COMPILED
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a command on the given cores, once ``url`` is answered, until the block ends.

    Args:
        package: the directory that wsgisrv is imported from.

    Raises:
        StartError: when it does not come up.
    """
    with (directory / "output").open("wb") as output:
        process = _start(command, output.fileno(), directory, cores, package)
    try:
        _wait_answer(process, url, directory / "output")
        yield process
    finally:
        _end(process)


def _start(
    command: Command, output: int, directory: Path, cores: set[int], package: Path
) -> subprocess.Popen[bytes]:
    ours = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)  # inherited, also by what the server forks
    try:
        return subprocess.Popen(
            command,
            cwd=directory,
            env=os.environ | {"PYTHONPATH": f"{package}:{TOOLS}"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    except OSError as error:
        raise StartError(f"{command[0]}: {error.strerror}") from error
    finally:
        os.sched_setaffinity(0, ours)


def _wait_answer(process: subprocess.Popen[bytes], url: str, output: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=2) as response:  # noqa: S310 -- our own http address
            if response.status == 200:
                response.read()
                return
        time.sleep(0.1)
    lines = output.read_text(errors="replace").strip().splitlines() or ["nothing on its output"]
    telling = [line for line in lines if "Error" in line] or lines
    raise StartError(f"did not come up: {telling[-1].strip()[:120]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
