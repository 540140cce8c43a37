"""A pytest plugin for eventlet's tests: puts wsgisrv's server in its server's place, and notes results.

Rules: loaded by its bare name, since eventlet's tests are a package called ``tests``, too.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import eventlet.wsgi
import pytest

from wsgisrv.compat import wsgi

eventlet.wsgi.server = wsgi.server


class Results:
    """What became of each test: a failure of its teardown is one of it, too."""

    def __init__(self) -> None:
        self._outcomes: dict[str, str] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid.partition("::")[2].replace("::", ".")
        if report.when == "setup" or report.outcome != "passed":
            self._outcomes[name] = report.outcome

    def pytest_sessionfinish(self) -> None:
        Path(os.environ["DROP_IN_RESULTS"]).write_text(json.dumps(self._outcomes))


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Results())
