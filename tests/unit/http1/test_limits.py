"""Every bound on what a client may send, take or keep is an option."""

from __future__ import annotations

import dataclasses

import pytest

from wsgisrv.config import Settings
from wsgisrv.http1.limits import Limits

OPTIONS = {field.name: field for field in dataclasses.fields(Settings)}

UNITS = {
    "max_target_bytes": "414",
    "max_header_count": "fields",
    "max_header_bytes": "431",
    "max_headers_bytes": "431",
    "max_chunk_line_bytes": "431",
    "max_trailer_bytes": "431",
    "max_body_bytes": "413",
    "max_drain_bytes": "drain",
    "header_timeout": "Seconds",
    "body_timeout": "Seconds",
    "min_body_rate": "Bytes a second",
    "write_timeout": "Seconds",
    "keepalive_timeout": "Seconds",
    "request_timeout": "Seconds",
    "max_connections": "Connections",
    "max_connections_per_client": "Connections",
}
"""What the help must say: the unit, or the answer, where the name has the unit."""


@pytest.mark.parametrize("name", UNITS)
def test_a_limit_has_a_default_a_range_and_its_unit(name: str) -> None:
    meta = OPTIONS[name].metadata
    assert isinstance(OPTIONS[name].default, (int, float))
    assert meta["min"] is not None
    assert OPTIONS[name].default >= meta["min"]
    assert UNITS[name].lower() in f"{name} {meta['help']}".lower()


BOUNDS = {field.name for field in dataclasses.fields(Limits)} - {"requires_host"}
"""What a server asks of all requests is no bound; only the drop-in asks less."""


@pytest.mark.parametrize("name", sorted(BOUNDS))
def test_a_bound_of_the_reader_is_the_option_of_that_name(name: str) -> None:
    assert name in OPTIONS
    if name != "max_body_bytes":  # a reader on its own has none
        assert getattr(Limits(), name) == getattr(Settings(), name)
