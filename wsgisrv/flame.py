"""A profile as a flame graph: speedscope's JSON, or an SVG that shows itself.

Rules: pure; takes the control socket's answer. The file is made anew, for its owner alone: function names and
paths are the app's own business.

Source: speedscope's file format, https://www.speedscope.app/file-format-schema.json, "sampled" profiles.
"""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Sequence
from xml.sax.saxutils import escape, quoteattr

from wsgisrv.control import Fields
from wsgisrv.errors import SystemRefusedError, UsageError

_WIDTH = 1200
_ROW = 17
_LEAST = 0.3  # pixels; narrower calls are not drawn
_LETTER = 6.2
_COLOURS = ("#e66101", "#f08a3c", "#fdb863", "#d9833b", "#f4a259")
_HOTTEST = 5


def default_name(worker: int) -> str:
    """Returns a name for the file of a profile that ends now."""
    return f"profile-worker-{worker}-{time.strftime('%Y%m%d-%H%M%S')}.speedscope.json"


def check_output(path: str) -> None:
    """Raises UsageError for a file whose end does not say what is to be in it."""
    if path and not path.endswith((".json", ".svg")):
        raise UsageError(f"profile: --output {path}: ends in .json (speedscope) or .svg")


def save(answer: Fields, path: str) -> None:
    """Writes a profile to a new file, which only its owner may read.

    Raises:
        UsageError: when the file is there already.
        SystemRefusedError: when the system refuses.
    """
    text = svg(answer) if path.endswith(".svg") else json.dumps(speedscope(answer))
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise UsageError(f"profile: {path}: is there already") from None
    except OSError as error:
        raise SystemRefusedError(f"profile: {path}: {error.strerror}") from None
    with open(fd, "w", encoding="utf-8") as file:
        file.write(text)


def summary(answer: Fields, path: str) -> str:
    """Returns what a person wants to know at once: how much it did, and what was hottest."""
    busy = max(answer["samples"] - answer["idle"], 0)
    share = 100 * busy / max(answer["samples"], 1)
    taken = f"{answer['samples']} samples in {answer['seconds']:.1f} s"
    lines = [
        f"worker {answer['worker']}: {taken}, busy in {share:.0f} % of them; written to {path}"
    ]
    own: dict[int, int] = {}
    for stack, count in answer["stacks"]:
        own[stack[-1]] = own.get(stack[-1], 0) + count
    for number, count in sorted(own.items(), key=lambda item: -item[1])[:_HOTTEST]:
        name, file, line = answer["frames"][number]
        lines.append(f"  {100 * count / max(busy, 1):5.1f} %  {name} ({file}:{line})")
    return "\n".join(lines)


def speedscope(answer: Fields) -> Fields:
    """Returns the profile as speedscope reads it; time in which nothing ran is left out."""
    weight = answer["seconds"] / max(answer["samples"], 1)
    weights = [count * weight for _, count in answer["stacks"]]
    title = f"worker {answer['worker']} of wsgisrv"
    frames = [{"name": name, "file": file, "line": line} for name, file, line in answer["frames"]]
    return {
        "$schema": "https://www.speedscope.app/file-format-schema.json",
        "name": title,
        "exporter": "wsgisrv",
        "activeProfileIndex": 0,
        "shared": {"frames": frames},
        "profiles": [
            {
                "type": "sampled",
                "name": title,
                "unit": "seconds",
                "startValue": 0,
                "endValue": sum(weights),
                "samples": [stack for stack, _ in answer["stacks"]],
                "weights": weights,
            }
        ],
    }


@dataclasses.dataclass(slots=True)
class _Node:
    count: int = 0
    calls: dict[int, _Node] = dataclasses.field(default_factory=dict)


def svg(answer: Fields) -> str:
    """Returns the profile as a picture, the outermost call at the bottom; each box names itself when it is
    pointed at.
    """
    root = _Node()
    for stack, count in answer["stacks"]:
        node = root
        node.count += count
        for number in stack:
            node = node.calls.setdefault(number, _Node())
            node.count += count
    boxes: list[str] = []
    scale = _WIDTH / max(root.count, 1)
    depth = _depth(root, scale)
    height = (depth + 2) * _ROW
    _draw(root, answer["frames"], 0.0, depth, scale, boxes)
    title = (
        f"worker {answer['worker']}: {answer['samples']} samples in {answer['seconds']:.1f} s,"
        f" {answer['idle']} of them idle"
    )
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}"'
    return "\n".join(
        [
            f'{head} font-family="monospace" font-size="11">',
            f'<rect width="{_WIDTH}" height="{height}" fill="#fffdf8"/>',
            f'<text x="4" y="{_ROW - 4}" fill="#333">{escape(title)}</text>',
            *boxes,
            "</svg>",
        ]
    )


def _depth(node: _Node, scale: float) -> int:
    below = [_depth(call, scale) for call in node.calls.values() if call.count * scale >= _LEAST]
    return max(below, default=-1) + 1


def _draw(
    node: _Node,
    frames: Sequence[tuple[str, str, int]],
    left: float,
    row: int,
    scale: float,
    boxes: list[str],
) -> None:
    for number, call in sorted(node.calls.items(), key=lambda item: frames[item[0]]):
        width = call.count * scale
        if width >= _LEAST:
            name, file, line = frames[number]
            share = f"{name} ({file}:{line}), {call.count} samples"
            colour = _COLOURS[sum(name.encode()) % len(_COLOURS)]
            letters = int((width - 4) / _LETTER)
            shown = (
                name if len(name) <= letters else f"{name[: letters - 1]}…" if letters > 2 else ""
            )
            boxes.append(
                f'<g><title>{escape(share)}</title><rect x="{left:.1f}" y="{row * _ROW}"'
                f' width="{width:.1f}" height="{_ROW - 1}" fill={quoteattr(colour)}/>'
                f'<text x="{left + 2:.1f}" y="{row * _ROW + 12}">{escape(shown)}</text></g>'
            )
            _draw(call, frames, left, row - 1, scale, boxes)
        left += width
