"""Control commands: who is answered, when, with what."""

from __future__ import annotations

from collections.abc import Callable

from wsgisrv.control import Fields
from wsgisrv.errors import ConfigError, ReloadError
from wsgisrv.master.commands import Commands


class Told:
    """A service that notes what it was told, and does what a test wants of it."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.version = 0
        self.on_reload: Callable[[], None] = lambda: None
        self.is_wrong = False

    def status(self) -> Fields:
        return {"pid": 1}

    def read_settings(self) -> int:
        if self.is_wrong:
            raise ConfigError("a.conf: wrong")
        self.version += 1
        return self.version

    def begin_reload(self, version: int) -> None:
        self.calls.append(("reload", version))
        self.on_reload()

    def upgrade(self, asker: object) -> None:
        self.calls.append(("upgrade",))
        if self.is_wrong:
            raise ReloadError("an upgrade is under way")

    def profile(self, asker: object, worker_id: int, seconds: float, rate: int) -> None:
        self.calls.append(("profile", worker_id, seconds, rate))

    def stop(self, *, graceful: bool, asked_by: str) -> None:
        self.calls.append(("stop", graceful))

    def scale(self, workers: int, server: str) -> list[str]:
        self.calls.append(("scale", workers, server))
        if server == "nobody":
            raise ConfigError("there is no server nobody")
        return [server]

    def reopen_logs(self) -> None:
        self.calls.append(("reopen",))

    def dump(self, asker: object) -> None:
        self.calls.append(("dump",))

    def set_log_level(self, level: str, logger: str) -> None:
        self.calls.append(("level", level, logger))


class Asker:
    def __init__(self) -> None:
        self.answers: list[Fields] = []

    def answer(self, fields: Fields, *, is_last: bool = True) -> None:
        self.answers.append(fields)


def asked(commands: Commands, **fields: object) -> list[Fields]:
    asker = Asker()
    commands.obey(fields, asker)
    return asker.answers


def refused(text: str) -> Fields:
    return {"ok": False, "error": f"reload: {text}", "exit_code": 1}


def test_a_reload_is_answered_when_its_generation_serves() -> None:
    commands = Commands(Told())
    answers = asked(commands, command="reload")
    assert answers == [{"wait": True}]
    commands.reload_done(0, 1)  # the start, or a reload before it
    assert len(answers) == 1
    commands.reload_done(1, 2)
    assert answers[1:] == [{"ok": True, "generation": 2}]
    commands.reload_done(1, 2)
    assert len(answers) == 2


def test_a_reload_that_fails_before_its_request_returns_is_answered() -> None:
    service = Told()
    commands = Commands(service)
    service.on_reload = lambda: commands.reload_failed("cannot fork", after=0, to=1)
    assert asked(commands, command="reload") == [{"wait": True}, refused("cannot fork")]


def test_a_queued_reload_outlives_the_failure_of_the_one_before_it() -> None:
    commands = Commands(Told())
    first, second = asked(commands, command="reload"), asked(commands, command="reload")
    commands.reload_failed("no app", after=0, to=1)
    assert (first[1:], second[1:]) == ([refused("no app")], [])
    commands.reload_done(2, 3)
    assert second[1:] == [{"ok": True, "generation": 3}]


def test_a_reload_that_was_overtaken_in_the_queue_has_the_outcome_of_the_later_one() -> None:
    commands = Commands(Told())
    answers = [asked(commands, command="reload") for _ in range(3)]
    commands.reload_done(3, 3)
    assert [len(found) for found in answers] == [2, 2, 2]


def test_a_stop_fails_the_reloads_that_are_waited_for() -> None:
    service = Told()
    commands = Commands(service)
    answers = asked(commands, command="reload")
    assert asked(commands, command="stop", now=True)[0]["wait"]
    assert answers[1:] == [refused("the service is stopping")]
    assert service.calls == [("reload", 1), ("stop", False)]


def test_wrong_settings_refuse_a_reload_and_begin_none() -> None:
    service = Told()
    service.is_wrong = True
    assert asked(Commands(service), command="reload") == [refused("a.conf: wrong")]
    assert service.calls == []


def test_a_wrong_request_touches_nothing() -> None:
    service = Told()
    for fields in ({"command": "scale", "workers": 0}, {"command": "nothing"}, {"command": 4}, {}):
        (answer,) = asked(Commands(service), **fields)
        assert (answer["ok"], answer["exit_code"]) == (False, 2)
    assert service.calls == []


def test_scale_says_whose_workers_they_are_and_refuses_a_server_that_is_not_there() -> None:
    commands = Commands(Told())
    (answer,) = asked(commands, command="scale", workers=2, server="admin")
    assert answer == {"ok": True, "workers": 2, "servers": ["admin"]}
    for server in ("nobody", 4, "x" * 300):
        (answer,) = asked(commands, command="scale", workers=2, server=server)
        assert (answer["ok"], answer["exit_code"]) == (False, 2)
