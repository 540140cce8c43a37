"""OpenStack Placement, as PyPI has it, served from a paste file and taken through a cycle of its API."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.control import wait_status
from tests.support.http import DEADLINE, Client, Response
from tests.support.readme import block_after
from tests.support.server import Server, run

pytest.importorskip(
    "placement",
    reason="openstack-placement could not be installed (remove .venv-dev-X.Y to try again)",
    exc_type=ImportError,
)

CONF = """
[api]
auth_strategy = noauth2

[placement_database]
connection = sqlite:///{directory}/placement.sqlite
sync_on_startup = true
"""
INI = """
[pipeline:main]
pipeline = healthcheck placement

[filter:healthcheck]
use = egg:wsgisrv#healthcheck

"""


@contextlib.contextmanager
def placed(directory: Path, workers: int) -> Iterator[Server]:
    """Runs it."""
    (directory / "placement.conf").write_text(CONF.format(directory=directory))
    ini = directory / "api-paste.ini"
    ini.write_text(
        f"{INI}{block_after('OpenStack Placement 16 runs as it is').replace('main', 'placement')}"
    )
    address = f"{directory}/placement.sock"
    command = ["serve", str(ini), "--bind", f"unix:{address}", "--workers", str(workers)]
    control = ["--control-socket", str(directory / "control.sock")]
    env = {"OS_PLACEMENT_CONFIG_DIR": str(directory)}
    with run([*command, *control], env=env, address=address) as server:
        server.wait_ready()
        yield server


@pytest.fixture(scope="module")
def placement(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One worker: it makes the tables when it starts, which two at once could not."""
    with placed(tmp_path_factory.mktemp("placement"), workers=1) as server:
        yield server


class Admin:
    """A client with the rights of noauth2's admin.

    Args:
        version: the microversion that it asks for.
    """

    def __init__(self, client: Client, version: str) -> None:
        self._client = client
        self._version = version

    def ask(self, method: str, target: str, body: Any = None) -> Response:
        data = b"" if body is None else json.dumps(body).encode()
        lines = [
            f"{method} {target} HTTP/1.1", "Host: placement", "X-Auth-Token: admin",
            f"OpenStack-API-Version: placement {self._version}",
        ]  # fmt: skip
        if body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"]
        self._client.send("\r\n".join([*lines, "", ""]).encode() + data)
        return self._client.response(method)


def test_a_provider_is_made_filled_claimed_and_removed(placement: Server) -> None:
    provider, consumer = str(uuid.uuid4()), str(uuid.uuid4())
    with placement.connect() as client:
        admin = Admin(client, "1.39")
        made = admin.ask("POST", "/resource_providers", {"name": "host-1", "uuid": provider})
        assert made.status == 200
        generation = made.json()["generation"]

        inventories = {
            "VCPU": {"total": 8},
            "MEMORY_MB": {"total": 4096, "reserved": 512, "max_unit": 2048},
        }
        filled = admin.ask(
            "PUT",
            f"/resource_providers/{provider}/inventories",
            {"resource_provider_generation": generation, "inventories": inventories},
        )
        assert filled.status == 200
        stale = admin.ask(
            "PUT",
            f"/resource_providers/{provider}/inventories",
            {"resource_provider_generation": generation, "inventories": inventories},
        )
        assert (stale.status, stale.json()["errors"][0]["code"]) == (
            409, "placement.concurrent_update",
        )  # fmt: skip

        wanted = admin.ask("GET", "/allocation_candidates?resources=VCPU:2,MEMORY_MB:1024")
        assert list(wanted.json()["provider_summaries"]) == [provider]
        too_much = admin.ask("GET", "/allocation_candidates?resources=VCPU:9")
        assert too_much.json()["allocation_requests"] == []

        claim = {
            "allocations": {provider: {"resources": {"VCPU": 2, "MEMORY_MB": 1024}}},
            "consumer_generation": None,
            "consumer_type": "INSTANCE",
            "project_id": "project",
            "user_id": "user",
        }
        assert admin.ask("PUT", f"/allocations/{consumer}", claim).status == 204
        used = admin.ask("GET", f"/resource_providers/{provider}/usages").json()["usages"]
        assert used == {"VCPU": 2, "MEMORY_MB": 1024}

        in_use = admin.ask("DELETE", f"/resource_providers/{provider}")
        assert (in_use.status, in_use.json()["errors"][0]["code"]) == (
            409, "placement.resource_provider.inuse",
        )  # fmt: skip
        assert admin.ask("DELETE", f"/allocations/{consumer}").status == 204
        assert admin.ask("DELETE", f"/resource_providers/{provider}").status == 204
        assert admin.ask("GET", f"/resource_providers/{provider}").status == 404


def test_its_microversions_and_errors_come_through_as_it_makes_them(placement: Server) -> None:
    with placement.connect() as client:
        versions = client.get("/").json()["versions"]
        assert versions[0]["max_version"] >= "1.39"
        old = Admin(client, "1.0").ask("GET", "/resource_providers")
        assert (old.status, old["openstack-api-version"]) == (200, "placement 1.0")
        new = Admin(client, "latest").ask("GET", "/resource_providers")
        assert new["openstack-api-version"] == f"placement {versions[0]['max_version']}"
        assert Admin(client, "9.9").ask("GET", "/resource_providers").status == 406
        wrong = Admin(client, "1.39").ask("POST", "/resource_providers", {"name": ""})
        assert (wrong.status, wrong["content-type"]) == (400, "application/json")
        assert client.get("/resource_providers").status == 401


def test_a_reload_keeps_what_it_knows(placement: Server) -> None:
    provider = str(uuid.uuid4())
    with placement.connect() as client:
        admin = Admin(client, "1.39")
        assert (
            admin.ask("POST", "/resource_providers", {"name": "kept", "uuid": provider}).status
            == 200
        )
    seen = len(placement.lines)
    placement.signal(signal.SIGHUP)
    placement.wait_ready(after=seen)
    with placement.connect() as client:
        shown = Admin(client, "1.39").ask("GET", f"/resource_providers/{provider}")
        assert shown.json()["name"] == "kept"
    with placement.connect() as client:
        assert client.get("/readyz").status == 200


def test_two_workers_serve_what_was_made_before_they_start(tmp_path: Path) -> None:
    (tmp_path / "placement.conf").write_text(CONF.format(directory=tmp_path))
    conf = f"--config-file={tmp_path}/placement.conf"
    subprocess.run(
        [sys.executable, "-c", "from placement.cmd.manage import main; main()", conf, "db", "sync"],
        capture_output=True, timeout=DEADLINE * 4, check=True,
    )  # fmt: skip
    provider = str(uuid.uuid4())
    with placed(tmp_path, workers=2) as server:
        with server.connect() as client:
            admin = Admin(client, "1.39")
            admin.ask("POST", "/resource_providers", {"name": "host-1", "uuid": provider})
            filled = admin.ask(
                "PUT",
                f"/resource_providers/{provider}/inventories",
                {"resource_provider_generation": 0, "inventories": {"VCPU": {"total": 8}}},
            )
            assert filled.status == 200
        # One after the other: SQLite refuses one of two that write at once ("database is locked").
        assert [claim_one(server, provider) for _ in range(8)] == [204] * 8
        with server.connect() as client:
            admin = Admin(client, "1.39")
            used = admin.ask("GET", f"/resource_providers/{provider}/usages").json()["usages"]
            assert used == {"VCPU": 8}
        assert claim_one(server, provider) == 409  # nothing is left

        def both_have_answered(status: Any) -> bool:
            with server.connect() as client:
                shown = Admin(client, "1.39").ask("GET", f"/resource_providers/{provider}")
                assert shown.json()["name"] == "host-1"
            return all(worker["requests"] for worker in status["workers"])

        wait_status(f"{tmp_path}/control.sock", both_have_answered)


def claim_one(server: Server, provider: str) -> int:
    """Claims one VCPU for a new consumer, and returns the status."""
    claim = {
        "allocations": {provider: {"resources": {"VCPU": 1}}},
        "consumer_generation": None,
        "consumer_type": "INSTANCE",
        "project_id": "project",
        "user_id": "user",
    }
    with server.connect() as client:
        target = f"/allocations/{uuid.uuid4()}"
        return Admin(client, "1.39").ask("PUT", target, claim).status
