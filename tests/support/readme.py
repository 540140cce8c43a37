"""What stands in the README, for tests that run it."""

from __future__ import annotations

import dataclasses
import itertools
import textwrap

from tests.support.server import ROOT

README = ROOT / "README.rst"


@dataclasses.dataclass(frozen=True, slots=True)
class Block:
    """A literal block.

    Args:
        line: of its first line, from 1.
        text: without what it is indented by.
    """

    line: int
    text: str


def blocks() -> list[Block]:
    """Returns every literal block of the README."""
    lines = README.read_text().split("\n")
    found = []
    for index, line in enumerate(lines):
        if line.endswith("::"):
            begin = next(i for i in itertools.count(index + 1) if lines[i])
            end = next(i for i in itertools.count(begin) if lines[i] and lines[i][0] != " ")
            text = textwrap.dedent("\n".join(lines[begin:end])).rstrip("\n")
            found.append(Block(begin + 1, text))
    return found


def block_of(first: str) -> str:
    """Returns the literal block that begins so."""
    (found,) = [block for block in blocks() if block.text.startswith(first)]
    return found.text


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
