"""What an extra brings is needed by nobody who has not asked for it."""

from __future__ import annotations

import subprocess
import sys

import pytest

EXTRAS = (
    "datadog", "jsonschema_rs", "limits", "MySQLdb", "opentelemetry", "oslo_policy", "prometheus_client",
    "setproctitle", "sqlalchemy", "webtest", "wsproto",
)  # fmt: skip
PROCESSES = (
    "wsgisrv.__main__", "wsgisrv.master.start", "wsgisrv.admin.process", "wsgisrv.worker.boot",
    "wsgisrv.blocking.helper", "wsgisrv.service", "wsgisrv.api", "wsgisrv.compat.wsgi",
    "wsgisrv.compat.oslo_service",
)  # fmt: skip
"""What each process of a service begins with, and what an app imports."""


@pytest.mark.parametrize("module", PROCESSES)
def test_it_begins_without_any_extra(module: str) -> None:
    code = f"import sys; sys.modules.update(dict.fromkeys({EXTRAS!r})); import {module}"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
