"""The README's service with a main() of its own, and its change of imports, as they stand there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.configured import ports
from tests.support.http import DEADLINE, Client
from tests.support.readme import block_after
from tests.support.server import run


def test_the_service_of_the_readme_does_what_the_readme_says(tmp_path: Path) -> None:
    (port,) = ports(1)
    (tmp_path / "stockd.py").write_text(block_after("This is ``stockd.py``, a whole one"))
    (tmp_path / "stock_work.py").write_text(block_after("and this is ``stock_work.py``"))
    (tmp_path / "api-paste.ini").write_text(
        "[app:main]\npaste.app_factory = tests.apps.basic:factory\napp = hello\n"
    )
    conf = tmp_path / "stock.conf"
    server_options = f"[wsgisrv]\npaste_config = api-paste.ini\nbind = 127.0.0.1:{port}\n"
    conf.write_text(f"{server_options}[stock]\npatience = 7\n")
    command = [str(tmp_path / "stockd.py"), "--config-file", str(conf), "--workers", "2"]
    with run(command, module=()) as server:
        assert len(server.wait_ready()) == 2
        server.wait_line(r"INFO stock: worker 2, patience 7")
        server.wait_line(r"INFO stock: things are tidied")
        with Client(("127.0.0.1", port)) as client:
            assert client.get().status == 200
    assert server.log.count("things are tidied") == 1
    assert server.log.count("listening ends") == 2
    done = subprocess.run(
        [sys.executable, command[0], "patience", "--config-file", str(conf)],
        capture_output=True, text=True, timeout=DEADLINE, check=True,
    )  # fmt: skip
    assert done.stdout == "7\n"


def test_the_changed_imports_of_the_readme_are_there() -> None:
    block = block_after(
        "A service that serves HTTP through oslo.service changes its imports", "After"
    )
    code = f"{block}\nprint(service.launch, sslutils.is_enabled, wsgi.Loader, wsgi.Server)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=DEADLINE, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_command_of_the_readme_for_gunicorns_users_serves(tmp_path: Path) -> None:
    (port,) = ports(1)
    command = block_after("gunicorn's eventlet worker was removed in 26.0", "After").strip()
    app = "tests.apps.basic:hello"
    words = command.replace("0.0.0.0:8000", f"127.0.0.1:{port}").replace(
        "mysite.wsgi:application", app
    )
    program, *args = words.split()
    assert program == "wsgisrv"
    with run(args) as server:
        assert len(server.wait_ready()) == 4
        with Client(("127.0.0.1", port)) as client:
            assert client.get().status == 200
