"""What a dump tells of a worker: nothing secret, and nothing that takes long."""

from __future__ import annotations

import dataclasses
import os

from wsgisrv.config import Settings
from wsgisrv.worker import facts


def test_options_are_those_that_differ_without_what_may_be_secret() -> None:
    settings = dataclasses.replace(
        Settings(), workers=3, paste_config="http://user:secret@host/x", bind=("a:1", "b:2")
    )
    assert facts.options([("api", settings)]) == {
        "api": {"workers": 3, "paste_config": "http://user:***@host/x", "bind": ["a:1", "b:2"]}
    }
    assert facts.masked("some_password", "x") == facts.masked("token_key", "x") == "***"


def test_descriptors_are_counted_by_kind() -> None:
    before = facts.fds()
    reader, writer = os.pipe()
    try:
        found = facts.fds()
    finally:
        os.close(reader)
        os.close(writer)
    assert found["open"] == before["open"] + 2
    assert found["kinds"]["pipe"] == before["kinds"].get("pipe", 0) + 2
    assert found["limit"] >= found["open"]


def test_objects_are_counted_by_type() -> None:
    class Planted:
        pass

    kept = [Planted() for _ in range(200_000)]
    found = facts.memory()
    assert len(found["types"]) <= 12
    name, count = next(each for each in found["types"] if each[0].endswith("Planted"))
    assert (count <= len(kept), "test_facts" in name) == (True, True)
    assert count > 100_000
