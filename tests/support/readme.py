"""What stands in the README, for tests that run it."""

from __future__ import annotations

import textwrap

from tests.support.server import ROOT

README = ROOT / "README.rst"


def block_after(*texts: str) -> str:
    """Returns the literal block of the README behind the words, each of them behind the one before."""
    rest = README.read_text()
    for text in texts:
        assert text in rest, text
        rest = rest.partition(text)[2]
    lines = rest.partition("::\n")[2].lstrip("\n").split("\n")
    block = []
    for line in lines:
        if line and not line.startswith("    "):
            break
        block.append(line)
    return textwrap.dedent("\n".join(block))
