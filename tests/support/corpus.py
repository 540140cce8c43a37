r"""The corpus of raw requests: what each file in tests/corpus says, as cases.

A file has ``[[case]]`` tables:

    row     what it proves, in the words of the table of answers
    send    the bytes: ``\r``, ``\n``, ``\t``, ``\0``, ``\xNN`` and ``\\`` as in Python, ``<text*N>`` for N
            times text, ``<?>`` for each of ``each``
    each    variants, every one a case of its own
    want    the statuses of the answers, in order
    then    ``closed`` (the server closes), ``kept`` (another request is answered) or ``cut`` (the client
            ends its side); by default ``closed`` if the last status is an error, else ``kept``
    sees    environ of the first request, as the app sees it; ``lacks``, names that are not in it
    body    of the first request, as the app sees it
    paths   PATH_INFO of each request
    interim whether 100 Continue may come first

A refused request is always followed by a second one, which nobody may answer.
"""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CORPUS = Path(__file__).parents[1] / "corpus"

FOLLOWER = b"GET /follower HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

MAX_BODY_BYTES = 1000
"""What the server of the corpus is set to; all else is at its default."""

_ESCAPE = re.compile(r"\\(r|n|t|0|\\|x[0-9a-f]{2})")
_REPEAT = re.compile(r"<([^<>*]+)\*(\d+)>")
_PLAIN = {"r": "\r", "n": "\n", "t": "\t", "0": "\0", "\\": "\\"}


@dataclasses.dataclass(frozen=True, slots=True)
class Case:
    """One raw request and what becomes of it."""

    name: str
    send: bytes
    want: tuple[int, ...]
    then: str
    sees: dict[str, str]
    lacks: tuple[str, ...]
    body: str | None
    paths: tuple[str, ...]
    interim: bool

    @property
    def is_refused(self) -> bool:
        return self.then == "closed" and bool(self.want) and self.want[-1] >= 400


def cases() -> Iterator[Case]:
    """Yields every case of every file."""
    for path in sorted(CORPUS.glob("*.toml")):
        for number, table in enumerate(tomllib.loads(path.read_text())["case"]):
            for index, variant in enumerate(table.get("each", [""])):
                yield _case(f"{path.stem}-{number}.{index} {table['row']}", table, variant)


def _case(name: str, table: dict[str, Any], variant: str) -> Case:
    unknown = table.keys() - {"row", "each", *(field.name for field in dataclasses.fields(Case))}
    assert not unknown, f"{name}: {unknown}"
    want = tuple(int(status) for status in table["want"])
    refused = bool(want) and want[-1] >= 400
    return Case(
        name=name,
        send=raw(table["send"].replace("<?>", variant)),
        want=want,
        then=table.get("then", "closed" if refused else "kept"),
        sees=table.get("sees", {}),
        lacks=tuple(table.get("lacks", ())),
        body=table.get("body"),
        paths=tuple(table.get("paths", ())),
        interim=table.get("interim", False),
    )


def raw(text: str) -> bytes:
    """Returns the bytes that a ``send`` stands for."""
    text = _REPEAT.sub(lambda match: match[1] * int(match[2]), text)
    return _ESCAPE.sub(_unescaped, text).encode("latin-1")


def _unescaped(match: re.Match[str]) -> str:
    sign = match[1]
    return _PLAIN[sign] if sign in _PLAIN else chr(int(sign[1:], 16))
