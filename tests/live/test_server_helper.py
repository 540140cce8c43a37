"""The helper of the live tests: a test cannot pass over a traceback, a bad exit or a process left."""

from __future__ import annotations

import signal

import pytest

from tests.support.server import group_of, run, serve

STAYS = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: signal.pause()"
LEAVES_A_CHILD = "import os, signal\nif not os.fork():\n    os.close(2)\n    signal.pause()"
SAYS = "import os; os.write(2, b'one\\nTraceback (most recent call last):\\ntwo 2\\n')"


def test_a_traceback_in_the_log_fails_the_test() -> None:
    with (
        pytest.raises(AssertionError, match="Traceback"),
        run([], module=("-c", SAYS)) as server,
    ):
        assert server.wait_exit() == 0


def test_a_traceback_that_was_expected_does_not() -> None:
    with run([], module=("-c", SAYS)) as server:
        server.may_log_traceback = True
        assert server.wait_exit() == 0


def test_a_bad_exit_fails_the_test() -> None:
    waits = "import os, signal; os.write(2, b'up\\n'); signal.pause()"
    with pytest.raises(AssertionError), run([], module=("-c", waits)) as server:
        server.wait_line("^up$")
    assert server.process.returncode == -signal.SIGTERM


def test_processes_that_were_left_fail_the_test_and_are_ended() -> None:
    with (
        pytest.raises(AssertionError, match="processes were left"),
        run([], module=("-c", LEAVES_A_CHILD)) as server,
    ):
        assert server.process.wait(20) == 0
    assert not group_of(server.pid)


def test_nothing_outlives_a_test_that_fails() -> None:
    with pytest.raises(ZeroDivisionError), run([], module=("-c", STAYS)) as server:
        _ = 1 // 0
    assert not group_of(server.pid)


def test_a_line_is_waited_for_until_it_comes_or_never_can() -> None:
    with run([], module=("-c", SAYS)) as server:
        server.may_log_traceback = True
        assert server.wait_line("two ([0-9])")[1] == "2"
        with pytest.raises(AssertionError, match="no line"):
            server.wait_line("three")
        with pytest.raises(AssertionError, match="no line"):
            server.wait_line("one", after=1)


def test_a_server_is_up_within_the_block_and_gone_after_it() -> None:
    with serve("tests.apps.basic:hello", workers=2) as server:
        pids = server.wait_ready()
        assert sorted([server.pid, *pids]) == sorted(group_of(server.pid))
        with server.connect() as client:
            assert client.get().body == b"hello"
    assert server.process.returncode == 0
    assert not group_of(server.pid)
    with pytest.raises(ConnectionRefusedError):
        server.connect()


def test_a_server_that_the_test_stops_is_not_stopped_again() -> None:
    with serve("tests.apps.basic:hello", workers=1) as server:
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0
