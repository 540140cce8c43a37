"""The choice of a hub, with stand-in select modules: no BSD is at hand."""

from __future__ import annotations

import select
from types import SimpleNamespace
from typing import Any

import pytest

from wsgisrv.errors import ConfigError
from wsgisrv.worker.hubs import choose_hub


def module(*names: str) -> Any:
    return SimpleNamespace(**dict.fromkeys(names))


def test_linux_gets_epolls() -> None:
    assert choose_hub("auto", module("select", "poll", "epoll")) == "epolls"


def test_a_bsd_gets_kqueue_rather_than_poll() -> None:
    assert choose_hub("auto", module("select", "poll", "kqueue")) == "kqueue"


def test_poll_comes_before_selects() -> None:
    assert choose_hub("auto", module("select", "poll")) == "poll"
    assert choose_hub("auto", module("select")) == "selects"


@pytest.mark.parametrize("name", ["epolls", "poll", "selects", "asyncio"])
def test_a_hub_by_name_is_taken_as_named(name: str) -> None:
    assert choose_hub(name, select) == name


def test_a_hub_that_the_system_lacks_is_refused_with_those_it_has() -> None:
    with pytest.raises(
        ConfigError, match=r"hub = kqueue: not on this system, which has poll, selects"
    ):
        choose_hub("kqueue", module("select", "poll"))
