"""What ``wsgisrv check`` found, as text for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any


def check_text(answer: dict[str, Any]) -> str:
    """Returns a line for each thing that would run, and one for each that is wrong."""
    return "\n".join(_lines(answer))


def _lines(answer: dict[str, Any]) -> Iterator[str]:
    helpers = f", {answer['cpu_workers']} helper processes" if answer["cpu_workers"] else ""
    for server in answer.get("servers", [answer]):
        app = server["app"]
        yield f"app: {server['source']}" + (
            f", loaded in {app['seconds']:.2f} s on hub {app['hub']}" if app else ""
        )
        if server is answer:
            yield f"workers: {answer['workers']}{helpers}"
        yield from _places(server)
        yield from _imports(app.get("imports"))
    if "servers" in answer:
        yield f"workers: {answer['workers']}{helpers}"
    for warning in answer["warnings"]:
        yield f"warning: {warning}"
    for problem in answer["problems"]:
        yield f"wrong: {problem['text']} (exit code {problem['exit_code']})"
    yield "all is well" if answer["ok"] else f"{len(answer['problems'])} wrong"


def _places(server: dict[str, Any]) -> Iterator[str]:
    name = f" of {server['name']}" if "name" in server else ""
    for address in server["addresses"]:
        by = f" by {address['owner']}" if address["owner"] else ""
        yield f"address{name}: {address['address']}, {address['state']}{by}"
    for certificate in server["tls"]:
        yield f"TLS{name}: {certificate}"


def _imports(found: list[dict[str, str]] | None) -> Iterator[str]:
    if found is None:
        return
    if not found:
        yield "imports: nothing that is known to block"
    for finding in found:
        yield f"import: {finding['module']} {finding['found']}: {finding['remedy']}"
