"""``wsgisrv top``: the service live in a terminal, over the control socket.

Rules: what is shown is made by ``screen``, which is pure; curses only puts it there. The master is asked once
a second. One that does not answer any more is waited for a moment, since another may follow it. Nothing that
a client sends reaches the terminal but printable characters.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import curses
import dataclasses
import locale
import os
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from wsgisrv.control import Fields
from wsgisrv.control_client import ask, find_socket
from wsgisrv.errors import UnavailableError, UsageError
from wsgisrv.figures import quantile
from wsgisrv.operate import client_parser, socket_option
from wsgisrv.report import duration

EVERY = 1.0
"""Seconds between two questions."""

PATIENCE = 5.0
"""Seconds for which a master that is silent is asked again."""

SORTS: dict[str, tuple[str, Callable[[Fields], Any]]] = {
    "i": ("id", lambda worker: worker["id"]),
    "r": ("rate", lambda worker: -worker["rate"]),
    "n": ("running", lambda worker: -worker["in_flight"]),
    "c": ("connections", lambda worker: -worker["connections"]),
    "l": ("lag", lambda worker: -worker["hub_lag"]),
    "m": ("memory", lambda worker: -worker["rss_bytes"]),
}
"""By key: what the workers are sorted by."""

_COLUMNS = (
    ("ID", 3), ("PID", 7), ("GEN", 3), ("STATE", 8), ("AGE", 6), ("REQ/S", 7), ("RUN", 4), ("WAIT", 4),
    ("THR", 5), ("CONN", 5), ("LAG ms", 6), ("MiB", 5),
)  # fmt: skip
_LEFT = ("STATE",)
_BARS = "▁▂▃▄▅▆▇█"
_PLAIN_BARS = "_.-:=+*#"
_LATE = 0.25  # seconds of hub lag that are marked

Line = tuple[str, str]
"""A line and how it looks: plain, bold, head, faint or bad."""


@dataclasses.dataclass(slots=True)
class Seen:
    """What has been seen so far: the last two answers, and the rates before."""

    now: Fields
    before: Fields | None = None
    seconds: float = EVERY
    rates: collections.deque[float] = dataclasses.field(
        default_factory=lambda: collections.deque(maxlen=120)
    )

    def add(self, answer: Fields, seconds: float) -> None:
        """Takes another answer, which came so many seconds after the last one."""
        self.before, self.now, self.seconds = self.now, answer, seconds
        if self.before["pid"] != answer["pid"]:
            self.before = None  # another master, whose counts begin anew
        self.rates.append(sum(self.grown("responses").values()) / seconds)

    def grown(self, name: str) -> dict[str, int]:
        """Returns by how much the counts of one name have grown."""
        now = self.now["totals"][name]
        then = self.before["totals"][name] if self.before is not None else now
        if isinstance(now, list):
            return {str(at): now[at] - then[at] for at in range(len(now))}
        if isinstance(now, dict):
            return {key: now[key] - then.get(key, 0) for key in now}
        return {name: now - then}

    def rate(self, name: str) -> float:
        """Returns by how much a second a count has grown."""
        return sum(self.grown(name).values()) / self.seconds


def parser() -> argparse.ArgumentParser:
    """Returns what reads the command's line."""
    return client_parser("wsgisrv top", "show the service live in this terminal; q quits")


def run_top(args: Sequence[str]) -> int:
    """Runs the command until it is told to quit.

    Args:
        args: behind its name.

    Returns:
        0.

    Raises:
        UnavailableError: when no master answers, or does not any more.
        WsgisrvError: for whatever else is wrong.
        SystemExit: with code 0, after the help was printed.
    """
    found = vars(parser().parse_args(args))
    option = socket_option(found)
    path = find_socket(option, os.environ)
    first = ask(path, {"command": "status"})
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("top: needs a terminal; wsgisrv status prints the same once")
    locale.setlocale(locale.LC_ALL, "")
    try:
        curses.setupterm()
    except curses.error as error:
        raise UsageError(f"top: TERM={os.environ.get('TERM', '')}: {error}") from None
    try:
        curses.wrapper(lambda window: _Terminal(window, option, path, Seen(first)).run())
    except KeyboardInterrupt:
        return 0
    return 0


class _Terminal:
    """Shows and asks until a key quits."""

    def __init__(self, window: Any, option: str, path: str, seen: Seen) -> None:
        self._window = window
        self._option = option
        self._path = path
        self._seen = seen
        self._sort = "i"
        self._asked = time.monotonic()
        self._silent_since = 0.0
        self._looks = _looks()
        encoding = locale.getpreferredencoding(False).lower()
        self._bars = _BARS if "utf" in encoding else _PLAIN_BARS
        window.keypad(True)

    def run(self) -> None:
        self._draw()
        while True:
            left = self._asked + EVERY - time.monotonic()
            self._window.timeout(max(int(left * 1000), 0))
            key = self._window.getch()
            if key == ord("q"):
                return
            if 0 < key < 256 and chr(key) in SORTS:
                self._sort = chr(key)
            if time.monotonic() >= self._asked + EVERY:
                self._ask()
            self._draw()

    def _ask(self) -> None:
        now = time.monotonic()
        seconds, self._asked = now - self._asked, now
        try:
            answer = ask(self._path, {"command": "status"})
        except UnavailableError:
            self._silent_since = self._silent_since or now
            if now - self._silent_since >= PATIENCE:
                raise
            try:
                self._path = find_socket(self._option, os.environ)
            except UnavailableError:
                return
        else:
            self._silent_since = 0.0
            self._seen.add(answer, max(seconds, 0.001))

    def _draw(self) -> None:
        height, width = self._window.getmaxyx()
        lines = screen(self._seen, width, height, self._sort, self._bars)
        if self._silent_since:
            lines[0] = ("the master does not answer; trying again", "bad")
        self._window.erase()
        for row, (text, look) in enumerate(lines[:height]):
            with contextlib.suppress(curses.error):  # the window has become smaller meanwhile
                self._window.addnstr(row, 0, text, width - 1, self._looks[look])
        self._window.refresh()


def _looks() -> dict[str, int]:
    bad = curses.A_BOLD
    with contextlib.suppress(curses.error):  # a terminal that cannot hide it
        curses.curs_set(0)
    if curses.has_colors():
        curses.use_default_colors()
        curses.init_pair(1, curses.COLOR_RED, -1)
        bad |= curses.color_pair(1)
    return {
        "plain": curses.A_NORMAL,
        "bold": curses.A_BOLD,
        "head": curses.A_REVERSE,
        "faint": curses.A_DIM,
        "bad": bad,
    }


def screen(seen: Seen, width: int, height: int, sort: str, bars: str = _BARS) -> list[Line]:
    """Returns the lines of the screen, ``height`` at most.

    Args:
        sort: a key of SORTS.
        bars: characters of growing height.
    """
    head = _head(seen, width, bars)
    workers = sorted(seen.now["workers"], key=SORTS[sort][1])
    slowest, events = seen.now["slowest"], seen.now["events"]
    room = max(height - len(head) - 2, 0)  # without the table's head and the keys
    few_slow, few_events = min(len(slowest), 5), min(len(events), 3)
    below = (few_slow + 1 if few_slow else 0) + (few_events + 1 if few_events else 0)
    shown = max(min(len(workers), room - below), min(len(workers), 3))
    hidden = len(workers) - shown
    lines = [*head, _columns(width), *(_worker(worker) for worker in workers[:shown])]
    if hidden:
        lines[-1] = (f"  and {hidden + 1} more", "faint")
    if few_slow:
        lines.append((f"{'AGE':>8}  {'WORKER':>6}  REQUEST IN FLIGHT".ljust(width), "head"))
        lines += [(_slow(request), "plain") for request in slowest[:few_slow]]
    if few_events:
        lines.append((f"{'AGO':>8}  WHAT HAS HAPPENED".ljust(width), "head"))
        lines += [
            (f"{duration(event['ago']):>8}  {event['kind']}: {printable(event['text'])}", "plain")
            for event in events[:few_events]
        ]
    lines = lines[: max(height - 1, 0)]
    lines += [("", "plain")] * (height - 1 - len(lines))
    keys = "  ".join(f"{key} {name}" for key, (name, _) in SORTS.items())
    return [*lines, (f"q quit   sort by {SORTS[sort][0]}: {keys}", "faint")]


def _head(seen: Seen, width: int, bars: str) -> list[Line]:
    now = seen.now
    ready = sum(worker["state"] == "ready" for worker in now["workers"])
    lag = max((worker["hub_lag"] for worker in now["workers"]), default=0.0)
    responses = seen.grown("responses")
    count = sum(responses.values())
    buckets = list(seen.grown("latency").values())
    p50, p95, p99 = (quantile(buckets, share) * 1000 for share in (0.5, 0.95, 0.99))

    def share(name: str) -> str:
        return f"{100 * responses[name] / count if count else 0:.1f}%"

    state = "reloading" if now["reload"] != "none" else now["state"]
    first = (
        f"wsgisrv {now['version']}  {state}  up {duration(now['uptime'])}  master {now['pid']}"
        f"  gen {now['generation']}  {' '.join(now['addresses'])}"
    )
    if len(first) >= width:
        first = f"{first[: max(width - 4, 0)]}..."  # half an address would be another one
    running = sum(worker["in_flight"] for worker in now["workers"])
    waiting = sum(worker["waiting"] for worker in now["workers"])
    load = (
        f"workers {ready}/{now['workers_wanted']}  {_brief(count / seen.seconds)} req/s"
        f"  p50 {_brief(p50)}  p95 {_brief(p95)}  p99 {_brief(p99)} ms"
        f"  running {running}  waiting {waiting}"
    )
    errors = (
        f"5xx {share('5xx')}  4xx {share('4xx')}  refused {_brief(seen.rate('refused'))}/s"
        f"  timed out {_brief(seen.rate('timeouts'))}/s  in {_size(seen.rate('bytes_in'))}/s"
        f"  out {_size(seen.rate('bytes_out'))}/s"
    )
    late = f"hub lag {lag * 1000:.0f} ms   {_spark(seen.rates, width - 36, bars)}"
    return [
        (first, "bold"),
        (load, "bad" if ready < now["workers_wanted"] else "plain"),
        (errors, "bad" if responses["5xx"] else "plain"),
        (late, "bad" if lag > _LATE else "plain"),
        ("", "plain"),
    ]


def _spark(rates: Sequence[float], room: int, bars: str) -> str:
    """Returns the rates of the last seconds as bars, the highest one full."""
    shown = list(rates)[-max(min(room, 60), 1) :]
    most = max(shown, default=0.0)
    if not most:
        return ""
    levels = len(bars) - 1
    drawn = "".join(bars[round(rate / most * levels)] for rate in shown)
    return f"req/s {drawn} of {most:.0f}"


def _columns(width: int) -> Line:
    cells = (name.ljust(size) if name in _LEFT else name.rjust(size) for name, size in _COLUMNS)
    return (" ".join(cells).ljust(width), "head")


def _worker(worker: Fields) -> Line:
    threads = worker["threads"]
    values = (
        worker["id"], worker["pid"], worker["generation"], worker["state"], duration(worker["age"]),
        f"{worker['rate']:.1f}", worker["in_flight"], worker["waiting"],
        f"{threads['running']}/{threads['threads']}" if threads["threads"] else "-",
        worker["connections"], f"{worker['hub_lag'] * 1000:.0f}",
        f"{worker['rss_bytes'] / 1024**2:.0f}",
    )  # fmt: skip
    cells = (
        str(value).ljust(size) if name in _LEFT else str(value).rjust(size)
        for value, (name, size) in zip(values, _COLUMNS, strict=True)
    )
    is_late = worker["hub_lag"] > _LATE
    return " ".join(cells), "bad" if is_late else "plain"


def _slow(request: Fields) -> str:
    return f"{request['age']:>6.1f} s  {request['worker']:>6}  {printable(request['line'])}"


def printable(text: str) -> str:
    """Returns the text with ``?`` for what a terminal might take for an order."""
    return "".join(each if each.isprintable() else "?" for each in text)


def _brief(number: float) -> str:
    """Returns a number in few characters."""
    if number >= 10000:
        return f"{number / 1000:.0f}k"
    return f"{number:.0f}" if number >= 100 or number == int(number) else f"{number:.1f}"


def _size(count: float) -> str:
    for unit in ("B", "KiB", "MiB"):
        if count < 1024:
            return f"{_brief(count)} {unit}"
        count /= 1024
    return f"{_brief(count)} GiB"
