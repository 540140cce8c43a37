"""The project that ``wsgisrv new`` writes: its own tests pass, and it serves at once."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.configured import ports
from tests.support.control import wsgisrv
from tests.support.http import DEADLINE, Client
from tests.support.server import ROOT, run
from tests.support.units import complaints


@pytest.fixture
def project(tmp_path: Path) -> Path:
    done = wsgisrv("new", "stock", "--directory", str(tmp_path / "stock"))
    assert (done.returncode, done.stderr) == (0, "")
    return tmp_path / "stock"


def test_its_own_tests_pass(project: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": f"{project}:{ROOT}"},
        capture_output=True,
        text=True,
        timeout=DEADLINE * 4,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


def test_it_serves_at_once(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (port,) = ports(1)
    command = ["--config-file", "etc/stock.conf", "--bind", f"127.0.0.1:{port}", "--workers", "2"]
    monkeypatch.chdir(project)
    with run(command, module=("-m", "stock")) as server:
        assert len(server.wait_ready()) == 2
        body = json.dumps({"text": "milk"}).encode()
        with Client(("127.0.0.1", port)) as client:
            client.send(
                b"POST /notes HTTP/1.1\r\nHost: test\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
            )
            made = client.response()
            assert made.status == 201
            assert client.get("/notes").json()["notes"][0]["text"] == "milk"
            assert client.get("/readyz").status == 200
            assert client.get("/docs").status == 200


def test_its_package_is_what_pyproject_says_and_check_finds_nothing_wrong(project: Path) -> None:
    (port,) = ports(1)
    environ = {**os.environ, "PYTHONPATH": str(ROOT), "OS_WSGISRV__BIND": f"127.0.0.1:{port}"}
    done = subprocess.run(
        [sys.executable, "-m", "stock", "check", "--config-file", "etc/stock.conf"],
        cwd=project, env=environ, capture_output=True, text=True, timeout=DEADLINE, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_its_unit_is_what_systemd_understands(project: Path) -> None:
    unit = project / "etc" / "stock.service"
    text = unit.read_text()
    command = re.search(r"^ExecStart=(/opt/stock/bin/stock --config-file \S+)$", text, re.MULTILINE)
    assert command is not None
    unit.write_text(text.replace("/opt/stock/bin/stock", sys.executable))
    assert complaints(unit) == []
    unit.write_text(text.replace("KillMode=mixed", "KillMode=mild"))
    assert "kill mode" in "".join(complaints(unit))  # so it does look
