"""The standard library patched for eventlet, on a hub: the first step of every process that loads the app.

Rules: before anything of the app is imported, and once in a process. Facts about eventlet's import: it warns
of its own future with a DeprecationWarning, which is for those who choose to depend on it; an operator of
this server reads the README instead.
"""

from __future__ import annotations

import os
import select
import warnings

from wsgisrv.worker.hubs import choose_hub


def patch(hub: str) -> str:
    """Chooses the hub and patches; returns the hub's name.

    Args:
        hub: as the option has it.
    """
    hub_name = choose_hub(hub, select)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import eventlet
        import eventlet.hubs

        eventlet.hubs.use_hub(hub_name)
        eventlet.monkey_patch()
    os.environ.setdefault("PSYCOPG_WAIT_FUNC", "wait_selector")
    return hub_name
