"""Runs schemathesis against the demo: no answer that its document does not know, and no 5xx.

Rules: one run for each microversion, each bounded, with the version's header on every request; a server and a
database of their own. What fits the document has to be accepted, but for what ``accepted`` names. Left out is
the check whether a request without the version's header is refused: it is answered as the first version.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

from tests.support.server import ROOT, run

SECONDS = 20
"""That one run looks for faults."""

VERSIONS = ("1.0", "1.1", "1.2", "1.3")
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance",
    "response_headers_conformance", "response_schema_conformance", "allow_header_conformance",
    "unsupported_method", "negative_data_rejection", "use_after_free", "ensure_resource_availability",
    "accepts_what_fits",
)  # fmt: skip
SETTINGS = """
[checks.positive_data_acceptance]  # by accepts_what_fits; a precondition may fail, a resource not be there
expected-statuses = ["2xx", 304, 403, 404, 409, 412]
[checks.negative_data_rejection]  # 412: If-Match failed before If-None-Match was looked at
expected-statuses = [400, 401, 403, 404, 405, 406, 409, 412, 415]
"""
PLANTED = "/books/{book_id}"


def examine(document: str, version: str, directory: Path, url: str) -> int:
    """Returns schemathesis' exit code: 1 for faults that it found."""
    command = [
        str(Path(sys.executable).with_name("st")), "run", document,
        "--url", url, "--header", f"OpenStack-API-Version: shelf {version}", "--checks", ",".join(CHECKS),
        "--max-examples", "20", "--max-time", str(SECONDS), "--no-color",
        "--generation-database", "none", "--warnings", "off",
    ]  # fmt: skip
    print(f"== version {version}", flush=True)
    (directory / "schemathesis.toml").write_text(SETTINGS)
    environ = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "SCHEMATHESIS_HOOKS": "tests.contract.accepted",
    }
    done = subprocess.run(command, cwd=directory, env=environ, timeout=SECONDS * 6, check=False)
    return done.returncode


def plant(url: str, directory: Path) -> str:
    """Returns the address of a document that does not know a book's 404: the run has to find it."""
    with urllib.request.urlopen(url, timeout=SECONDS) as response:  # noqa: S310 - our own server
        document: dict[str, Any] = json.load(response)
    operation = document["paths"][PLANTED]["get"]
    del operation["responses"]["404"]
    document["paths"] = {PLANTED: {"get": operation}}
    path = directory / "planted.json"
    path.write_text(json.dumps(document))
    return str(path)


def main() -> int:
    failed = []
    with tempfile.TemporaryDirectory() as name, socket.create_server(("127.0.0.1", 0)) as listener:
        directory, fd = Path(name), listener.fileno()
        host, port = listener.getsockname()
        command = ["demo", "--database", f"sqlite:///{directory / 'shelf.sqlite'}"]
        command += ["--bind", f"fd://{fd}", "--workers", "1", "--access-log", "off"]
        # What is wrong with a long query is for the API to say.
        command += ["--max-target-bytes", "65536"]
        with run(command, pass_fds=[fd], address=(host, port)) as server:
            server.wait_ready()
            api = f"http://{host}:{port}/v1"
            root = f"{api}/openapi.json"
            for version in VERSIONS:
                if examine(f"{root}?version={version}", version, directory, api):
                    failed.append(version)
            if "--plant" in sys.argv:
                planted = plant(f"{root}?version=1.3", directory)
                if examine(planted, "1.3", directory, api) != 1:
                    failed.append("the planted fault, which it did not find")
    said = f"wrong: {', '.join(failed)}" if failed else "what the demo answers is in its document"
    print(f"contract: {said}")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
