"""OpenStack Placement, as PyPI has it, served from a paste file and taken through a cycle of its API."""

from __future__ import annotations

import json
import signal
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.http import Client, Response
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

[app:placement]
use = egg:wsgisrv#app
factory = placement.wsgi:init_application
"""


@pytest.fixture(scope="module")
def placement(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One worker: it makes the tables when it starts, which two at once would not."""
    directory = tmp_path_factory.mktemp("placement")
    (directory / "placement.conf").write_text(CONF.format(directory=directory))
    ini = directory / "api-paste.ini"
    ini.write_text(INI)
    address = f"{directory}/placement.sock"
    command = ["serve", str(ini), "--bind", f"unix:{address}", "--workers", "1"]
    with run(command, env={"OS_PLACEMENT_CONFIG_DIR": str(directory)}, address=address) as server:
        server.wait_ready()
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
