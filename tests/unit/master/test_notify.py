"""What systemd hears."""

from __future__ import annotations

import re
import socket
from pathlib import Path

from wsgisrv.master.notify import Notifier


def test_the_states_of_a_service_are_told_in_systemds_words(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "notify")})
        notifier.ready("serving")
        notifier.reloading()
        notifier.stopping()
        said = [listener.recv(1000).decode() for _ in range(3)]
    assert said[0] == "READY=1\nSTATUS=serving"
    assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=\d+\nSTATUS=reloading", said[1])
    assert said[2].startswith("STOPPING=1\n")


def test_nobody_listening_is_no_trouble(tmp_path: Path) -> None:
    Notifier({}).ready("serving")
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "nosuch")}).ready("serving")
