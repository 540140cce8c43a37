"""A master whose workers are not patched and serve nobody: what a live test of the master alone runs.

    python -m tests.support.fake_worker PLAN [--workers N] [--refuse ID,ID] [--OPTION SECONDS]

PLAN is a file of JSON, read by each worker when it boots: what it does, by its id, or by "*".
Prints nothing of its own; the master's log goes to stderr as in ``wsgisrv serve``.
"""

from __future__ import annotations

import argparse
import errno
import json
import os
import select
import signal
import sys
import time
from pathlib import Path

from wsgisrv import logs
from wsgisrv.channel import ChannelClosedError, Kind, Message
from wsgisrv.config import Settings
from wsgisrv.context import RunWorker, WorkerContext
from wsgisrv.errors import WsgisrvError, first_line
from wsgisrv.layout import Layout
from wsgisrv.master.listener_sets import ListenerSet
from wsgisrv.master.reloads import Version
from wsgisrv.master.signals import SignalPipe
from wsgisrv.master.spawn import CloseMasters, spawn
from wsgisrv.master.supervisor import Supervisor
from wsgisrv.scoreboard import Real

BEAT_SECONDS = 0.2


class DrainedError(Exception):
    """Raised by SIGTERM: the worker is to finish by itself."""


def run_worker(context: WorkerContext, does: str) -> int:
    """Does what the plan says of this worker."""
    channel = context.channel
    if does == "fails":
        reason = f"worker {context.worker_id} has no app"
        channel.send(Message(Kind.FAILED, {"exit_code": 78, "reason": reason}))
        return 78
    if does == "dies":
        return 3
    if does == "leaves":
        return 0
    if does == "never":
        signal.pause()
    channel.send(Message(Kind.READY, {"hub": f"with {len(os.listdir('/proc/self/fd')) - 1} fds"}))
    if does == "crashes":
        return 1
    return _serve(context, does)


def _serve(context: WorkerContext, does: str) -> int:
    signal.signal(signal.SIGTERM, signal.SIG_IGN if does == "deaf" else _drain)
    try:
        while True:
            if does != "hangs":
                context.scoreboard[context.slot].reals[Real.BEAT] = time.monotonic()
            select.select([context.channel], [], [], BEAT_SECONDS)
            kinds = [message.kind for message in context.channel.receive()]
            if Kind.DRAIN in kinds and does != "deaf":
                return 0
            if Kind.REOPEN in kinds and does == "babbles":
                os.write(context.channel.fileno(), b"GET / HTTP/1.1\r\n")
    except (ChannelClosedError, DrainedError):
        return 0


def _drain(*_: object) -> None:
    raise DrainedError


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("plan", type=Path)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--refuse", default="")
    for option in ("worker-timeout", "boot-timeout", "graceful-timeout"):
        parser.add_argument(f"--{option}", type=float, default=20.0)
    args = vars(parser.parse_args())
    plan, refused = args.pop("plan"), args.pop("refuse").split(",")
    settings = Settings(bind=("127.0.0.1:0",), **args)

    def planned(context: WorkerContext) -> int:
        does = json.loads(plan.read_text())
        return run_worker(context, does.get(str(context.worker_id), does["*"]))

    def fork(run: RunWorker, context: WorkerContext, close_masters: CloseMasters) -> int:
        if str(context.worker_id) in refused:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return spawn(run, context, close_masters)

    logs.setup("debug")
    layout = Layout.single(settings)
    supervisor = Supervisor(
        Version.read(layout),
        ListenerSet.open(layout.servers, {}, 0, time.sleep),
        planned,
        reload_settings=lambda: Version.read(layout),
        mutate=lambda: layout,
        global_conf={},
        signals=SignalPipe(),
        fork=fork,
    )
    try:
        return supervisor.run()
    except WsgisrvError as error:
        logs.complain(first_line(error))
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main())
