"""What a reading of the settings is looked at for, before anything is forked."""

from __future__ import annotations

import dataclasses

import pytest

from wsgisrv.config import Settings
from wsgisrv.errors import ConfigError
from wsgisrv.layout import Layout
from wsgisrv.master.reloads import check_workers


def test_more_workers_than_one_master_has_are_refused_with_where_they_stand() -> None:
    settings = dataclasses.replace(Settings(), servers=("public", "admin"), workers=200)
    sections = {"public": {}, "admin": {"workers": 56}}
    check_workers(Layout.of(settings, sections))
    sections["admin"]["workers"] = 57
    with pytest.raises(ConfigError) as caught:
        check_workers(Layout.of(settings, sections))
    assert str(caught.value) == (
        "[wsgisrv] workers = 200: with 57 of [wsgisrv_admin] these are 257; allowed are 256 of all servers"
        " together"
    )
