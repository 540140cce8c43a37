"""``wsgisrv profile``: names what a worker is busy with, and disturbs nobody."""

from __future__ import annotations

import json
import os
import re
import stat
import threading
import xml.etree.ElementTree as ET
from pathlib import Path

from tests.support.control import (
    answer_of,
    connected,
    line_of,
    operated,
    refusal_of,
    wait_status,
    wsgisrv,
)
from tests.support.server import Server


class Load:
    """One client that asks again and again until the block ends."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join()

    def _ask(self) -> None:
        with self._server.connect() as client:
            while not self._ends.is_set():
                assert client.get().status == 200


def test_a_flame_graph_names_the_hot_function_and_is_its_owners_alone(tmp_path: Path) -> None:
    with operated("tests.apps.logged:spins", tmp_path, workers=1) as (server, path):
        scope, picture = tmp_path / "a.json", tmp_path / "a.svg"
        args = ("profile", "1", "--seconds", "1", "--control-socket", path)
        with Load(server):
            done = wsgisrv(*args, "--output", str(scope))
            assert (done.returncode, done.stderr) == (0, "")
            assert wsgisrv(*args, "--output", str(picture)).returncode == 0
            found = answer_of(path, "profile", "1", "--seconds", "0.5", "--rate", "200")
        hottest = done.stdout.splitlines()[1]
        assert "hot_function (" in hottest
        assert float(hottest.split()[0]) > 50
        for file in (scope, picture):
            assert stat.S_IMODE(file.stat().st_mode) == 0o600
            assert file.stat().st_uid == os.geteuid()
        document = json.loads(scope.read_text())
        names = [frame["name"] for frame in document["shared"]["frames"]]
        (profile,) = document["profiles"]
        hot = sum(
            weight
            for stack, weight in zip(profile["samples"], profile["weights"], strict=True)
            if names[stack[-1]] == "hot_function"
        )
        assert hot > profile["endValue"] / 2
        titles = [
            element.text or ""
            for element in ET.parse(picture).iter("{http://www.w3.org/2000/svg}title")  # noqa: S314 -- our own
        ]
        assert any(title.startswith("hot_function (") for title in titles)
        assert found["samples"] > found["idle"]
        assert "is there already" in refusal_of(*args, "--output", str(scope))[1]


def test_an_idle_worker_is_idle(tmp_path: Path) -> None:
    with operated("tests.apps.basic:hello", tmp_path, workers=1) as (_, path):
        found = answer_of(path, "profile", "1", "--seconds", "0.5")
        assert found["idle"] >= found["samples"] * 0.5 > 0


def test_a_worker_whose_hub_is_blocked_is_profiled_too(tmp_path: Path) -> None:
    with (
        operated("tests.apps.blocking:spins", tmp_path, workers=1) as (_server, path),
        _server.connect() as client,
    ):
        client.send(b"GET /?3 HTTP/1.1\r\nHost: test\r\n\r\n")
        wait_status(path, lambda found: found["workers"][0]["oldest_request"])
        found = answer_of(path, "profile", "1", "--seconds", "0.5")
        names = [name for name, _, _ in found["frames"]]
        assert names[found["stacks"][0][0][-1]] == "spins"
        assert client.response().status == 200


def test_who_cannot_be_profiled_is_said_in_one_line(tmp_path: Path) -> None:
    with operated("tests.apps.basic:hello", tmp_path, workers=2) as (_, path):
        to = ("--control-socket", path)
        assert refusal_of("profile", "9", *to) == (
            2,
            "profile: there is no worker 9; there is 1, 2",
        )
        assert refusal_of("profile", "one", *to)[0] == 2
        assert refusal_of("profile", "1", "--seconds", "601", *to)[0] == 2
        code, line = refusal_of("profile", "1", "--output", "x.txt", *to)
        assert (code, line) == (2, "profile: --output x.txt: ends in .json (speedscope) or .svg")
        with connected(path) as sock:
            sock.sendall(b'{"command": "profile", "worker": 1, "seconds": 1}\n')
            assert line_of(sock) == {"wait": True}
            code, line = refusal_of("profile", "2", "--seconds", "0.1", *to)
            assert code == 2
            assert re.fullmatch(
                r"profile: worker 1 \(pid \d+\) is being profiled, for \d s more", line
            )
            assert line_of(sock)["worker"] == 1
