"""The command line of tools/chaos."""

from __future__ import annotations

import argparse
import secrets
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

from havoc import plan, verdict
from havoc.clients import Clients
from havoc.inflict import Inflicter
from havoc.service import Service, ServiceError, fds_of
from wsgisrv.master.signals import HANDLED

WORKERS = 3


def parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tools/chaos",
        description="Send random signals and commands to a service under load: to the master HUP, USR1,"
        " USR2 (where it knows it), TTIN, TTOU and STOP with CONT; to random workers KILL, ABRT, TERM and"
        " STOP with CONT; reload, scale, dump and others over the control socket. Afterwards the right"
        " number of workers must serve, no process, socket file or descriptor be left over, and every"
        " request that failed have been on a worker that was killed.",
        epilog="Exit code 0 when all holds. Else 1, with what does not, and the log is kept.",
    )
    parser.add_argument("--seconds", type=float, default=20.0, help="how long (default: 20)")
    parser.add_argument("--signals", type=int, default=200, help="how many (default: 200)")
    parser.add_argument(
        "--seed", type=int, help="to do the same again (default: another each time)"
    )
    parser.add_argument(
        "--servers", action="store_true", help="a service of two APIs, one with a worker of its own"
    )
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    options = parse(arguments)
    seed = secrets.randbelow(2**32) if options.seed is None else options.seed
    again = f"--seconds {options.seconds:g} --signals {options.signals} --seed {seed}"
    again += " --servers" * options.servers
    print(f"chaos: {again}", flush=True)
    unknown = frozenset() if signal.SIGUSR2 in HANDLED else frozenset({"USR2"})
    blows = plan.draw(seed, options.seconds, options.signals, without=unknown)
    directory = Path(tempfile.mkdtemp(prefix="chaos-"))
    service = Service(directory, WORKERS, has_servers=options.servers)
    try:
        wrong = suffer(service, blows, seed)
    except ServiceError as error:
        wrong = [str(error)]
    finally:
        service.kill()
    for text in wrong:
        print(f"chaos: {text}")
    if wrong:
        print(f"chaos: FAILED; again: tools/chaos {again}; the log is {service.log}")
        return 1
    shutil.rmtree(directory)
    print("chaos: all is well")
    return 0


def suffer(service: Service, blows: list[plan.Blow], seed: int) -> list[str]:
    """Runs it all and returns what is wrong."""
    found = service.wait_calm()
    pids = [worker["pid"] for worker in found["workers"]]
    verdict.heard(service, set(pids))  # what a worker opens with its first request is open now
    service.wait_calm()
    before = verdict.master_fds(service, WORKERS), fds_of(pids[0])
    clients = Clients(service.addresses, seed)
    inflicter = Inflicter(service)
    clients.start()
    began = time.monotonic()
    try:
        struck = inflicter.run(blows, service.is_gone)
    finally:
        seconds = time.monotonic() - began
        has_ended = clients.stop()
    wrong = list(inflicter.complaints)
    if not has_ended:
        wrong.append("a client still waits for its answer")
    raced = [failure for failure in clients.retried if failure.port not in inflicter.cut_ports]
    print(
        f"chaos: {struck} blows in {seconds:.1f} s, {inflicter.kills} of them killed a worker;"
        f" {sum(clients.answered.values())} requests answered by {len(clients.answered)} workers,"
        f" {len(clients.failures)} cut, {len(clients.retried)} sent again, {len(raced)} of them after a"
        " worker that nobody killed had closed"
    )
    wrong += verdict.of_clients(clients, inflicter, service.log.read_text("utf-8", "replace"))
    wrong += verdict.of_processes(service, before)
    wrong += verdict.of_the_end(service)
    return wrong


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
