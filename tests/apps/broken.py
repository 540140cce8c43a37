"""Paste factories that fail, each in its own way; chosen by ``app`` in the paste file."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from wsgiref.types import WSGIApplication

from tests.apps import basic


def factory(global_conf: dict[str, str], app: str, flag: str = "") -> WSGIApplication:
    """Fails as ``app`` says, if ``flag`` names no file or one that is there; else serves hello."""
    if not flag or Path(flag).exists():
        if app == "raises":
            raise RuntimeError("the app's own trouble")
        if app == "exits":
            sys.exit()
        if app == "dies":
            os.kill(os.getpid(), signal.SIGKILL)
        if app == "sleeps":
            signal.pause()
        return None  # type: ignore[return-value]
    return basic.pid
