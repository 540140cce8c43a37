"""A task that does not end when it is told to."""

from __future__ import annotations

import logging
import time

from wsgisrv.extension import WorkerInfo


def run_for_ever(info: WorkerInfo) -> None:
    logging.getLogger("owned").warning("for ever")
    while True:
        time.sleep(1)
