"""``[server:main] use = egg:wsgisrv#main`` under pyramid's own pserve."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.support.configured import get, ports, wait_until
from tests.support.http import DEADLINE
from tests.support.server import ROOT, Server, run

INI = """
[app:main]
paste.app_factory = tests.apps.named:factory
name = %(told)s

[server:main]
use = egg:wsgisrv#main
"""


EDITED = """
def factory(global_conf, name):
    return named(global_conf, "{}")
"""


def write(directory: Path, section: str, default: str = "[DEFAULT]\ntold = file") -> Path:
    """Writes a paste file with ``section`` in its [server:main]."""
    ini = directory / "service.ini"
    ini.write_text(f"{default}\n{INI}{section}\n")
    return ini


@contextlib.contextmanager
def pserve(ini: Path, *args: str, env: Mapping[str, str] | None = None) -> Iterator[Server]:
    module = ("-c", "from pyramid.scripts.pserve import main; main()")
    with run([str(ini), *args], module=module, env=env) as server:
        yield server


def refused(ini: Path) -> tuple[int, str]:
    """Runs it to its end and returns its exit code and what it said on stderr."""
    done = subprocess.run(
        [sys.executable, "-c", "from pyramid.scripts.pserve import main; main()", str(ini)],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    return done.returncode, done.stderr


def test_fresh_workers_serve_the_file_with_the_options_of_the_section(tmp_path: Path) -> None:
    (port,) = ports(1)
    ini = write(
        tmp_path, f"listen = 127.0.0.1:{port}\nworkers = 2\nreuse_port = true\ngraceful_timeout = 9"
    )
    with pserve(ini) as server:
        pids = server.wait_ready()
        assert len(pids) == 2
        told = get(port)
        assert (told["name"], told["load"]) == ("file", 1)
        assert told["pid"] in pids
        # The master is the process that pserve was, and has nothing of the app that it has loaded.
        seen = len(server.lines)
        server.signal(signal.SIGHUP)
        new = server.wait_ready(after=seen)
        assert not set(new) & set(pids)
        wait_until(lambda: get(port)["pid"] in new, "the new generation")
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0


def test_what_pservers_command_line_gives_reaches_the_app(tmp_path: Path) -> None:
    (port,) = ports(1)
    ini = write(tmp_path, "host = 127.0.0.1\nport = %(http_port)s\nworkers = 1", "")
    with pserve(ini, "told=half=off x", f"http_port={port}") as server:
        server.wait_ready()
        assert get(port)["name"] == "half=off x"


def test_reload_restarts_it_when_a_file_of_the_app_changes(tmp_path: Path) -> None:
    (port,) = ports(1)
    ini = write(tmp_path, f"listen = 127.0.0.1:{port}\nworkers = 1")
    app = tmp_path / "edited.py"
    app.write_text("from tests.apps.named import factory as named\n\n" + EDITED.format("first"))
    ini.write_text(ini.read_text().replace("tests.apps.named:", "edited:"))
    with pserve(ini, "--reload", env={"PYTHONPATH": f"{ROOT}:{tmp_path}"}) as server:
        server.wait_ready()
        assert get(port)["name"] == "first"
        app.write_text(app.read_text().replace("first", "second"))

        def second_answers() -> bool:
            try:
                name = get(port)["name"]
            except (OSError, AssertionError):
                return False  # between the one and the other
            if name == "first":
                os.utime(app)  # it may not have looked at the file before it was written
            return bool(name == "second")

        wait_until(second_answers, "the edited app")


@pytest.mark.parametrize(
    ("section", "code", "line"),
    [
        (
            "workers = many",
            78,
            "[server] workers = many: allowed is a whole number from 0 on to 256",
        ),
        ("wrokers = 2", 78, "[server] wrokers: no such option; did you mean workers?"),
        ("reuse_port = perhaps", 78, "[server] reuse_port = perhaps: allowed is true or false"),
        ("host = 127.0.0.1", 78, "[server] host: there has to be a port with it"),
        ("listen = 127.0.0.1:1\nport = 2", 78, "[server] listen: not together with host and port"),
        ("trusted_proxies = nowhere", 78, "[server] trusted_proxies = nowhere: "),
    ],
)
def test_what_is_wrong_in_the_section_is_a_line(
    section: str, code: int, line: str, tmp_path: Path
) -> None:
    ini = write(tmp_path, section)
    found, said = refused(ini)
    assert found == code
    # pserve and what it imports have lines of their own.
    (last,) = [each for each in said.splitlines() if each.startswith("wsgisrv: ")]
    assert last.startswith(f"wsgisrv: {ini}: {line}")
    assert said.endswith(f"{last}\n")
