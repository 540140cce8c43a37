"""The walk through a schema: every schema in it, and nothing else."""

from __future__ import annotations

from typing import Any

from wsgisrv.api.subschemas import rebuilt


def test_each_schema_is_changed_and_no_data() -> None:
    data = {"type": "integer", "properties": {"a": {"type": "x"}}}
    schema: dict[str, Any] = {
        "const": data,
        "enum": [data],
        "default": data,
        "examples": [data],
        "properties": {"type": {"not": {}}, "const": True, "$ref": {"items": {}}},
        "anyOf": [{}, False],
        "$defs": {"a": {"if": {}, "then": {}}},
    }
    before = repr(schema)
    found: list[Any] = []

    def change(part: dict[str, Any]) -> dict[str, Any]:
        found.append(part)
        return {**part, "seen": True}

    made = rebuilt(schema, change)
    assert repr(schema) == before
    assert len(found) == 9
    assert found[-1] is not schema
    assert made["const"] is data
    assert made["enum"] == [data]
    assert made["properties"]["type"] == {"not": {"seen": True}, "seen": True}
    assert made["properties"]["const"] is True
    assert made["anyOf"] == [{"seen": True}, False]
    assert rebuilt(True, change) is True
