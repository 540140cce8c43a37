"""Paste factories that fail, each in its own way; chosen by ``app`` in the paste file."""

from __future__ import annotations

import os
import select
import signal
import sys
import time
from pathlib import Path
from wsgiref.types import WSGIApplication

from tests.apps import basic


def factory(global_conf: dict[str, str], app: str, flag: str = "") -> WSGIApplication:
    """Fails as ``app`` says, if ``flag`` names no file or one that is there; else serves hello.

    ``waits`` does not fail: it loads when the file is gone.
    """
    while app == "waits" and Path(flag).exists():
        select.select([], [], [], 0.02)
    if app != "waits" and (not flag or Path(flag).exists()):
        if app == "raises":
            raise RuntimeError("the app's own trouble")
        if app == "waits":
            while Path(flag).exists():
                time.sleep(0.01)
            return basic.pid
        if app == "exits":
            sys.exit()
        if app == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        if app == "sleeps":
            signal.pause()
        return None  # type: ignore[return-value]
    return basic.pid
