"""The README's API, as it stands there."""

from __future__ import annotations

import sys
import textwrap
import types
from pathlib import Path

import pytest

README = Path(__file__).parents[3] / "README.rst"


def block_after(text: str) -> str:
    """Returns the literal block of the README behind the words."""
    lines = README.read_text().partition(text)[2].partition("::\n")[2].lstrip("\n").split("\n")
    block = []
    for line in lines:
        if line and not line.startswith("    "):
            break
        block.append(line)
    return textwrap.dedent("\n".join(block))


def test_the_api_of_the_readme_does_what_the_readme_says(monkeypatch: pytest.MonkeyPatch) -> None:
    stock = types.ModuleType("stock")
    exec(block_after("This is ``stock.py``, a whole one"), vars(stock))  # noqa: S102
    monkeypatch.setitem(sys.modules, "stock", stock)
    exec(block_after("asks it without a socket"), {})  # noqa: S102
