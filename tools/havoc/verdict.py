"""What must hold when it is over: the right number of workers serves, nothing is left over, and every request
that failed was on a worker that was killed.
"""

from __future__ import annotations

import http.client
import re
from collections import Counter
from collections.abc import Iterator

from havoc.clients import Clients
from havoc.inflict import Inflicter
from havoc.service import Service, fds_of

_BAD_LINES = ("Traceback", "CRITICAL", "unexpected error")


_CUT = re.compile(r" worker \d+ (?:of \S+ )?\(pid (\d+)\): cut (?:\S+: )?GET (\S+) HTTP/")


def of_clients(clients: Clients, inflicter: Inflicter, log: str) -> Iterator[str]:
    """Yields each failure that nothing explains."""
    cut = {found[2] for found in _CUT.finditer(log) if int(found[1]) in inflicter.struck}
    for failure in clients.failures:
        if failure.port not in inflicter.cut_ports and failure.target not in cut:
            yield f"unexplained: {failure}"
    if not clients.answered:
        yield "no request was answered at all"


def of_processes(service: Service, fds_before: tuple[list[str], list[str]]) -> Iterator[str]:
    """Yields what is wrong with a calm service.

    Args:
        fds_before: of the master but for its workers', and of a worker, before anything happened.
    """
    found = service.wait_calm()
    pids = {worker["pid"] for worker in found["workers"]}
    left = set(service.pids()) - pids - {service.master_pid, service.process.pid}
    if left:
        yield f"processes are left over: {sorted(left)}"
    yield from _difference("the master", fds_before[0], master_fds(service, len(pids)))
    for pid in pids:
        yield from _difference(f"worker {pid}", fds_before[1], fds_of(pid))
    if unheard := pids - heard(service, pids):
        yield f"workers do not serve: {sorted(unheard)}"


def of_the_end(service: Service) -> Iterator[str]:
    """Stops the service and yields what is wrong then."""
    code = service.stop()
    if code:
        yield f"the exit code is {code}"
    if left := service.pids():
        yield f"processes outlive the master: {left}"
    sockets = [path.name for path in service.directory.iterdir() if path.is_socket()]
    if sockets:
        yield f"sockets are left over: {', '.join(sockets)}"
    log = service.log.read_text("utf-8", "replace")
    for line in log.splitlines():
        if any(bad in line for bad in _BAD_LINES):
            yield f"log: {line}"


def master_fds(service: Service, workers: int) -> list[str]:
    """Returns the master's descriptors without those that it has for each worker: a channel and two dumps."""
    fds = Counter(fds_of(service.master_pid))
    fds["socket"] -= workers
    if service.master_pid != service.process.pid:
        fds["pipe"] -= 1  # to the first master, which stays after an upgrade for whoever started it
    for name in fds:
        if "wsgisrv-stacks" in name:
            fds[name] -= 2 * workers
    return sorted(fds.elements())


def heard(service: Service, wanted: set[int]) -> set[int]:
    """Returns the workers that have answered; asks until it were all of them, or often enough."""
    found: set[int] = set()
    for address in service.addresses * 200:
        if found >= wanted:
            break
        connection = http.client.HTTPConnection(*address, timeout=10)
        connection.request("GET", "/?0")
        found.add(int(connection.getresponse().read()))
        connection.close()
    return found


def _difference(who: str, before: list[str], after: list[str]) -> Iterator[str]:
    more, fewer = Counter(after) - Counter(before), Counter(before) - Counter(after)
    if more or fewer:
        yield f"descriptors of {who}: more {dict(more)}, fewer {dict(fewer)}"
