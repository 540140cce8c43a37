"""What greenlets wait for, in words."""

from __future__ import annotations

import subprocess
import sys

from tests.support.http import DEADLINE
from tests.support.server import ROOT

CODE = """
import warnings; warnings.simplefilter("ignore")
import eventlet; eventlet.monkey_patch()
import socket, threading, time
from eventlet import event, queue
from wsgisrv.blocking import in_thread
from wsgisrv.worker.waits import wait_of

def own():
    eventlet.getcurrent().parent.switch()

left, right = socket.socketpair()
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
lock = threading.Lock(); lock.acquire()
release = threading.Event()
native = eventlet.patcher.original("threading").Event()
calls = (
    lambda: time.sleep(5), event.Event().wait, queue.Queue().get, lambda: left.recv(1),
    lambda: client.recv(1), lock.acquire, lambda: in_thread(native.wait, 9), own,
)
spawned = [eventlet.spawn(call) for call in calls]
eventlet.sleep(0)
for each in spawned:
    print(wait_of(each.gr_frame))
print(client.getpeername()[1], client.fileno(), left.fileno())
native.set()
"""


def test_each_kind_of_wait_has_its_words() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, cwd=ROOT, check=True,
        timeout=DEADLINE,
    )  # fmt: skip
    *lines, last = done.stdout.splitlines()
    port, client, left = last.split()
    assert lines[:5] == [
        "sleeps 5 s",
        "waits for an event",
        "waits for something in a queue",
        f"waits to read fd {left} (socket to unix)",
        f"waits to read fd {client} (socket to 127.0.0.1:{port})",
    ]
    assert lines[5].startswith("waits for a lock (Lock 0x")
    assert lines[6:] == ["waits for a thread that calls threading.Event.wait", ""]
