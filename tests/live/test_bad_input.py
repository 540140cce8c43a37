"""Bad input to the command: one line on stderr, the design's exit code, nothing left behind."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.http import DEADLINE
from tests.support.server import ROOT, group_of

GOOD = "[app:main]\npaste.app_factory = tests.apps.basic:factory\napp = hello\n"


def refused(
    directory: Path,
    *args: str,
    ini: str | bytes = GOOD,
    environ: Mapping[str, str] = {},
    drop_rights: bool = False,
) -> tuple[int, str]:
    """Runs ``wsgisrv serve`` and returns its exit code and its one line."""
    path = directory / "api-paste.ini"
    path.write_bytes(ini.encode() if isinstance(ini, str) else ini)
    command = [sys.executable, "-m", "wsgisrv", "serve", *(args or [str(path)])]
    if drop_rights:
        command = ["setpriv", "--bounding-set=-net_bind_service", "--inh-caps=-all", *command]
    # The default address may be somebody's; what a file says of it loses against the environment.
    bind = {} if "--config-file" in args else {"OS_WSGISRV__BIND": f"unix:{directory}/s"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        cwd=directory, env={**os.environ, "PYTHONPATH": str(ROOT), **bind, **environ},
    )  # fmt: skip
    out, err = process.communicate(timeout=DEADLINE)
    assert out == ""
    assert err.count("\n") == 1, err
    assert err.startswith("wsgisrv: ")
    assert not group_of(process.pid)
    return process.returncode, err.removeprefix("wsgisrv: ").rstrip("\n")


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["--workers", "x"], "--workers x: allowed is a whole number from 0 on to 256"),
        (["--workers", "-1"], "--workers -1: allowed is a whole number from 0 on to 256"),
        (["--header-timeout", "0"], "--header-timeout 0: allowed is a number from 0.1 on to 3600"),
        (
            ["--hub", "libev"],
            "--hub libev: allowed are auto, epolls, kqueue, poll, selects, asyncio",
        ),
        (["--nonsense"], "unrecognized arguments: --nonsense; see wsgisrv serve --help"),
        (["--workers"], "argument --workers: expected one argument; see wsgisrv serve --help"),
        (
            [],
            "nothing to serve: name a paste file, as in: wsgisrv serve api-paste.ini, or --app module:name",
        ),
    ],
)
def test_a_wrong_option_is_usage(args: list[str], line: str, tmp_path: Path) -> None:
    given = [str(tmp_path / "api-paste.ini"), *args] if args else ["--workers", "1"]
    assert refused(tmp_path, *given) == (2, line)


@pytest.mark.parametrize(
    ("ini", "line"),
    [
        ("junk\n", "line 1 is no section, no key = value and no continuation of one"),
        ("[app:main]\njunk\n", "line 2 is no section, no key = value and no continuation of one"),
        (b"\xff\xfe[app:main]\n", "the file is not UTF-8 text"),
        (
            "[app:other]\n",
            "no section [app:main] or [pipeline:main] or the like; it has [app:other]",
        ),
        ("", "no section [app:main] or [pipeline:main] or the like; it has none"),
        (
            "[app:main]\nuse = egg:nosuch#x\n",
            "[app:main] use = egg:nosuch#x: no distribution named 'nosuch' is installed",
        ),
        (
            "[app:main]\nuse = egg:wsgisrv#nosuch\n",
            "[app:main] use = egg:wsgisrv#nosuch: no entry point 'nosuch' in 'wsgisrv'; it has app,",
        ),
        (
            "[app:main]\nuse = config:other.ini\n",
            "[app:main] use = config:other.ini: {dir}/other.ini: No such file or directory",
        ),
        (
            "[app:main]\npaste.app_factory = nosuch.module:factory\n",
            (
                "[app:main] paste.app_factory = nosuch.module:factory:"
                " ModuleNotFoundError: No module named 'nosuch'"
            ),
        ),
        (
            "[app:main]\npaste.app_factory = tests.apps.basic:nosuch\n",
            (
                "[app:main] paste.app_factory = tests.apps.basic:nosuch:"
                " AttributeError: module 'tests.apps.basic' has no attribute 'nosuch'"
            ),
        ),
        (
            "[app:main]\npaste.app_factory = tests.apps.fails_to_import:factory\n",
            (
                "[app:main] paste.app_factory = tests.apps.fails_to_import:factory:"
                " RuntimeError: at import ({root}/tests/apps/fails_to_import.py:3)"
            ),
        ),
        (
            GOOD + "colour = red\n",
            (
                "[app:main] paste.app_factory = tests.apps.basic:factory:"
                " TypeError: factory() got an unexpected keyword argument 'colour'"
            ),
        ),
        ("[app:main]\nx = 1\n", "[app:main]: No loader given in section 'app:main'"),
        (
            "[pipeline:main]\npipeline = nosuch app\n" + GOOD.replace("main", "app"),
            "no section [filter:nosuch] or the like; it has [pipeline:main], [app:app]",
        ),
        (
            "[app:main]\nx = %(nosuch)s\n",
            "[app:main] x: no value for %(nosuch)s",
        ),
    ],
)
def test_a_wrong_paste_file_names_file_section_and_key(
    ini: str | bytes, line: str, tmp_path: Path
) -> None:
    code, said = refused(tmp_path, ini=ini)
    expected = line.format(dir=tmp_path, root=ROOT) if "{" in line else line
    assert said.startswith(f"{tmp_path}/api-paste.ini: {expected}")
    assert code == 78


def test_a_paste_file_that_is_not_there_or_a_directory_without_one(tmp_path: Path) -> None:
    code, line = refused(tmp_path, "nosuch.ini")
    assert (code, line) == (
        78, f"{tmp_path}/nosuch.ini: cannot read the paste file: No such file or directory",
    )  # fmt: skip
    empty = tmp_path / "empty"
    empty.mkdir()
    code, line = refused(tmp_path, str(empty))
    assert (code, line) == (78, f"{empty}: there is no *.ini in the directory")


def test_a_wrong_value_in_a_configuration_file_names_file_section_and_key(tmp_path: Path) -> None:
    conf = tmp_path / "wsgisrv.conf"
    conf.write_text("[wsgisrv]\nbacklog = 0\n")
    code, line = refused(tmp_path, str(tmp_path / "api-paste.ini"), "--config-file", str(conf))
    assert code == 78
    assert line == f"{conf}: [wsgisrv] backlog = 0: allowed is a whole number from 1 on to 65535"


def test_a_wrong_value_in_the_environment_names_the_variable(tmp_path: Path) -> None:
    code, line = refused(tmp_path, environ={"OS_WSGISRV__WORKERS": "many"})
    assert code == 78
    assert line == (
        "environment: OS_WSGISRV__WORKERS=many: allowed is a whole number from 0 on to 256"
    )


def test_a_configuration_file_that_is_missing_or_no_ini_file(tmp_path: Path) -> None:
    ini, conf = str(tmp_path / "api-paste.ini"), tmp_path / "wsgisrv.conf"
    code, line = refused(tmp_path, ini, "--config-file", str(conf))
    assert (code, line) == (78, f"{conf}: no such configuration file")
    conf.write_text("junk\n")
    code, line = refused(tmp_path, ini, "--config-file", str(conf))
    assert code == 78
    assert f"{conf}:1" in line


def test_what_the_system_does_not_have_is_told_with_file_and_section(tmp_path: Path) -> None:
    conf, ini = tmp_path / "wsgisrv.conf", str(tmp_path / "api-paste.ini")
    for keys, exit_code, what in (
        ("bind = nonsense", 78, "bind = nonsense: an address is host:port"),
        ("tls_certificate = /nosuch.pem", 78, "tls_certificate = /nosuch.pem: No such file"),
        ("user = nosuch", 78, "user = nosuch: there is no such user"),
        ("access_log_format = %(nosuch)s", 78, "access_log_format = %(nosuch)s: "),
    ):
        conf.write_text(f"[wsgisrv]\nworkers = 1\n{keys}\n")
        bind = () if "bind" in keys else ("--bind", "127.0.0.1:0")
        code, line = refused(tmp_path, ini, "--config-file", str(conf), *bind)
        assert code == exit_code
        assert line.startswith(f"{conf}: [wsgisrv] {what}")


@pytest.mark.parametrize(
    ("address", "line"),
    [
        ("8080", "an address is host:port, [v6]:port, unix:/path or fd://N"),
        ("localhost:99999", "with a port of 0 to 65535"),
        ("::1:80", "an IPv6 address stands in brackets"),
        ("unix:relative", "the path of a unix socket is absolute"),
        ("fd://x", "N is a file descriptor's number"),
        ("fd://99", "Bad file descriptor"),
        ("host.invalid:80", "unknown host"),
    ],
)
def test_a_wrong_address_says_what_an_address_is(address: str, line: str, tmp_path: Path) -> None:
    code, said = refused(tmp_path, str(tmp_path / "api-paste.ini"), "--bind", address)
    assert code == 78
    assert said.startswith(f"bind {address}: ")
    assert line in said


def test_a_port_in_use_is_69_and_leaves_no_other_socket(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        code, line = refused(
            tmp_path, str(tmp_path / "api-paste.ini"),
            "--bind", f"unix:{path}", "--bind", taken, "--bind-timeout", "0.2",
        )  # fmt: skip
    assert (code, line) == (69, f"bind {taken}: the address is in use by another process")
    assert not path.exists()


def test_a_unix_socket_that_somebody_serves_is_69_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        args = [str(tmp_path / "api-paste.ini"), "--bind", f"unix:{path}", "--bind-timeout", "0"]
        assert refused(tmp_path, *args)[0] == 69
        assert path.exists()


def test_a_file_in_the_place_of_a_unix_socket_is_refused_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "precious"
    path.write_text("data")
    code, line = refused(tmp_path, str(tmp_path / "api-paste.ini"), "--bind", f"unix:{path}")
    assert (code, line) == (78, f"bind unix:{path}: the file is there and is no socket")
    assert path.read_text() == "data"


def test_a_port_below_1024_without_the_right_is_77(tmp_path: Path) -> None:
    start = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    port = min(start, 1024) - 1
    args = [str(tmp_path / "api-paste.ini"), "--bind", f"127.0.0.1:{port}"]
    code, line = refused(tmp_path, *args, drop_rights=os.getuid() == 0)
    assert code == 77
    assert re.match(rf"bind 127\.0\.0\.1:{port}: not permitted; a port below 1024 needs", line)


def test_an_access_log_that_cannot_be_opened_stops_the_start(tmp_path: Path) -> None:
    args = [str(tmp_path / "api-paste.ini"), "--access-log", "/nosuch/access.log"]
    code, line = refused(tmp_path, *args, "--bind", "127.0.0.1:0")
    assert (code, line) == (
        71, "[wsgisrv] access_log = /nosuch/access.log: No such file or directory",
    )  # fmt: skip


def test_an_unknown_command_names_those_that_there_are() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "wsgisrv", "srve"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("wsgisrv: no command 'srve'; there are serve, check, config, demo,")


def test_help_and_version_answer_on_stdout() -> None:
    for args, expected in ((["--help"], "serve"), (["serve", "--help"], "--worker-timeout"),
                           (["--version"], "wsgisrv ")):  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "wsgisrv", *args],
            capture_output=True,
            text=True,
            cwd=ROOT,
            check=True,
        )
        assert expected in done.stdout
        assert done.stderr == ""
