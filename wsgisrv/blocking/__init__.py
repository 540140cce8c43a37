"""What would stop the hub goes elsewhere: into native threads, other processes, or green drivers.

    from wsgisrv.blocking import in_process, in_thread, threaded

    image = in_thread(load, path)                   # waits in C code that lets other threads run
    digest = in_process(scrypt, password, salt)     # computes: needs a core of its own

Rules: importing this package imports no eventlet, since the processes that compute have none; a driver's
module does. Everything here works in a plain process, too.
"""

from __future__ import annotations

from wsgisrv.blocking.errors import (
    HelperDiedError,
    JobError,
    JobTimeoutError,
    NoHelpersError,
    NotSendableError,
)
from wsgisrv.blocking.processes import in_process
from wsgisrv.blocking.threads import in_thread, threaded
from wsgisrv.busy import BusyError

__all__ = [
    "in_thread", "threaded", "in_process", "BusyError",
    "JobError", "NoHelpersError", "NotSendableError", "JobTimeoutError", "HelperDiedError",
]  # fmt: skip
