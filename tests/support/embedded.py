"""A process that calls ``wsgisrv.compat.wsgi.server`` itself, for a live test: tests.apps.embedded."""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import tempfile
from collections.abc import Iterator
from typing import Any

from tests.support.server import Server, run

LOGGED = r'^127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4} \d\d:\d\d:\d\d\] "%s" %d \d+ \d+\.\d{6}$'
KILLED = r"^the serving greenlet was killed$"
RETURNED = r"^server\(\) has returned$"


@contextlib.contextmanager
def embedded(unix: bool = False, **options: Any) -> Iterator[Server]:
    """Runs tests.apps.embedded with ``options``, ends it and sees that it leaves nothing in its hub."""
    with contextlib.ExitStack() as stack:
        family = socket.AF_UNIX if unix else socket.AF_INET
        listener = stack.enter_context(socket.socket(family))
        directory = stack.enter_context(tempfile.TemporaryDirectory())
        listener.bind(f"{directory}/socket" if unix else ("127.0.0.1", 0))
        listener.listen(128)
        server = stack.enter_context(
            run(
                [str(listener.fileno()), json.dumps(options)],
                pass_fds=[listener.fileno()],
                address=listener.getsockname(),
                then=listener.close,
                module=("-m", "tests.apps.embedded"),
            )
        )
        if options.get("log_output", True):
            server.wait_line("wsgi starting up on")
        yield server
        if server.process.poll() is None:
            server.signal(signal.SIGTERM)
        server.wait_line("^left in the hub: 0 0$")
        assert server.wait_exit() == 0, server.log
