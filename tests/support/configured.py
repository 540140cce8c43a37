"""A service with configuration and paste files of its own, which a test writes anew while it runs.

with configured(tmp_path, {"wsgisrv": {"servers": "public, admin"}, ...}) as service:
    service.write({...})
    code, line = service.command("reload")
"""

from __future__ import annotations

import contextlib
import select
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.control import answer_of, wsgisrv
from tests.support.http import DEADLINE, Client
from tests.support.server import Server, run

Sections = Mapping[str, Mapping[str, object]]


class Configured:
    """Args:
    directory: of all its files; ``flag``.fails and ``flag``.waits are tests.apps.named's.
    """

    def __init__(self, directory: Path) -> None:
        self.conf = directory / "wsgisrv.conf"
        self.control = str(directory / "control.sock")
        self.ini = directory / "api-paste.ini"
        self.flags = {name: directory / f"flag-{name}" for name in ("public", "admin", "third")}
        self.ini.write_text(
            "\n".join(
                f"[app:{name}]\npaste.app_factory = tests.apps.named:factory\n"
                f"name = {name}\nflag = {flag}\n"
                for name, flag in self.flags.items()
            )
        )
        self.server: Server

    def fails(self, name: str) -> Path:
        """The file that keeps the app from loading."""
        return Path(f"{self.flags[name]}.fails")

    def waits(self, name: str) -> Path:
        """The file that has the app's loading wait."""
        return Path(f"{self.flags[name]}.waits")

    def write(self, sections: Sections) -> None:
        """Writes the configuration file; a value that is a list stands on a line for each."""
        lines = []
        for section, options in sections.items():
            lines.append(f"[{section}]")
            for name, value in options.items():
                values = value if isinstance(value, list) else [value]
                lines += [f"{name} = {each}" for each in values]
        self.conf.write_text("\n".join([*lines, ""]))

    def command(self, *args: str) -> tuple[int, str]:
        """Returns a control command's exit code and what it said."""
        done = wsgisrv(*args, "--control-socket", self.control)
        return done.returncode, (done.stdout + done.stderr).strip()

    def status(self) -> Any:
        """Returns the status."""
        return answer_of(self.control, "status")

    def children(self) -> set[int]:
        """Returns the master's children."""
        path = Path(f"/proc/{self.server.pid}/task/{self.server.pid}/children")
        return {int(pid) for pid in path.read_text().split()}


@contextlib.contextmanager
def configured(
    directory: Path, sections: Sections, *, args: Sequence[str] = ()
) -> Iterator[Configured]:
    """Args:
    args: more of the command line.
    """
    service = Configured(directory)
    service.write(sections)
    command = ["serve", "--config-file", str(service.conf), "--control-socket", service.control]
    with run([*command, *args]) as service.server:
        yield service


def two_servers(
    directory: Path, public: str, admin: str, **changed: Any
) -> dict[str, dict[str, Any]]:
    """Sections of two servers, one worker for each group.

    Args:
        public: its address; ``admin`` likewise.
        changed: by section, what stands in it beside the usual.
    """
    ini = directory / "api-paste.ini"
    found: dict[str, dict[str, Any]] = {
        "wsgisrv": {"servers": "public, admin", "workers": 1},
        "wsgisrv_public": {"bind": public, "paste_config": f"{ini}#public"},
        "wsgisrv_admin": {"bind": admin, "paste_config": f"{ini}#admin"},
    }
    for section, options in changed.items():
        found.setdefault(section, {}).update(options)
    return found


def ports(count: int) -> list[int]:
    """Returns ports that nobody has, all different."""
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


def get(port: int, target: str = "/") -> Any:
    """Asks tests.apps.named for what it tells."""
    with Client(("127.0.0.1", port)) as client:
        return client.get(target).json()


def wait_until(holds: Callable[[], object], what: str) -> None:
    """Waits, looking often."""
    until = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < until, what
        select.select([], [], [], 0.01)
