"""A service in oslo.service's style whose imports were changed, and nothing else."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from oslo_config import cfg

from tests.support.certificates import Certificates
from tests.support.configured import get, ports, wait_until
from tests.support.control import answer_of, wsgisrv
from tests.support.http import Client
from tests.support.server import Server, run
from wsgisrv.compat.oslo_service import service, wsgi

INI = """
[composite:osapi_volume]
use = egg:wsgisrv#urlmap
/ = volume

[app:volume]
paste.app_factory = tests.apps.ported_app:factory
name = volume

[app:metadata]
paste.app_factory = tests.apps.ported_app:factory
name = metadata
"""


@contextlib.contextmanager
def ported(
    directory: Path, options: str, names: str = "osapi_volume", server: str = ""
) -> Iterator[Server]:
    """Runs it with ``options`` in [DEFAULT]."""
    (directory / "api-paste.ini").write_text(INI)
    conf = directory / "ported.conf"
    control = f"control_socket = {directory}/control.sock"
    conf.write_text(f"[DEFAULT]\n{options}\n[wsgisrv]\n{control}\n{server}\n")
    with run(
        ["--config-file", str(conf)], module=("-m", "tests.apps.ported"), env={"PORTED": names}
    ) as found:
        yield found


def test_it_serves_its_paste_app_on_its_own_options_for_address_and_workers(tmp_path: Path) -> None:
    (port,) = ports(1)
    options = (
        f"osapi_volume_listen = 127.0.0.1\nosapi_volume_listen_port = {port}\n"
        "osapi_volume_workers = 2\nzone = east"
    )
    with ported(tmp_path, options) as server:
        pids = server.wait_ready()
        assert len(pids) == 2
        assert "deprecated name" not in server.log  # they are the service's own
        told = get(port)
        assert (told["name"], told["zone"]) == ("volume", "east")
        assert told["pid"] in pids
        server.wait_line("WARNING ported: init_host in the worker: True")
        server.wait_line(f"WARNING ported: osapi_volume started on port {port}")
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0
        assert server.log.count("osapi_volume stops") == 2
        assert server.log.count("osapi_volume has waited") == 2


def test_a_port_that_is_free_is_known_in_the_worker(tmp_path: Path) -> None:
    with ported(
        tmp_path, "osapi_volume_listen = 127.0.0.1\nosapi_volume_listen_port = 0"
    ) as server:
        server.wait_ready()
        match = server.wait_line(r"osapi_volume started on port (\d+)")
        assert get(int(match[1]))["name"] == "volume"


def test_a_reload_resets_what_runs_and_starts_fresh_workers(tmp_path: Path) -> None:
    (port,) = ports(1)
    options = f"osapi_volume_listen = 127.0.0.1\nosapi_volume_listen_port = {port}"
    with ported(tmp_path, f"{options}\nzone = east") as server:
        (old,) = server.wait_ready()
        conf = tmp_path / "ported.conf"
        conf.write_text(conf.read_text().replace("zone = east", "zone = west"))
        done = wsgisrv("reload", "--control-socket", f"{tmp_path}/control.sock")
        assert (done.returncode, done.stdout) == (0, "generation 2 serves\n")
        server.wait_line("osapi_volume reset, zone west")
        wait_until(lambda: get(port)["pid"] != old, "the new worker alone")
        assert get(port)["zone"] == "west"


def test_several_services_have_workers_each(tmp_path: Path) -> None:
    first, second = ports(2)
    options = f"osapi_volume_listen = 127.0.0.1\nosapi_volume_listen_port = {first}"
    section = f"[wsgisrv_metadata]\nbind = 127.0.0.1:{second}"
    with ported(tmp_path, options, "osapi_volume,metadata", section) as server:
        assert len(server.wait_ready()) == 2
        assert (get(first)["name"], get(second)["name"]) == ("volume", "metadata")
        names = [
            each["name"] for each in answer_of(f"{tmp_path}/control.sock", "status")["servers"]
        ]
        assert names == ["osapi_volume", "metadata"]
        server.signal(signal.SIGTERM)
        assert server.wait_exit() == 0
        server.wait_line("main goes on")


def test_use_ssl_speaks_tls_with_the_files_of_its_group(tmp_path: Path) -> None:
    (port,) = ports(1)
    certificates = Certificates(tmp_path)
    chain = certificates.issue("volume.test")
    options = (
        f"osapi_volume_listen = 127.0.0.1\nosapi_volume_listen_port = {port}\n"
        f"osapi_volume_use_ssl = true\n[ssl]\ncert_file = {chain}\nkey_file = {chain}"
    )
    with ported(tmp_path, options) as server:
        server.wait_ready()
        with Client(("127.0.0.1", port)) as client:
            context = certificates.trusting()
            client.socket = context.wrap_socket(client.socket, server_hostname="volume.test")
            assert client.get().json()["url_scheme"] == "https"


# What cannot be carried over, and what is wrong


def called(directory: Path) -> cfg.ConfigOpts:
    (directory / "api-paste.ini").write_text(INI)
    conf = cfg.ConfigOpts()
    conf([], project="ported", default_config_files=[], default_config_dirs=[])
    wsgi.register_opts(conf)
    conf.set_override("api_paste_config", str(directory / "api-paste.ini"))
    return conf


def test_an_app_object_cannot_be_carried_over(tmp_path: Path) -> None:
    conf = called(tmp_path)
    app: object = lambda environ, start_response: []  # noqa: E731
    with pytest.raises(
        TypeError, match=r"^osapi_volume: an app object cannot be carried into workers"
    ):
        wsgi.Server(conf, "osapi_volume", app)  # type: ignore[arg-type]
    assert wsgi.Server(conf, "osapi_volume", "tests.apps.basic:hello").host == "0.0.0.0"


def test_a_paste_file_or_a_section_that_is_not_there_is_told(tmp_path: Path) -> None:
    conf = called(tmp_path)
    with pytest.raises(wsgi.PasteAppNotFound, match=r"no section \[app:nothing\]"):
        wsgi.Loader(conf).load_app("nothing")
    conf.set_override("api_paste_config", "nowhere.ini")
    with pytest.raises(wsgi.ConfigNotFound, match=r"nowhere\.ini: no such paste file"):
        wsgi.Loader(conf)


def test_only_what_serves_http_is_launched(tmp_path: Path) -> None:
    class Rpc(service.ServiceBase):
        def start(self) -> None: ...
        def stop(self) -> None: ...
        def wait(self) -> None: ...
        def reset(self) -> None: ...

    conf = called(tmp_path)
    with pytest.raises(TypeError, match=r"Rpc has no wsgi\.Server"):
        service.launch(conf, Rpc())
    with pytest.raises(ValueError, match="restart_method 'never'"):
        service.ProcessLauncher(conf, restart_method="never")
    server = wsgi.Server(conf, "osapi_volume", wsgi.Loader(conf).load_app("osapi_volume"))
    with pytest.raises(ValueError, match="0 workers"):
        service.launch(conf, server, workers=0)
