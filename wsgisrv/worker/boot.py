"""A worker's boot: hub, patch, post_fork hooks, app, READY, in this order, right after the fork.

Rules: imports nothing of eventlet or the app at module level, since the hub is to be chosen and the
standard library patched before anything else is loaded (a lock or a ``from time import sleep`` taken
before would block the hub or hang). Whatever fails is told to the master, which prints it once.

Facts about gc.freeze: what was frozen is not looked at again, nor found by gc.get_objects(). It saves a
worker no memory (50 MiB of the demo's are its own with and without, wherever it is called), but a full
collection walks all that was imported, 70 ms for the demo's 96,000 objects, and the hub stands still
meanwhile; frozen it took 0.01 ms. Before the fork it would hide locks from eventlet, which turns those
that it finds green.
Facts about eventlet's import: it warns of its own future with a DeprecationWarning, which is for those
who choose to depend on it; an operator of this server reads the README instead.
"""

from __future__ import annotations

import faulthandler
import gc
import logging
import select
import signal
import time
import warnings
import weakref
from typing import TYPE_CHECKING, Any
from wsgiref.types import WSGIApplication

from wsgisrv.channel import Kind, Message
from wsgisrv.config import Settings
from wsgisrv.context import WorkerContext
from wsgisrv.errors import BootError, ConfigError, WsgisrvError, first_line
from wsgisrv.extension import Extension
from wsgisrv.logs import after_patch
from wsgisrv.scoreboard import Real, State, Word
from wsgisrv.worker import line_writer  # noqa: F401 -- it keeps the original threads, before the patching
from wsgisrv.worker.hubs import choose_hub
from wsgisrv.worker.orphan import OrphanGuard
from wsgisrv.worker.watchdog import Watchdog

if TYPE_CHECKING:
    from wsgisrv.worker.tracing import Tracing
    from wsgisrv.worker.worker import Worker

_LOG = logging.getLogger("wsgisrv.worker")


def run_worker(context: WorkerContext, extension: Extension | None = None) -> int:
    """Boots and serves until the worker is drained.

    Args:
        extension: what a service's own main() adds.

    Returns:
        The exit code: 0, or the error's when the worker could not boot.
    """
    faulthandler.enable(context.dump.fd)
    faulthandler.register(signal.SIGUSR2, context.dump.fd, all_threads=True)
    slot = context.scoreboard[context.slot]
    slot.reals[Real.BEAT] = time.monotonic()
    guard = OrphanGuard(context.channel.fileno())
    guard.start()
    context.titles.show(f"worker {context.worker_id}, generation {context.generation}, booting")
    try:
        worker, hub_name = _boot(context, extension)
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
    guard.stop()
    # Its siblings see it before anybody is told, and leave it its share of who then comes.
    slot.reals[Real.BEAT] = time.monotonic()
    slot.words[Word.STATE] = State.READY
    context.channel.send(Message(Kind.READY, {"hub": hub_name}))
    worker.serve()
    return 0


def prepare(settings: Settings) -> tuple[Any, str]:
    """Makes this process one that an app can be loaded in: hub, patching, what logging and blocking need.

    Returns:
        The hub and its name.

    Raises:
        ConfigError: for a hub that does not work here, or a wrong ``log_config``.
    """
    hub_name = choose_hub(settings.hub, select)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import eventlet
        import eventlet.hubs

        eventlet.hubs.use_hub(hub_name)
        # psycopg=True would import it; it is patched when the app does.
        eventlet.monkey_patch(psycopg=False)
    after_patch()
    from wsgisrv.blocking.postgresql import make_psycopg_green
    from wsgisrv.blocking.threads import install_threads
    from wsgisrv.worker.contexts import carry_contexts
    from wsgisrv.worker.log_locks import share_logging

    hub = eventlet.hubs.get_hub()
    share_logging(hub)
    carry_contexts()
    install_threads(hub, settings.blocking_threads, settings.blocking_queue)
    make_psycopg_green()
    if settings.log_config:
        from wsgisrv.worker.log_config import configure_logging

        configure_logging(settings.log_config)
    return hub, hub_name


def _boot(context: WorkerContext, extension: Extension | None) -> tuple[Worker, str]:
    """Returns the worker, ready to serve, and the name of its hub."""
    settings = context.settings
    hub, hub_name = prepare(settings)
    from wsgisrv.worker.blocking_figures import install_jobs
    from wsgisrv.worker.stacks import greenlets
    from wsgisrv.worker.worker import Worker

    install_jobs(hub, context)
    tracing = make_tracing(settings)
    extended = None
    if extension is not None:
        from wsgisrv.worker.extended import Extended

        extended = Extended.begin(extension, context)
    apps = _load_apps(context)
    if extended is not None:
        extended.prepare()
    slot = context.scoreboard[context.slot]
    hidden = [weakref.ref(found) for found in greenlets()]
    gc.collect()
    gc.freeze()
    watchdog = Watchdog(
        slot, context.dump, settings.blocked_warning, settings.worker_timeout, context.report
    )
    return Worker(context, apps, hub, watchdog, hidden, tracing, extended), hub_name


def make_tracing(settings: Settings) -> Tracing | None:
    """Returns what traces requests, before the app is loaded, which may look for it; None for nothing.

    Raises:
        ConfigError: when its packages are not there.
    """
    if settings.tracing == "off":
        return None
    try:
        from wsgisrv.worker.tracing import Tracing
    except ImportError as error:
        raise ConfigError(
            f"[wsgisrv] tracing = {settings.tracing}: needs OpenTelemetry (pip install 'wsgisrv[otel]'):"
            f" {first_line(error)}"
        ) from None
    return Tracing(settings.proc_name or "wsgisrv")


def _load_apps(context: WorkerContext) -> list[WSGIApplication]:
    """Returns the app of each server; servers whose apps are loaded from the same place share one."""
    from wsgisrv.deploy import Source, load_served, source_of

    loaded: dict[Source | None, WSGIApplication] = {}
    apps = []
    for server in context.servers:
        source = source_of(server.settings)
        if source not in loaded:
            try:
                loaded[source] = load_served(server.settings, context.global_conf)
            except ConfigError as error:
                label = f"{server.name}: " if context.names_servers else ""
                raise ConfigError(f"{label}{error}") from error
        apps.append(loaded[source])
    return apps
