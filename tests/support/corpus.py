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
    reaches whether the app may be called with the refused request, as its head is in order
    options of the server beyond those of OPTIONS

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

OPTIONS: dict[str, Any] = {"max_body_bytes": 1000}
"""What the server of every case is set to; all else is at its default."""

_ESCAPE = re.compile(r"\\(r|n|t|0|\\|x[0-9a-f]{2}|.)", re.DOTALL)
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
    reaches: bool
    options: dict[str, Any]

    @property
    def is_refused(self) -> bool:
        return self.then == "closed" and bool(self.want) and self.want[-1] >= 400


def cases(directory: Path = CORPUS) -> Iterator[Case]:
    """Yields every case of every file.

    Raises:
        ValueError: for a key, an escape or a ``then`` that there is not.
    """
    for path in sorted(directory.glob("*.toml")):
        for number, table in enumerate(tomllib.loads(path.read_text())["case"]):
            for index, variant in enumerate(table.get("each", [""])):
                yield _case(f"{path.stem}-{number}.{index} {table['row']}", table, variant)


def _case(name: str, table: dict[str, Any], variant: str) -> Case:
    known = {"row", "each", *(field.name for field in dataclasses.fields(Case))} - {"name"}
    if unknown := table.keys() - known:
        raise ValueError(f"{name}: {unknown}")
    if table.get("then", "kept") not in ("closed", "kept", "cut"):
        raise ValueError(f"{name}: then = {table['then']}")
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
        reaches=table.get("reaches", False),
        options={**OPTIONS, **table.get("options", {})},
    )


def raw(text: str) -> bytes:
    """Returns the bytes that a ``send`` stands for.

    Raises:
        ValueError: for an escape that is none, and a character that is no byte.
    """
    text = _REPEAT.sub(lambda match: match[1] * int(match[2]), text)
    return _ESCAPE.sub(_unescaped, text).encode("latin-1")


def _unescaped(match: re.Match[str]) -> str:
    sign = match[1]
    if sign in _PLAIN:
        return _PLAIN[sign]
    if sign[0] != "x" or len(sign) != 3:
        raise ValueError(f"no escape: {match[0]}")
    return chr(int(sign[1:], 16))
