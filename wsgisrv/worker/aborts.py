"""SIGABRT in a worker that serves: its stacks at once, then a moment for the rest, and a certain death.

Rules: imported before the patching and must not import eventlet. Where the C library has not what it takes,
the stacks are all that there is, and the worker dies at once.

Facts about faulthandler's handler: in C and without the interpreter it writes the stacks, puts back what was
there before it, and raises the signal again. What is put here before it does nothing and holds once, so that
the first SIGABRT leaves a process that lives, and the next one kills it: that of abort(3), which raises it
again by itself; our own, when the whole dump is left; or the master's, when nobody here can run
(``Workers.end_aborted``). signal.signal() could not do that: its handlers stay, and SIG_IGN does, too.
"""

from __future__ import annotations

import faulthandler
import os
import signal

try:
    import ctypes
except ImportError:  # a Python that was built without libffi
    _CAN_SPARE = False
else:
    _CAN_SPARE = hasattr(ctypes.CDLL(None), "sysv_signal")


def install(fd: int) -> None:
    """Has the first SIGABRT write the stacks and spare the process. Runs in: main greenlet.

    Args:
        fd: of the dump file.

    Source: sysv_signal(3): the handler is reset to the default when it is called.
    """
    if not _CAN_SPARE:
        return
    library = ctypes.CDLL(None)
    set_once, harmless = library.sysv_signal, library.abs  # int abs(int): a handler's signature
    set_once.argtypes = (ctypes.c_int, ctypes.c_void_p)
    set_once.restype = ctypes.c_void_p
    faulthandler.disable()
    set_once(signal.SIGABRT, ctypes.cast(harmless, ctypes.c_void_p))
    faulthandler.enable(fd)
    os.register_at_fork(after_in_child=_forget)


def _forget() -> None:
    """What an app forks is no worker: its stacks would be taken for the worker's, and nobody ends it."""
    faulthandler.disable()
    signal.signal(signal.SIGABRT, signal.SIG_DFL)
