"""A worker's boot: hub, patch, app, READY, in this order, right after the fork.

Rules: imports nothing of eventlet or the app at module level, since the hub is to be chosen and the
standard library patched before anything else is loaded (a lock or a ``from time import sleep`` taken
before would block the hub or hang). Whatever fails is told to the master, which prints it once.

Facts about eventlet's import: it warns of its own future with a DeprecationWarning, which is for those
who choose to depend on it; an operator of this server reads the README instead.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import select
import signal
import time
import warnings
from typing import TYPE_CHECKING

from wsgisrv.channel import Kind, Message
from wsgisrv.context import WorkerContext
from wsgisrv.errors import BootError, WsgisrvError, first_line
from wsgisrv.logs import after_patch
from wsgisrv.scoreboard import Real
from wsgisrv.worker.hubs import choose_hub
from wsgisrv.worker.watchdog import Watchdog

if TYPE_CHECKING:
    from wsgisrv.worker.worker import Worker

_LOG = logging.getLogger("wsgisrv.worker")


def run_worker(context: WorkerContext) -> int:
    """Boots and serves until the worker is drained.

    Returns:
        The exit code: 0, or the error's when the worker could not boot.
    """
    faulthandler.enable(context.dump.fd)
    faulthandler.register(signal.SIGUSR2, context.dump.fd, all_threads=True)
    slot = context.scoreboard[context.slot]
    slot.reals[Real.BEAT] = time.monotonic()
    context.titles.show(f"worker {context.worker_id}, generation {context.generation}, booting")
    try:
        worker, hub_name = _boot(context)
    except WsgisrvError as error:
        context.channel.send(
            Message(Kind.FAILED, {"exit_code": error.exit_code, "reason": str(error)})
        )
        return error.exit_code
    except Exception as error:
        _LOG.debug("the worker cannot boot", exc_info=error)
        code = BootError.exit_code
        context.channel.send(Message(Kind.FAILED, {"exit_code": code, "reason": first_line(error)}))
        return code
    context.channel.send(Message(Kind.READY, {"hub": hub_name}))
    worker.serve()
    return 0


def _boot(context: WorkerContext) -> tuple[Worker, str]:
    """Returns the worker, ready to serve, and the name of its hub."""
    hub_name = choose_hub(context.settings.hub, select)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import eventlet
        import eventlet.hubs

        eventlet.hubs.use_hub(hub_name)
        eventlet.monkey_patch()
    after_patch()
    os.environ.setdefault("PSYCOPG_WAIT_FUNC", "wait_selector")
    from wsgisrv.deploy import load_app
    from wsgisrv.worker.worker import Worker

    app = load_app(context.settings.paste_config, context.global_conf)
    slot = context.scoreboard[context.slot]
    watchdog = Watchdog(slot, context.dump, context.settings.blocked_warning)
    return Worker(context, app, eventlet.hubs.get_hub(), watchdog), hub_name
