"""What a service's main() may declare."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from oslo_config import cfg

import wsgisrv
from tests.support.server import ROOT


def service(**given: Any) -> wsgisrv.Service:
    return wsgisrv.Service(cfg.ConfigOpts(), **given)


def test_apps_hooks_and_tasks_are_named_never_passed() -> None:
    with pytest.raises(TypeError, match="an app is named"):
        service(app=lambda environ, start_response: [])
    passed: Any = print
    for target in (passed, "print", "no name at all"):
        with pytest.raises(TypeError, match="name it, as 'module:callable'"):
            service().hook("ready", target)
        with pytest.raises(TypeError, match="name it, as 'module:callable'"):
            service().periodic(target, interval=1)
        with pytest.raises(TypeError, match="name it, as 'module:callable'"):
            service().background(target)
        with pytest.raises(TypeError, match="name it, as 'module:callable'"):
            service().command("count", target, "count")


@pytest.mark.parametrize(
    "given",
    [
        {"interval": 0},
        {"interval": float("inf")},
        {"interval": float("nan")},
        {"interval": 1, "jitter": -1},
        {"interval": 1, "run_in": "two"},
    ],
)
def test_a_task_has_a_time_that_makes_sense(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"interval is above 0|not a valid RunIn"):
        service().periodic("time:time", **given)


def test_names_of_tasks_moments_and_commands_are_checked() -> None:
    found = service()
    found.background("time:sleep")
    with pytest.raises(ValueError, match="there is a task time:sleep already"):
        found.background("time:sleep")
    with pytest.raises(ValueError, match="not a valid Moment"):
        found.hook("post_fokr", "time:sleep")
    with pytest.raises(ValueError, match="there is a command status already"):
        found.command("status", "time:sleep", "sleep")


def test_run_wants_a_conf_that_was_called(capfd: pytest.CaptureFixture[str]) -> None:
    assert service(app="main").run() == 2
    assert "the service's conf was not called" in capfd.readouterr().err


def test_an_option_that_there_is_not_is_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    found = service(app="main", defaults={"wrokers": 2})
    found.conf([], project="nothing", default_config_files=[], default_config_dirs=[])
    assert found.run() == 78
    assert capfd.readouterr().err == "wsgisrv: main(): [wsgisrv] wrokers: no such option\n"


def test_a_wrong_value_that_main_gives_says_so(capfd: pytest.CaptureFixture[str]) -> None:
    found = service(app="main", defaults={"workers": "many"})
    found.conf([], project="nothing", default_config_files=[], default_config_dirs=[])
    assert found.run() == 78
    assert capfd.readouterr().err.startswith(
        "wsgisrv: main(): [wsgisrv] workers = many: allowed is "
    )


def test_nothing_to_serve_is_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    found = service(app="main")
    found.conf([], project="nothing", default_config_files=[], default_config_dirs=[])
    assert found.run() == 2
    assert capfd.readouterr().err == (
        "wsgisrv: nothing to serve: [wsgisrv] paste_config has to name the paste file with main\n"
    )


def test_asking_for_the_service_reaches_no_eventlet() -> None:
    code = (
        "import sys, wsgisrv; wsgisrv.Service;"
        "print(sorted({'eventlet', 'greenlet', 'webob', 'paste.deploy', 'routes'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout == "[]\n"
