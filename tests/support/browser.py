"""A headless Chromium that a test looks at a page with, over its DevTools protocol.

Rules: every wait has a deadline; the browser and all that it started end with the block.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import itertools
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

SECONDS = 60.0
PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser")

_REPLACED = (
    "context was destroyed",
    "Cannot find context",
    "Cannot find default execution context",
)
"""What the browser says of a script while the page is being replaced by another one."""


class Page:
    """One page of the browser."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self.problems: list[str] = []
        self.call("Log.enable")
        self.call("Runtime.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """Returns the result of one command; notes what the page complains of meanwhile."""
        number = next(self._ids)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        until = time.monotonic() + SECONDS
        while True:
            found = json.loads(self._socket.recv(timeout=max(0.0, until - time.monotonic())))
            if found.get("id") == number:
                assert "error" not in found, found
                return found["result"]
            if found.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown"):
                self.problems.append(json.dumps(found["params"]))

    def evaluate(self, script: str) -> Any:
        """Returns what a script evaluates to; waits for a promise."""
        found = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def wait(self, script: str) -> Any:
        """Returns the first true value of a script."""
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            if found := self._evaluate_here(script):
                return found
            time.sleep(0.05)
        raise AssertionError(f"never true: {script}")

    def _evaluate_here(self, script: str) -> Any:
        """As ``evaluate``; None while the page is being replaced by another one."""
        try:
            return self.evaluate(script)
        except AssertionError as error:
            if any(said in str(error) for said in _REPLACED):
                return None
            raise

    def screenshot(self, path: Path) -> None:
        """Writes what the page looks like, as PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))


@contextlib.contextmanager
def page(url: str, directory: Path) -> Iterator[Page]:
    """Opens a page.

    Args:
        directory: for the browser's profile; an empty one.
    """
    assert PROGRAM is not None
    command = [
        PROGRAM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        "--no-first-run", "--disable-background-networking", "--remote-debugging-port=0",
        "--window-size=1000,1200", f"--user-data-dir={directory}", url,
    ]  # fmt: skip
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        with connect(_address(directory, url), max_size=None, open_timeout=SECONDS) as socket:
            yield Page(socket)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(SECONDS)


def _address(directory: Path, url: str) -> str:
    """Returns where the page's socket is, when the browser has it."""
    until = time.monotonic() + SECONDS
    place = directory / "DevToolsActivePort"
    while time.monotonic() < until:
        with contextlib.suppress(OSError, IndexError, ValueError):
            port = int(place.read_text().split()[0])
            with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as client:
                client.timeout = SECONDS
                client.request("GET", "/json/list")
                targets = json.loads(client.getresponse().read())
            for target in targets:
                if target["type"] == "page" and target["url"].startswith(url):
                    return str(target["webSocketDebuggerUrl"])
        time.sleep(0.05)
    raise AssertionError((directory / "log").read_text()[-2000:])
