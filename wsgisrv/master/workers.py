"""The worker processes as the master holds them: forked, spoken to, killed and reaped.

Rules: carries out, decides nothing. Runs in: master loop. It alone forks, signals and reaps; the
supervisor tells it when. A child closes all of it.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from wsgisrv.channel import Channel, ChannelClosedError, Kind, Message
from wsgisrv.context import RunWorker, Served, WorkerContext
from wsgisrv.dumpfile import DumpFile
from wsgisrv.errors import first_line
from wsgisrv.layout import ServerSettings, live_of
from wsgisrv.line_ring import LineRing
from wsgisrv.log_file import LogFile
from wsgisrv.log_target import OFF, mark_of
from wsgisrv.master import events
from wsgisrv.master.backdoors import open_backdoor
from wsgisrv.master.last_lines import write_last_lines
from wsgisrv.master.listener_sets import ListenerSet
from wsgisrv.master.reap import Status, exited
from wsgisrv.master.reloads import Reloads, Version
from wsgisrv.master.roster import SUSPENDED_SECONDS
from wsgisrv.master.spawn import Fork
from wsgisrv.master.stalls import (
    note_last_block,
    report_block,
    report_cut,
    report_hang,
    report_last_dump,
    report_last_stacks,
)
from wsgisrv.master.worker_handle import WorkerHandle
from wsgisrv.scoreboard import Real, Scoreboard, State, Word
from wsgisrv.titles import Titles

_LOG = logging.getLogger("wsgisrv.master")

_LAST_WORDS_SECONDS = 3.0
"""That a worker has for a dump after SIGABRT; ten thousand greenlets take two of them."""

_STACKS_SECONDS = 0.5
"""Likewise, when it hangs and has left its dump before, or could not: for its plain stacks."""

SLOTS = 1024
"""Of the scoreboard: two generations of the most workers that may be, and as many still draining."""


class Workers:
    """Args:
    run_worker: what a child runs.
    fork: makes a child.
    selector: of the master's loop; watches every worker's channel.
    global_conf: for the paste file.
    close_masters: closes, in a child, what else is not the child's own.
    """

    def __init__(
        self,
        run_worker: RunWorker,
        fork: Fork,
        selector: selectors.BaseSelector,
        global_conf: Mapping[str, str],
        close_masters: Callable[[WorkerContext], None],
    ) -> None:
        self._run_worker = run_worker
        self._spawn_child = fork
        self._selector = selector
        self._global_conf = global_conf
        self._close_masters = close_masters
        self.scoreboard = Scoreboard(SLOTS)
        self._free_slots = list(range(SLOTS - 1, -1, -1))
        self._handles: dict[int, WorkerHandle] = {}
        self._deaths: dict[int, tuple[float, str]] = {}  # the last one, by slot
        self._looked = time.monotonic()  # when blocks were last reported
        self._awake_since = self._looked  # without having been stopped

    def handles(self) -> list[WorkerHandle]:
        """Returns every worker that was not reaped yet; the list is the caller's own."""
        return list(self._handles.values())

    def get(self, worker_id: int) -> WorkerHandle | None:
        """Returns the worker, None when it is gone."""
        return self._handles.get(worker_id)

    # Birth

    def fork(
        self,
        wanted: events.Spawn,
        version: Version,
        listeners: ListenerSet,
        jobs: socket.socket | None,
        log_file: LogFile | None = None,
        proc_name: str = "",
    ) -> None:
        """Forks the worker that is wanted.

        Args:
            version: whose settings it has, with its ``listeners``.
            jobs: for the worker alone: closed here in any case.
            log_file: the server's log; None for stderr.
            proc_name: in front of its title.

        Raises:
            OSError: when the kernel refuses.
        """
        with contextlib.ExitStack() as stack:
            if jobs is not None:
                stack.enter_context(jobs)
            self._fork(wanted, version, listeners, jobs, log_file, proc_name)

    def _fork(
        self,
        wanted: events.Spawn,
        version: Version,
        listeners: ListenerSet,
        jobs: socket.socket | None,
        log_file: LogFile | None,
        proc_name: str,
    ) -> None:
        if not self._free_slots:
            raise OSError(errno.EAGAIN, "no slot of the scoreboard is free")
        worker_id, generation = wanted.worker_id, wanted.generation
        group = version.layout.group(wanted.group)
        ours, theirs = Channel.pair()
        dump, report = self._make_files(ours, theirs)
        backdoor = open_backdoor(group.settings.backdoor, os.environ, worker_id)
        slot = self._free_slots.pop()
        board = self.scoreboard.hand_out(slot)
        now = time.monotonic()
        board.words[Word.STATE] = State.BOOTING
        board.words[Word.GENERATION] = generation
        board.words[Word.GROUP] = version.layout.groups.index(group)
        board.reals[Real.STARTED] = now
        context = WorkerContext(
            worker_id=worker_id,
            slot=slot,
            generation=generation,
            settings=group.settings,
            servers=tuple(_served(server, version, listeners) for server in group.servers),
            names_servers=version.layout.names_servers,
            channel=theirs,
            dump=dump,
            report=report,
            titles=Titles(proc_name),
            log_file=log_file,
            scoreboard=self.scoreboard,
            global_conf=self._global_conf,
            backdoor=backdoor.socket if backdoor is not None else None,
            jobs=jobs,
        )
        try:
            pid = self._spawn_child(
                self._run_worker, context, lambda: self._close_in_worker(ours, context)
            )
        except OSError:
            ours.close()
            dump.close()
            report.close()
            if backdoor is not None:
                backdoor.close()
            board.words[Word.STATE] = State.FREE
            self._free_slots.append(slot)
            _close_rings(context.servers)
            raise
        finally:
            theirs.close()
            if backdoor is not None:
                backdoor.socket.close()
        board.words[Word.PID] = pid
        self._selector.register(ours, selectors.EVENT_READ)
        self._handles[worker_id] = WorkerHandle(
            worker_id, generation, wanted.version, wanted.group, slot, pid, ours, dump, report, now,
            servers=context.servers, last_death=self._deaths.get(slot), backdoor=backdoor,
        )  # fmt: skip

    def _make_files(self, ours: Channel, theirs: Channel) -> tuple[DumpFile, DumpFile]:
        dump: DumpFile | None = None
        try:
            dump = DumpFile.make()
            return dump, DumpFile.make()
        except OSError:
            if dump is not None:
                dump.close()
            ours.close()
            theirs.close()
            raise

    def _close_in_worker(self, ours: Channel, context: WorkerContext) -> None:
        """Runs in: the child. A sibling's channel held open here would hide the master's death."""
        self._close_masters(context)
        ours.close()
        self.close_in_helper()

    def close_in_helper(self) -> None:
        """Closes what is the master's of every worker. Runs in: a child."""
        for handle in self._handles.values():
            handle.channel.close()
            handle.dump.close()
            handle.report.close()
            _close_rings(handle.servers)

    # Words

    def messages(self, handle: WorkerHandle) -> list[Message]:
        """Returns what the worker has said since; closes a channel that is at its end."""
        if handle.channel.fileno() < 0:
            return []
        try:
            return handle.channel.receive()
        except ChannelClosedError:
            # The worker is about to end, or closed it by mistake; its exit or its beats will tell.
            self._close_channel(handle)
        except (ValueError, KeyError, AttributeError) as error:
            # Something in the worker wrote to a descriptor that it does not own; the others serve on.
            _LOG.error("%s: no message on its channel: %s", handle, first_line(error))
            self._close_channel(handle)
            self.kill(handle.worker_id, signal.SIGTERM)
        return []

    def tell_all(self, message: Message) -> int:
        """Sends the message to every worker and returns how many took it."""
        return sum(handle.channel.send(message) for handle in self._handles.values())

    def tune(self, versions: Reloads) -> None:
        """Tells every worker what its version has now of the options that change live."""
        for handle in self._handles.values():
            group = versions[handle.version].layout.group(handle.group)
            handle.channel.send(Message(Kind.SETTINGS, live_of(group.settings)))

    def renew_certificates(self, versions: Reloads) -> None:
        """Hands the workers what certificate files say now, if they have changed."""
        handles = self.handles()
        for version in {handle.version for handle in handles}:
            for server, files in versions[version].tls.items():
                if files.has_changed() and files.material is not None:
                    message = Message(Kind.TLS, {"server": server, **files.material.to_fields()})
                    told = [h.channel.send(message) for h in handles if h.version == version]
                    of = f" of {server}" if server else ""
                    _LOG.info("certificates%s renewed in %d workers", of, sum(told))

    def _close_channel(self, handle: WorkerHandle) -> None:
        if handle.channel.fileno() >= 0:
            self._selector.unregister(handle.channel)
            handle.channel.close()

    def beats(self) -> Iterator[events.Beat]:
        """Yields the last beat of each worker that ever beat."""
        for handle in self.handles():  # a replacement may be due at any event
            beat = self.scoreboard[handle.slot].reals[Real.BEAT]
            if beat:
                yield events.Beat(handle.worker_id, beat)

    def measured(self) -> Iterator[events.Measured]:
        """Yields what the gauges say of each worker whose time for it has come."""
        now = time.monotonic()
        for handle in self.handles():
            gauge = handle.gauge
            if gauge.measure(self.scoreboard[handle.slot].words[Word.REQUESTS], now):
                yield events.Measured(handle.worker_id, gauge.requests, gauge.rss_bytes)

    def report_blocks(self) -> None:
        """Logs whose hub is blocked where the worker cannot. A time in which this process was stopped itself,
        and maybe all of them, does not count.
        """
        now = time.monotonic()
        if now - self._looked >= SUSPENDED_SECONDS:
            self._awake_since = now
        self._looked = now
        for handle in self._handles.values():
            report_block(handle, self.scoreboard[handle.slot], now, self._awake_since)

    # Death

    def kill(self, worker_id: int, number: signal.Signals) -> None:
        """Sends a signal, unless the worker is gone."""
        # Not reaped by us, so the pid is still this worker's; gone if somebody else has reaped it.
        if worker_id in self._handles:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._handles[worker_id].pid, number)

    def abort(self, worker_id: int) -> None:
        """Has a worker that hangs leave its stacks and die (``end_aborted``)."""
        if (handle := self._handles.get(worker_id)) is not None:
            slot, now = self.scoreboard[handle.slot], time.monotonic()
            report_hang(handle, slot, now)
            report_last_dump(handle, slot)
            handle.dump.clear()
            self.kill(worker_id, signal.SIGABRT)
            handle.ends_at = now + _STACKS_SECONDS

    def end_aborted(self) -> None:
        """Ends those that SIGABRT, from whomever, has not ended: a first one leaves them time for a dump.

        Source: wsgisrv.worker.aborts.
        """
        now = time.monotonic()
        for handle in self._handles.values():
            if not handle.ends_at and handle.dump.was_aborted():
                handle.ends_at = now + _LAST_WORDS_SECONDS
            elif handle.ends_at and now >= handle.ends_at:
                self.kill(handle.worker_id, signal.SIGABRT)

    def reap(self) -> Iterator[tuple[WorkerHandle, Status]]:
        """Yields each worker that has exited since; the caller lets go of it by ``forget``."""
        by_pid = {handle.pid: handle for handle in self._handles.values()}
        for pid, status in exited(by_pid, adopts=os.getpid() == 1):
            if pid in by_pid:
                yield by_pid[pid], status

    def forget(self, handle: WorkerHandle, reason: str, *, was_killed: bool) -> None:
        """Drops a worker that was reaped; its slot is free again."""
        if was_killed:
            report_last_dump(handle, self.scoreboard[handle.slot])
            report_last_stacks(handle)
        report_cut(handle, self.scoreboard[handle.slot], time.monotonic())
        write_last_lines(handle, handle.servers)
        self._deaths[handle.slot] = (time.monotonic(), reason)
        self._close_channel(handle)
        handle.dump.close()
        handle.report.close()
        if handle.backdoor is not None:
            handle.backdoor.close()
        del self._handles[handle.worker_id]
        note_last_block(self.scoreboard[handle.slot], time.monotonic())
        self.scoreboard.retire(handle.slot)
        self._free_slots.append(handle.slot)

    def close(self) -> None:
        """Kills and reaps whatever worker is left after an error of ours."""
        for handle in self._handles.values():
            self.kill(handle.worker_id, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                os.waitpid(handle.pid, 0)
            handle.channel.close()
            write_last_lines(handle, handle.servers)
            if handle.backdoor is not None:
                handle.backdoor.close()


def _served(server: ServerSettings, version: Version, listeners: ListenerSet) -> Served:
    sockets = tuple(listener.socket for listener in listeners.of(server.name))
    option = server.settings.access_log
    ring = LineRing(mark_of(option)) if option != OFF else None
    return Served(server.name, server.settings, sockets, version.tls[server.name].contexts, ring)


def _close_rings(servers: Iterable[Served]) -> None:
    for server in servers:
        if server.ring is not None:
            server.ring.close()
