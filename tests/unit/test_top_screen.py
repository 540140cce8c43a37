"""The screen of ``wsgisrv top``: it fits, whatever there is to show."""

from __future__ import annotations

from typing import Any

import pytest

from wsgisrv.scoreboard import BUCKETS
from wsgisrv.top import SORTS, Seen, printable, screen


def worker(number: int, **more: Any) -> dict[str, Any]:
    return {
        "id": number, "pid": 4_000_000 + number, "generation": 12, "state": "draining", "age": 86400.0,
        "rate": 12345.6, "in_flight": 999, "waiting": 999, "connections": 16384, "hub_lag": 0.01 * number,
        "rss_bytes": 2**30, "threads": {"threads": 20, "running": 20}, **more,
    }  # fmt: skip


def status(workers: int, **more: Any) -> dict[str, Any]:
    return {
        "version": "0.1.0", "pid": 1, "state": "serving", "reload": "none", "uptime": 1e6,
        "generation": 12, "addresses": ["http://127.0.0.1:8080"], "workers_wanted": workers,
        "workers": [worker(number + 1) for number in range(workers)],
        "slowest": [{"age": 3.0, "worker": 1, "line": "GET /\x1b[2J\x07 HTTP/1.1" + "a" * 200}] * 9,
        "events": [{"ago": 3.0, "kind": "death", "text": "worker 1 was killed"}] * 9,
        "totals": {
            "responses": {"2xx": 100, "4xx": 0, "5xx": 0}, "latency": [0] * BUCKETS, "refused": 0,
            "timeouts": 0, "bytes_in": 0, "bytes_out": 0,
        },
        **more,
    }  # fmt: skip


@pytest.mark.parametrize("workers", [1, 8, 256])
@pytest.mark.parametrize("height", [1, 5, 12, 24, 60])
@pytest.mark.parametrize("sort", SORTS)
def test_it_has_no_more_lines_than_there_is_room_for(workers: int, height: int, sort: str) -> None:
    lines = screen(Seen(status(workers)), 80, height, sort)
    assert len(lines) == height
    assert lines[-1][0].startswith("q quit")
    assert "\x1b" not in str(lines)


def test_rates_and_shares_are_of_the_last_second() -> None:
    seen = Seen(status(1))
    later = status(1)
    later["totals"] |= {"responses": {"2xx": 190, "4xx": 0, "5xx": 10}, "bytes_out": 2 * 1024**2}
    seen.add(later, 2.0)
    text = "\n".join(line for line, _ in screen(seen, 100, 24, "i"))
    assert "50 req/s" in text
    assert "5xx 10.0%" in text
    assert "out 1 MiB/s" in text
    seen.add(status(1, pid=2), 1.0)  # another master, whose counts begin anew
    assert "  0 req/s" in screen(seen, 100, 24, "i")[1][0]


def test_workers_are_sorted_by_the_key() -> None:
    seen = Seen(status(3))
    ids = [line.split()[0] for line, _ in screen(seen, 80, 40, "l")[6:9]]
    assert ids == ["3", "2", "1"]


def test_nothing_but_printable_characters_reaches_the_terminal() -> None:
    assert printable("a\x1b[2Jb\x9bc\né") == "a?[2Jb?c?é"


def test_an_address_is_there_as_a_whole_or_seen_to_be_cut() -> None:
    address = "http://127.0.0.1:33157"
    seen = Seen(status(1, uptime=12.0, pid=33000, addresses=[address]))
    assert screen(seen, 80, 24, "i")[0][0].endswith(f"  gen 12  {address}")
    line = screen(seen, 70, 24, "i")[0][0]
    assert (len(line), line[-3:]) == (69, "...")
