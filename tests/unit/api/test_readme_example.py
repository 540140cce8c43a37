"""The README's API, as it stands there."""

from __future__ import annotations

import contextlib
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from tests.support.readme import block_after
from tests.support.server import ROOT
from wsgisrv.api.testing import Client


@pytest.fixture
def closing() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as stack:
        yield stack


def block_words(pattern: str) -> str:
    """Returns what the README says where the pattern has a group."""
    found = re.search(pattern, (ROOT / "README.rst").read_text())
    assert found is not None
    return found[1]


def module_of(monkeypatch: pytest.MonkeyPatch, name: str, words: str) -> Any:
    """Returns a module of a block of the README, as whoever copies it would have it."""
    module = types.ModuleType(name)
    monkeypatch.setitem(sys.modules, name, module)
    exec(block_after(words), vars(module))  # noqa: S102
    return module


def test_the_api_of_the_readme_does_what_the_readme_says(monkeypatch: pytest.MonkeyPatch) -> None:
    module_of(monkeypatch, "stock", "This is ``stock.py``, a whole one")
    exec(block_after("asks it without a socket"), {})  # noqa: S102


def test_the_orders_of_the_readme_do_what_the_readme_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, closing: contextlib.ExitStack
) -> None:
    pytest.importorskip("oslo_policy")
    module_of(monkeypatch, "stock", "This is ``stock.py``, a whole one")
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'orders.sqlite'}")
    closing.callback(engine.dispose)
    monkeypatch.setattr(sqlalchemy, "create_engine", lambda url: engine)
    orders = module_of(monkeypatch, "orders", "This is ``orders.py``, with")
    app = orders.app_factory({})
    anybody = Client(app, service_type="stock")
    client = anybody.as_user("u1", "p1")
    anybody.get("/things/1/orders", status=401)
    for amount in range(1, 31):
        answer = client.post_json("/things/1/orders", {"amount": amount}, status=201)
        assert answer.headers["Location"] == f"/things/1/orders/{amount}"
    client.post_json("/things/1/orders", {"amount": 101}, status=403)
    refusal = client.post_json("/things/1/orders", {"amount": 0}, status=400)
    assert client.errors(refusal) == ["/amount: has to be at least 1"]
    question = block_words(r"``\?(limit=10&[^`]*)`` is one page of it")
    page = client.get(f"/things/1/orders?{question}").json
    assert [order["amount"] for order in page["orders"]] == [6]
    assert page["count"] == 25
    assert {link["rel"] for link in page["links"]} == {"prev", "first"}
    shown = client.get("/things/1/orders/7")
    client.get("/things/1/orders/7", headers={"If-None-Match": shown.headers["ETag"]}, status=304)
    for path in ("/things/1/orders/31", "/things/2/orders/7", "/things/777"):
        client.get(path, status=404)
    client.as_user("u2", "p2").get("/things/1/orders/7", status=403)
    client.as_user("u2", "p2", ["admin"]).get("/things/1/orders/7", status=200)
    assert client.as_user("u2", "p2").get("/things/1/orders").json["orders"] == []
    client.get("/things/1", headers={"If-Match": '"x"'}, status=412)
