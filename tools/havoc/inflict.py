"""Does what the plan says, at its time, and notes whose requests it has cut.

A worker is stopped before it is killed, so that the connections which it holds at its death are known: those
clients may fail. Nothing lets it go on in between. SIGABRT alone leaves it a moment: one thread writes the
stacks, the others run meanwhile and accept, so what the death of a struck worker has cut, by the log, may
fail as well; nobody else.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence

from havoc.plan import LONGEST_STOP, MOST_WORKERS, Blow
from havoc.service import Service

_RUBBISH = (b"GET / HTTP/1.1", b'{"command": "explode"}', b'{"command": "scale", "workers": "x"}')
_LEVELS = ("debug", "info", "warning")


class Inflicter:
    """Args:
    service: that suffers.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self.cut_ports: set[int] = set()  # of clients whose worker we have killed
        self.struck: set[int] = set()  # pids of those workers
        self._strikes = threading.Lock()  # held while a worker must stay stopped
        self.kills = 0
        self._has_upgraded = False
        self.complaints: list[str] = []
        self._later: list[threading.Timer] = []
        self._asking: list[threading.Thread] = []
        self._commands: dict[str, Callable[[float], bytes]] = {
            "reload": lambda _: b'{"command": "reload"}',
            "status": lambda _: b'{"command": "status"}',
            "dump": lambda _: b'{"command": "dump"}',
            "logs-reopen": lambda _: b'{"command": "logs-reopen"}',
            "scale": self._scale,
            "log-level": lambda share: _request("log-level", level=_LEVELS[int(share * 3)]),
            "rubbish": lambda share: _RUBBISH[int(share * 3)],
        }

    def _scale(self, share: float) -> bytes:
        which = int(share * 97) % 2  # of two servers, whatever the number
        server = {"server": self._service.servers[which]} if self._service.servers else {}
        return _request("scale", workers=1 + int(share * MOST_WORKERS), **server)

    def run(self, blows: Sequence[Blow], out_of_time: Callable[[], bool]) -> int:
        """Carries the plan out and returns how many blows were struck."""
        began = time.monotonic()
        struck = 0
        for blow in blows:
            time.sleep(max(began + blow.at - time.monotonic(), 0))
            if out_of_time():
                break
            self._strike(blow)
            struck += 1
        for timer in self._later:
            timer.join()
        for thread in self._asking:
            thread.join()
        return struck

    def _strike(self, blow: Blow) -> None:
        if self._has_upgraded:
            self._service.find_master()
        if blow.kind in self._commands:
            request = self._commands[blow.kind](blow.share)
            thread = threading.Thread(target=self._ask, args=(blow, request))
            thread.start()
            self._asking.append(thread)
        elif blow.kind == "stop-master":
            self._stop_for_a_moment(self._service.master_pid, blow.share)
        elif blow.kind in ("KILL", "ABRT", "TERM", "stop-worker"):
            self._strike_worker(blow)
        else:
            self._service.signal_master(signal.Signals[f"SIG{blow.kind}"])
            self._has_upgraded = self._has_upgraded or blow.kind == "USR2"

    def _ask(self, blow: Blow, request: bytes) -> None:
        """Runs in: a thread, since a reload takes its time."""
        try:
            answer = self._service.ask(request)
        except (OSError, ValueError) as error:
            self.complaints.append(f"{blow}: no answer to {request!r}: {error!r}")
            return
        if "ok" not in answer:  # told to wait, by a master that was followed by another meanwhile
            if not self._has_upgraded:
                self.complaints.append(f"{blow}: no outcome of {request!r}")
            return
        is_expected = answer["ok"] or blow.kind in ("rubbish", "reload")
        if not is_expected or (blow.kind == "rubbish" and answer["ok"]):
            self.complaints.append(f"{blow}: {request!r} was answered {answer}")

    def _strike_worker(self, blow: Blow) -> None:
        pids = self._service.worker_pids()
        if not pids:
            return
        pid = pids[int(blow.share * len(pids))]
        if blow.kind == "stop-worker":
            self._stop_for_a_moment(pid, blow.share)
            return
        with self._strikes, contextlib.suppress(ProcessLookupError, FileNotFoundError):
            if blow.kind != "TERM":  # on which it drains
                os.kill(pid, signal.SIGSTOP)
                self.cut_ports |= self._service.client_ports(pid)
                self.struck.add(pid)
                self.kills += 1
            os.kill(pid, signal.Signals[f"SIG{blow.kind}"])
            os.kill(pid, signal.SIGCONT)

    def _stop_for_a_moment(self, pid: int, share: float) -> None:
        def go_on() -> None:
            with self._strikes, contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGSTOP)
            timer = threading.Timer(share * LONGEST_STOP, go_on)
            timer.start()
            self._later.append(timer)


def _request(command: str, **fields: object) -> bytes:
    return json.dumps({"command": command, **fields}).encode()
