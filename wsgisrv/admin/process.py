"""The admin process from its first moment to its end.

Rules: the main thread looks at the scoreboard once a second and listens to the master; requests have threads
of their own, which read what it has found. It changes nothing in the service, and ends when the master does.
"""

from __future__ import annotations

import logging
import os
import select
import signal
import threading
import time
from typing import TYPE_CHECKING

from wsgisrv import logs
from wsgisrv.admin.asked import Asked
from wsgisrv.admin.hosts import Hosts
from wsgisrv.admin.recent import Recent
from wsgisrv.admin.server import AdminServer, Pages
from wsgisrv.admin.view import View
from wsgisrv.channel import ChannelClosedError, Kind
from wsgisrv.context import AdminContext
from wsgisrv.figures import read_figures

if TYPE_CHECKING:
    from wsgisrv.admin.statsd import Statsd

_LOG = logging.getLogger("wsgisrv.admin")

EVERY = 1.0
"""Seconds between two looks at the scoreboard."""

_OOM_SCORE = "200"
"""Added to what the kernel weighs when memory runs out (proc(5)): rather this process than a worker."""


def run_admin(context: AdminContext) -> int:
    """Serves until the master is gone.

    Returns:
        The exit code, 0.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # for the whole group; the master says when
    context.titles.show("admin")
    _offer_to_the_kernel()
    recent = Recent()
    view = View(context.scoreboard, recent, context.master_pid, context.started)
    pages = Pages(view, Asked(context.control_path))
    for listener in context.listeners:
        server = AdminServer(listener, pages, Hosts(context.settings, listener.family))
        threading.Thread(target=server.serve_forever, daemon=True).start()
    _watch(context, recent, _statsd(context), view)
    return 0


def _statsd(context: AdminContext) -> Statsd | None:
    if not context.settings.statsd:
        return None
    from wsgisrv.admin.statsd import Statsd  # needs an extra, which nobody else has to install

    return Statsd(context.settings)


def _watch(context: AdminContext, recent: Recent, statsd: Statsd | None, view: View) -> None:
    poll = select.poll()  # select(2) takes no descriptor beyond 1023
    poll.register(context.channel, select.POLLIN)
    due = time.monotonic()
    while True:
        now = time.monotonic()
        if now >= due:
            recent.add(read_figures(context.scoreboard), time.time())
            if statsd is not None:
                statsd.tick(view, now)
            due = max(due + EVERY, now)
        if poll.poll(max(due - now, 0.0) * 1000):
            try:
                messages = context.channel.receive()
            except ChannelClosedError:
                return
            for message in messages:
                if message.kind is Kind.LOG_LEVEL:
                    logs.set_level(message.fields["level"], message.fields["logger"])


def _offer_to_the_kernel() -> None:
    try:
        with open(f"/proc/{os.getpid()}/oom_score_adj", "w", encoding="ascii") as file:
            file.write(_OOM_SCORE)
    except OSError as error:
        _LOG.debug("oom_score_adj: %s", error)
