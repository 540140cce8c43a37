"""Between options and errors of the service and the values that the roster knows."""

from __future__ import annotations

from wsgisrv.config import Settings
from wsgisrv.errors import BY_EXIT_CODE, BootError, WsgisrvError
from wsgisrv.master import events
from wsgisrv.master.cpus import usable_cpus
from wsgisrv.master.roster import MOST_WORKERS


def policy_of(settings: Settings, version: int) -> events.Policy:
    """Returns what the roster is to keep to under the options of ``version``."""
    return events.Policy(
        version=version,
        workers=settings.workers or min(usable_cpus(), MOST_WORKERS),
        boot_timeout=settings.boot_timeout,
        worker_timeout=settings.worker_timeout,
        graceful_timeout=settings.graceful_timeout,
        max_requests=settings.max_requests,
        max_requests_jitter=settings.max_requests_jitter,
        max_worker_lifetime=settings.max_worker_lifetime,
        max_worker_lifetime_jitter=settings.max_worker_lifetime_jitter,
        max_worker_rss_bytes=settings.max_worker_rss_bytes,
    )


def error_of(halt: events.Halt) -> WsgisrvError:
    """Returns the error with which a service ends that the roster has given up."""
    return BY_EXIT_CODE.get(halt.exit_code, BootError)(halt.reason)
