"""What a service is made of, and what of it changes live."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from wsgisrv.config import Settings
from wsgisrv.errors import ConfigError
from wsgisrv.layout import MUTABLE, Layout, live_of
from wsgisrv.master.changes import changes
from wsgisrv.master.events import Policy
from wsgisrv.option import SERVER


def several(**sections: dict[str, Any]) -> Layout:
    return Layout.of(Settings(servers=tuple(sections)), sections)


def test_one_server_without_a_name_is_one_group() -> None:
    layout = Layout.single(Settings())
    assert [(group.name, len(group.servers)) for group in layout.groups] == [("", 1)]
    assert not layout.names_servers
    assert layout.group_serving("").name == ""


def test_servers_share_a_group_unless_they_have_workers_of_their_own() -> None:
    layout = several(admin={"workers": 2}, public={}, other={"pool_size": 7})
    assert [(g.name, [each.name for each in g.servers]) for g in layout.groups] == [
        ("", ["public", "other"]), ("admin", ["admin"]),
    ]  # fmt: skip
    assert [server.name for server in layout.servers] == ["admin", "public", "other"]
    assert [server.settings.pool_size for server in layout.servers] == [1000, 1000, 7]
    assert layout.group_serving("other").name == ""
    assert layout.group("admin").settings.workers == 2


def test_a_group_is_named_where_there_are_several() -> None:
    layout = several(public={}, admin={"workers": 2})
    for name, reason in [("", "say which server's workers: public, admin"), ("x", "no server x")]:
        with pytest.raises(ConfigError, match=reason):
            layout.group_serving(name)
    with pytest.raises(ConfigError, match="it has no name"):
        Layout.single(Settings()).group_serving("x")


def test_no_option_of_a_single_server_is_mutable_nor_read_at_the_start_only() -> None:
    for field in dataclasses.fields(Settings):
        if field.metadata["scope"] == SERVER:
            assert not field.metadata["mutable"], field.name
            assert not field.metadata["at_start"], field.name


def test_what_is_mutable_reaches_every_group_and_nothing_else_does() -> None:
    live = several(public={}, admin={"workers": 9, "worker_timeout": 5.0})
    live = dataclasses.replace(live, settings=dataclasses.replace(live.settings, log_level="debug"))
    tuned = several(public={"pool_size": 3}, admin={"workers": 2}).tuned(live)
    assert tuned.settings.log_level == "debug"
    assert tuned.group("admin").settings.worker_timeout == 5.0
    assert tuned.group("admin").settings.workers == 2
    assert tuned.group("").settings.worker_timeout == Settings().worker_timeout
    assert tuned.servers[0].settings.pool_size == 3


def test_all_that_the_roster_keeps_to_is_mutable_but_the_number_of_workers() -> None:
    policy = {field.name for field in dataclasses.fields(Policy)}
    assert policy - set(MUTABLE) == {"workers"}


def test_the_mutable_options_are_those_that_somebody_changes_live() -> None:
    """What is marked mutable and is not here has nobody who changes it (tests/live/test_mutable_options)."""
    by_master = {field.name for field in dataclasses.fields(Policy)} - {"workers"}
    assert set(MUTABLE) == by_master | {"blocked_warning", "log_level", "bind_timeout"}
    assert set(live_of(Settings())) == set(MUTABLE)


def test_changes_name_each_option_once_with_its_section() -> None:
    before = several(public={}, admin={"pool_size": 5})
    after = several(public={}, admin={"pool_size": 6}, third={})
    after = dataclasses.replace(
        after, settings=dataclasses.replace(after.settings, control_socket="off")
    )
    assert list(changes(before, after)) == [
        "[wsgisrv] servers: public, admin -> public, admin, third, with the new generation",
        "[wsgisrv] control_socket: auto -> off, at the next start",
        "[wsgisrv_admin] pool_size: 5 -> 6, with the new generation",
        "[wsgisrv_third]: a new server",
    ]


def test_a_change_that_servers_inherit_is_one_line() -> None:
    before, after = (
        Layout.of(Settings(servers=("a", "b"), pool_size=size), {"a": {}, "b": {"pool_size": 9}})
        for size in (1, 2)
    )
    assert list(changes(before, after)) == ["[wsgisrv] pool_size: 1 -> 2, with the new generation"]
