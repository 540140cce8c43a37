"""A service with its own main(), tests.apps.owned, for live tests.

with owned(tmp_path, {"hooks": [...]}, wsgisrv={"workers": 2}) as service:
    service.server.wait_ready()
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.support.configured import Configured, ports
from tests.support.http import DEADLINE
from tests.support.server import ROOT, run

INI = """
[app:main]
paste.app_factory = tests.apps.owned_app:factory

[app:other]
paste.app_factory = tests.apps.owned_app:factory
name = other
"""


class Owned(Configured):
    """Args:
    directory: of all its files.
    declared: what main() declares.
    """

    def __init__(self, directory: Path, declared: Mapping[str, Any]) -> None:
        super().__init__(directory)
        self.ini.write_text(INI)
        self.flag = directory / "flag"
        self.environ = {"OWNED": json.dumps(declared), "OWNED_FLAG": str(self.flag)}
        (self.port,) = ports(1)

    def notes(self) -> list[tuple[str, int]]:
        """Returns what tasks have noted: what, and the pid of who."""
        path = Path(f"{self.flag}.notes")
        lines = path.read_text().splitlines() if path.exists() else []
        return [(line.split()[0], int(line.split()[1])) for line in lines]

    def call(self, *args: str) -> subprocess.CompletedProcess[str]:
        """Runs the service's own command to its end."""
        return subprocess.run(
            [sys.executable, "-m", "tests.apps.owned", *args],
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            env={**os.environ, "PYTHONPATH": str(ROOT), **self.environ},
            cwd=ROOT,
            check=False,
        )


@contextlib.contextmanager
def owned(
    directory: Path,
    declared: Mapping[str, Any] | None = None,
    *args: str,
    own: Mapping[str, object] | None = None,
    **options: object,
) -> Iterator[Owned]:
    """Runs it.

    Args:
        declared: what main() declares.
        args: more of its command line.
        own: of section [owned].
        options: of section [wsgisrv]; None leaves a usual one out.
    """
    service = Owned(directory, declared or {})
    service.write(owned_sections(service, own, **options))
    command = ["--config-file", str(service.conf), *args]
    with run(command, module=("-m", "tests.apps.owned"), env=service.environ) as service.server:
        yield service


def owned_sections(
    service: Owned, own: Mapping[str, object] | None = None, **options: object
) -> dict[str, Mapping[str, object]]:
    """Returns its configuration file's sections."""
    common: dict[str, object] = {
        "paste_config": "api-paste.ini",
        "bind": f"127.0.0.1:{service.port}",
        "control_socket": service.control,
        "workers": 1,
    }
    given = {name: value for name, value in {**common, **options}.items() if value is not None}
    return {"wsgisrv": given, "owned": own or {}}
