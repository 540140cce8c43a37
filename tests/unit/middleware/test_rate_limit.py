"""egg:wsgisrv#rate_limit: who is let through, and what everybody is told."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.wsgi import call
from wsgisrv.errors import ConfigError
from wsgisrv.middleware.counters import CounterError, MemoryCounters
from wsgisrv.middleware.rate_limit import Limit, RateLimit, filter_factory


def app(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]


def ask(made: Any, address: str = "203.0.113.7", project: str = "") -> Any:
    environ = {"REMOTE_ADDR": address}
    if project:
        environ["HTTP_X_PROJECT_ID"] = project
    return call(made, "/", environ=environ)


def made(limits: str = "2/minute", **conf: str) -> Any:
    return filter_factory({}, limits=limits, **conf)(app)


def test_everybody_is_told_where_they_stand_and_the_rest_waits() -> None:
    limited = made("2/minute, 100/hour")
    answers = [ask(limited) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    policy = '"minute";q=2;w=60, "hour";q=100;w=3600'
    assert {answer.headers["RateLimit-Policy"] for answer in answers} == {policy}
    assert answers[0].headers["RateLimit"] == '"minute";r=1;t=60, "hour";r=99;t=3600'
    assert answers[2].headers["RateLimit"].startswith('"minute";r=0;t=')
    assert 1 <= int(answers[2].headers["Retry-After"]) <= 60
    assert answers[2].json["errors"][0]["code"] == "too_many_requests"


def test_clients_are_counted_apart_and_an_ipv6_network_as_one() -> None:
    limited = made("1/minute")
    assert ask(limited, "203.0.113.7").status_code == 200
    assert ask(limited, "203.0.113.8").status_code == 200
    assert ask(limited, "::ffff:203.0.113.8").status_code == 429
    assert ask(limited, "2001:db8::1").status_code == 200
    assert ask(limited, "2001:db8::ffff:1").status_code == 429
    assert ask(limited, "2001:db8:0:1::1").status_code == 200
    assert ask(limited, "").status_code == 200


def test_a_project_is_a_client_wherever_it_asks_from() -> None:
    limited = made("1/minute", per="project")
    assert ask(limited, "203.0.113.7", "p1").status_code == 200
    assert ask(limited, "203.0.113.8", "p1").status_code == 429
    assert ask(limited, "203.0.113.8", "p2").status_code == 200
    assert ask(limited, "203.0.113.8", "p" * 5000).status_code == 200
    assert ask(limited, "203.0.113.8").status_code == 200
    assert ask(limited, "203.0.113.8").status_code == 429


def test_who_is_exempt_is_not_counted() -> None:
    limited = made("1/minute", exempt="10.0.0.0/8")
    answers = [ask(limited, "10.1.1.1") for _ in range(3)]
    assert {answer.status_code for answer in answers} == {200}
    assert "RateLimit" not in answers[0].headers


def test_a_window_ends_and_another_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr("wsgisrv.middleware.counters.time.monotonic", lambda: now[0])
    counters = MemoryCounters()
    assert [counters.hit("a", 60) for _ in range(2)] == [(1, 60.0), (2, 60.0)]
    now[0] += 59
    assert counters.hit("a", 60) == (3, 1.0)
    now[0] += 1
    assert counters.hit("a", 60) == (1, 60.0)


def test_memory_forgets_what_has_ended_and_the_oldest_when_it_is_full(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [1000.0]
    monkeypatch.setattr("wsgisrv.middleware.counters.time.monotonic", lambda: now[0])
    counters = MemoryCounters(most=10)
    for number in range(100):
        counters.hit(str(number), 60)
    assert len(counters._windows[60]) <= 10
    assert counters.hit("99", 60)[0] == 2
    now[0] += 61
    for number in range(200, 210):
        counters.hit(str(number), 60)
    assert set(counters._windows[60]) == {str(number) for number in range(200, 210)}


class Failing:
    """Counters that fail while they are told to."""

    def __init__(self) -> None:
        self.fails = True
        self.asked = 0

    def hit(self, key: str, seconds: int) -> tuple[int, float]:
        self.asked += 1
        if self.fails:
            raise CounterError("connection refused")
        return 1, 60.0


@pytest.mark.parametrize(("fails_open", "status"), [(True, 200), (False, 503)])
def test_a_storage_that_fails_is_one_line_and_is_left_alone_for_a_second(
    fails_open: bool, status: int, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr("wsgisrv.middleware.rate_limit.time.monotonic", lambda: now[0])
    counters = Failing()
    limited = RateLimit(app, [Limit("minute", 5, 60)], counters, fails_open=fails_open)
    for _ in range(10):
        assert ask(limited).status_code == status
    now[0] += 1
    ask(limited)
    assert counters.asked == 2
    assert len(caplog.records) == 1
    assert "connection refused" in caplog.text
    counters.fails = False
    now[0] += 1
    assert ask(limited).headers["RateLimit"] == '"minute";r=4;t=60'
    assert "there again" in caplog.records[-1].getMessage()


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ({"limits": ""}, "limits = : allowed is as 100/minute"),
        ({"limits": "many"}, "limits = many: allowed"),
        ({"limits": "0/minute"}, "limits = 0/minute: allowed"),
        ({"limits": "1/minute, 2/minute"}, "a window of its own"),
        ({"per": "user"}, "per = user: allowed is address or project"),
        ({"storage": "redis3://:hunter2@h"}, r"storage = redis3://\.\.\.: .*allowed is memory"),
        ({"storage": "redis://:hunter2@h:x"}, r"storage = redis://\.\.\.: "),
        ({"storage_failure": "shut"}, "storage_failure = shut: allowed is open or closed"),
        ({"storage_timeout": "0"}, "storage_timeout = 0: allowed is seconds"),
        ({"exempt": "here"}, "exempt = here: .*allowed is a network"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed_and_without_a_password(
    conf: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        made(**conf)
    assert "hunter2" not in str(caught.value)


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "limits", None)
    with pytest.raises(ConfigError, match=r"pip install 'wsgisrv\[rate-limit\]'"):
        made()


@contextlib.contextmanager
def redis_server(directory: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    path = directory / "redis.sock"
    command = ["redis-server", "--port", "0", "--unixsocket", str(path), "--save", ""]
    process = subprocess.Popen(
        [*command, "--dir", str(directory)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    try:
        assert process.stdout is not None
        with process.stdout as log:
            assert any(b"ready to accept" in line.lower() for line in log), "redis did not start"
            yield f"redis+unix://{path}", process
    finally:
        process.kill()
        process.wait()


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")
def test_redis_counts_for_all_and_requests_pass_when_it_is_gone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with redis_server(tmp_path) as (url, process):
        one, other = made("2/minute", storage=url), made("2/minute", storage=url)
        assert [ask(limited).status_code for limited in (one, other, one)] == [200, 200, 429]
        assert ask(made("2/minute", storage=url, name="another")).status_code == 200
        process.kill()
        process.wait()
        assert ask(one).status_code == 200
        assert ask(made("2/minute", storage=url, storage_failure="closed")).status_code == 503
    assert "the storage fails, requests pass uncounted" in caplog.text


def test_a_storage_that_nobody_listens_for_does_not_stop_the_start() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"redis://127.0.0.1:{listener.getsockname()[1]}"
        assert ask(made("1/minute", storage=url)).status_code == 200
