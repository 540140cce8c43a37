"""The README's API, as it stands there."""

from __future__ import annotations

import sys
import types

import pytest

from tests.support.readme import block_after


def test_the_api_of_the_readme_does_what_the_readme_says(monkeypatch: pytest.MonkeyPatch) -> None:
    stock = types.ModuleType("stock")
    exec(block_after("This is ``stock.py``, a whole one"), vars(stock))  # noqa: S102
    monkeypatch.setitem(sys.modules, "stock", stock)
    exec(block_after("asks it without a socket"), {})  # noqa: S102
