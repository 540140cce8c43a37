"""in_process where there is no service, and the words that worker and helper exchange."""

from __future__ import annotations

import functools
import os
import socket
import subprocess
import sys

import pytest

from tests.support.http import DEADLINE
from tests.support.server import ROOT
from wsgisrv.blocking import NotSendableError, in_process, wire
from wsgisrv.blocking.wire import name_of


def change(things: list[int]) -> list[int]:
    things.append(2)
    return things


def make_lambda() -> object:
    return lambda: None


def say(timeout: str) -> str:
    return timeout


def test_in_a_plain_process_a_job_runs_right_there_on_copies() -> None:
    things = [1]
    assert in_process(os.getpid) == os.getpid()
    assert (in_process(change, things), things) == ([1, 2], [1])


def test_what_could_not_be_sent_in_a_service_fails_in_a_test_as_well() -> None:
    with pytest.raises(NotSendableError, match=r"<lambda> or an argument cannot be pickled"):
        in_process(lambda: None)
    with pytest.raises(NotSendableError, match=r"test_in_process\.change or an argument"):
        in_process(change, make_lambda())
    with pytest.raises(NotSendableError, match="the result cannot be pickled"):
        in_process(make_lambda)


def test_an_argument_that_is_named_timeout_is_given_by_a_partial() -> None:
    assert in_process(functools.partial(say, timeout="mine"), timeout=5) == "mine"
    assert name_of(functools.partial(say)).endswith("test_in_process.say")


@pytest.mark.parametrize("seconds", [-1, float("inf"), float("nan")])
def test_a_timeout_is_seconds_from_0_on(seconds: float) -> None:
    with pytest.raises(ValueError, match="seconds from 0 on"):
        in_process(os.getpid, timeout=seconds)


def test_a_patched_process_that_is_no_worker_uses_a_thread() -> None:
    program = """
import warnings; warnings.simplefilter("ignore")
import eventlet; eventlet.monkey_patch()
import threading
from wsgisrv.blocking import in_process
print(in_process(threading.get_native_id) != threading.get_native_id())
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE, check=True,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_a_greenlet_that_dies_of_its_jobs_error_leaves_the_queue_to_the_others() -> None:
    program = """
import warnings; warnings.simplefilter("ignore")
import eventlet; eventlet.monkey_patch()
import contextlib, io, pickle
from eventlet import patcher
from wsgisrv.blocking import in_process, wire
from wsgisrv.blocking.job_queue import JobPlace, JobQueue
from wsgisrv.blocking.processes import install_processes
from wsgisrv.scoreboard import Scoreboard
helpers, workers = patcher.original("socket").socketpair()
workers.setblocking(False)
place = JobPlace(workers, Scoreboard(1), slot=0, generation=1, helpers=1, most_waiting=9, seconds=0.0)
install_processes(JobQueue(eventlet.hubs.get_hub(), place))
dying = eventlet.spawn(in_process, len, 7)
waiting = eventlet.spawn(in_process, len, "seven")
eventlet.sleep(0)
with contextlib.redirect_stderr(io.StringIO()) as said:
    tickets = []
    for kind, found in ((wire.Kind.FAILED, (LookupError("none"), "")), (wire.Kind.DONE, 5)):
        # Answered in advance: so the greenlet reads it all without a switch.
        ticket = wire.offer_ticket(helpers)
        wire.send(ticket, wire.Kind.STARTED)
        wire.send(ticket, kind, 0.0, pickle.dumps(found))
        tickets.append(ticket)
    with eventlet.Timeout(10):
        print(waiting.wait(), dying.dead)
assert "LookupError: none" in said.getvalue() and "descriptor" not in said.getvalue(), said.getvalue()
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE, check=False,
    )  # fmt: skip
    assert (done.stdout, done.stderr) == ("5 True\n", "")


def test_a_ticket_is_taken_by_one_worker_and_void_once_it_is_thrown_away() -> None:
    helpers, workers = socket.socketpair()
    with helpers, workers:
        workers.setblocking(False)
        assert wire.take_ticket(workers) == -1
        with wire.offer_ticket(helpers) as ours:
            with socket.socket(fileno=wire.take_ticket(workers)) as theirs:
                wire.send(theirs, wire.Kind.JOB, 1.5, b"x" * 100)
                assert wire.receive(ours) == (wire.Kind.JOB, 1.5, bytearray(b"x" * 100))
                assert wire.take_ticket(workers) == -1
            with pytest.raises(wire.PeerGoneError):
                wire.receive(ours)


def test_a_message_that_is_cut_is_the_peers_end() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            theirs.sendall(b"\x05" + bytes(10))
        with pytest.raises(wire.PeerGoneError):
            wire.receive(ours)
        with pytest.raises(wire.PeerGoneError):
            wire.send(ours, wire.Kind.STARTED)
