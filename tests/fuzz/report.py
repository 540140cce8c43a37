"""A finding as a case of the corpus, to be pasted into one of its files."""

from __future__ import annotations

import json

from tests.fuzz.compare import read_whole

_NAMED = {0x0D: r"\r", 0x0A: r"\n", 0x09: r"\t", 0x00: r"\0", 0x5C: r"\\"}
_UNSAFE = b"'<"  # ends the string; begins what the corpus repeats or replaces


def fragment(row: str, data: bytes) -> str:
    """Returns a ``[[case]]`` that says what the reader answers now; whether it should is to be judged."""
    seen = read_whole(data)
    lines = [
        "[[case]]",
        f"row = {json.dumps(row)}",
        f"send = '{sent(data)}'",
        f"want = {json.dumps([str(each.status) for each in seen])}",
    ]
    if not seen or seen[-1].is_cut:
        lines.append('then = "cut"')
    elif seen[-1].status == 200 and not seen[-1].keeps:
        lines.append('then = "closed"')
    return "\n".join(lines)


def sent(data: bytes) -> str:
    """Returns bytes as a ``send`` of the corpus has them."""
    return "".join(
        _NAMED.get(byte)
        or (chr(byte) if 0x20 <= byte < 0x7F and byte not in _UNSAFE else f"\\x{byte:02x}")
        for byte in data
    )
