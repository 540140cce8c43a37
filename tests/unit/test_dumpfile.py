"""The dump file: what faulthandler leaves in it can be read by the other side, and is readable."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from wsgisrv.dumpfile import DumpFile, readable


@pytest.fixture
def dump() -> Iterator[DumpFile]:
    made = DumpFile.make()
    yield made
    made.close()
    made.close()


def test_a_stack_that_another_process_left_is_read(dump: DumpFile) -> None:
    code = f"import faulthandler\ndef left(): faulthandler.dump_traceback({dump.fd})\nleft()"
    subprocess.run([sys.executable, "-c", code], pass_fds=[dump.fd], check=True)
    assert dump.size()
    assert 'File "<string>", line 2 in left' in dump.read()


def test_an_emptied_file_is_written_from_its_start(dump: DumpFile) -> None:
    os.write(dump.fd, b"old")
    dump.clear()
    assert (dump.size(), dump.read()) == (0, "")
    os.write(dump.fd, b"new")
    assert dump.read() == "new"


def test_addresses_own_threads_and_the_list_of_modules_are_left_out() -> None:
    text = (
        "Timeout (0:00:00.500000)!\n"
        "Thread 0x00007f2e8c8ff6c0 (most recent call first):\n"
        '  File "/x/wsgisrv/worker/watchdog.py", line 9 in _watch\n'
        "\n"
        "Current thread 0x00007f2e9b8f0740 [python] (most recent call first):\n"
        '  File "/x/app.py", line 3 in hold\n'
        "\n"
        "Extension modules: greenlet._greenlet (total: 1)\n"
    )
    assert readable(text) == 'thread (most recent call first):\n  File "/x/app.py", line 3 in hold'
