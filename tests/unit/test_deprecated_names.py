"""Names that services have had for options: what each becomes, and the line that says it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from wsgisrv.config import Settings
from wsgisrv.declared_options import options
from wsgisrv.deprecated_names import old_names
from wsgisrv.errors import ConfigError
from wsgisrv.layout import Layout
from wsgisrv.options import Loaded, load


@pytest.fixture(autouse=True)
def no_files_of_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "service.conf"


def loaded(path: Path, text: str, *args: str) -> Loaded:
    path.write_text(text)
    return load(["--config-file", str(path), *args], prog="wsgisrv test")


def changed(found: Loaded) -> dict[str, Any]:
    """Returns what is not as by default."""
    default = Settings()
    return {
        name: getattr(found.settings, name)
        for name in found.given
        if getattr(found.settings, name) != getattr(default, name)
    }


SIMPLE = [
    ("DEFAULT", "wsgi_default_pool_size = 100", {"pool_size": 100}),
    ("DEFAULT", "wsgi_keep_alive = false", {"keepalive_timeout": 0.0}),
    ("DEFAULT", "http_keepalive = False", {"keepalive_timeout": 0.0}),
    (
        "DEFAULT", "client_socket_timeout = 900",
        {"body_timeout": 900.0, "write_timeout": 900.0, "keepalive_timeout": 900.0},
    ),
    (
        "DEFAULT", "client_socket_timeout = 0",
        {"body_timeout": 3600.0, "write_timeout": 86400.0, "keepalive_timeout": 86400.0},
    ),
    ("DEFAULT", "max_header_line = 32768", {"max_header_bytes": 32768}),
    ("DEFAULT", "wsgi_log_format = %(status_code)s", {"access_log_format": "%(status_code)s"}),
    ("DEFAULT", "tcp_keepidle = 300", {"tcp_keepidle": 300}),
    ("DEFAULT", "backlog = 4096", {"backlog": 4096}),
    ("DEFAULT", "bind_port = 9292", {"bind": ("0.0.0.0:9292",)}),
    ("DEFAULT", "osapi_volume_listen = 10.0.0.1", {"bind": ("10.0.0.1:8776",)}),
    ("DEFAULT", "osapi_compute_workers = 3\nosapi_compute_listen_port = 1", {
        "bind": ("0.0.0.0:1",), "workers": 3,
    }),
    ("DEFAULT", "osapi_share_listen = ::", {"bind": ("[::]:8786",)}),
    ("DEFAULT", "api_paste_config = /etc/a/api-paste.ini", {"paste_config": "/etc/a/api-paste.ini"}),
    ("ssl", "cert_file = /c.pem", {"tls_certificate": ("/c.pem",)}),
    ("ssl", "cert_file = /c.pem\nkey_file = /k.pem\nca_file = /ca.pem", {
        "tls_certificate": ("/c.pem:/k.pem",), "tls_client_ca": "/ca.pem",
    }),
    ("ssl", "ciphers = HIGH", {"tls_ciphers": "HIGH"}),
    ("wsgi", "default_pool_size = 7", {"pool_size": 7}),
    ("wsgi", "keep_alive = no", {"keepalive_timeout": 0.0}),
    ("wsgi", "ssl_cert_file = /c\nssl_key_file = /k", {"tls_certificate": ("/c:/k",)}),
]  # fmt: skip


@pytest.mark.parametrize(("section", "keys", "becomes"), SIMPLE)
def test_an_old_name_means_what_it_meant_and_says_what_to_write(
    section: str, keys: str, becomes: dict[str, Any], path: Path
) -> None:
    found = loaded(path, f"[{section}]\n{keys}\n")
    assert changed(found) == becomes
    lines = keys.splitlines()
    assert len(found.warnings) == len(lines)
    for line, warning in zip(sorted(lines), sorted(found.warnings), strict=True):
        key = line.partition(" ")[0]
        assert warning.startswith(
            f"{path}: [{section}] {key}: is a deprecated name; write in [wsgisrv] "
        )
    said = " ".join(found.warnings)
    for option in becomes:
        assert f"{option} = " in said


def test_the_line_can_be_copied(path: Path) -> None:
    found = loaded(path, "[DEFAULT]\nosapi_compute_listen = ::1\nosapi_compute_listen_port = 5\n")
    assert found.warnings == tuple(
        f"{path}: [DEFAULT] {key}: is a deprecated name; write in [wsgisrv] bind = [::1]:5"
        for key in ("osapi_compute_listen", "osapi_compute_listen_port")
    )


def test_what_is_so_by_default_needs_nothing(path: Path) -> None:
    found = loaded(path, "[DEFAULT]\nwsgi_keep_alive = True\n")
    (warning,) = found.warnings
    assert warning.startswith(
        f"{path}: [DEFAULT] wsgi_keep_alive: is a deprecated name; nothing to write"
    )
    assert found.given == frozenset()


def test_without_keep_alive_no_timeout_brings_it_back(path: Path) -> None:
    found = loaded(path, "[DEFAULT]\nclient_socket_timeout = 900\nwsgi_keep_alive = false\n")
    assert found.settings.keepalive_timeout == 0
    assert found.settings.body_timeout == 900


@pytest.mark.parametrize("where", ["file", "environment", "command line"])
def test_the_new_name_wins_with_a_line(
    where: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, args = "[DEFAULT]\nbacklog = 4096\n", []
    if where == "file":
        text += "[wsgisrv]\nbacklog = 5\n"
    elif where == "environment":
        monkeypatch.setenv("OS_WSGISRV__BACKLOG", "5")
    else:
        args = ["--backlog", "5"]
    found = loaded(path, text, *args)
    assert found.settings.backlog == 5
    assert found.warnings == (
        f"{path}: [DEFAULT] backlog: is a deprecated name; without effect, since [wsgisrv] backlog is given",
    )


def test_an_app_by_its_new_name_wins_over_the_old_paste_file(path: Path) -> None:
    found = loaded(path, "[DEFAULT]\napi_paste_config = /a.ini\n[wsgisrv]\napp = m:app\n")
    assert (found.settings.paste_config, found.settings.app) == ("", "m:app")
    assert "without effect" in found.warnings[0]


def test_a_relative_paste_file_is_found_beside_the_configuration(path: Path) -> None:
    (path.parent / "api-paste.ini").write_text("")
    found = loaded(path, "[DEFAULT]\napi_paste_config = api-paste.ini\n")
    assert found.settings.paste_config == str(path.parent / "api-paste.ini")


def test_the_name_of_the_one_api_is_its_section_in_the_paste_file(path: Path) -> None:
    found = loaded(path, "[DEFAULT]\napi_paste_config = /a.ini\nosapi_volume_listen_port = 8776\n")
    assert found.settings.paste_config == "/a.ini#osapi_volume"


COMPUTE = """
[DEFAULT]
my_ip = 10.0.0.9
osapi_compute_listen = $my_ip
osapi_compute_workers = 4
metadata_listen = ${my_ip}
metadata_listen_port = 9775
osapi_share_listen_port = 1
[wsgi]
api_paste_config = /etc/compute/api-paste.ini
"""


def test_enabled_apis_become_servers_each_with_its_own(path: Path) -> None:
    found = loaded(
        path, COMPUTE.replace("[DEFAULT]", "[DEFAULT]\nenabled_apis = osapi_compute, metadata")
    )
    assert found.settings.servers == ("osapi_compute", "metadata")
    assert found.sections == {
        "osapi_compute": {
            "bind": ("10.0.0.9:8774",), "workers": 4, "app": "", "factory": "",
            "paste_config": "/etc/compute/api-paste.ini#osapi_compute",
        },
        "metadata": {
            "bind": ("10.0.0.9:9775",), "app": "", "factory": "",
            "paste_config": "/etc/compute/api-paste.ini#metadata",
        },
    }  # fmt: skip
    layout = Layout.of(found.settings, found.sections)
    assert [group.name for group in layout.groups] == ["", "osapi_compute"]
    assert any("osapi_share is not what is served" in warning for warning in found.warnings)
    assert any(
        "osapi_compute_workers" in warning
        and "write in [wsgisrv_osapi_compute] workers = 4" in warning
        for warning in found.warnings
    )


def test_servers_by_the_new_name_take_the_old_addresses_of_their_names(path: Path) -> None:
    found = loaded(
        path, COMPUTE + "[wsgisrv]\nservers = metadata\n[wsgisrv_metadata]\nbind = a:1\n"
    )
    assert found.sections["metadata"]["bind"] == ("a:1",)
    found = loaded(path, COMPUTE + "[wsgisrv]\nservers = metadata, osapi_share\n")
    assert found.sections["osapi_share"]["bind"] == ("0.0.0.0:1",)


def test_addresses_of_several_apis_must_be_chosen_from(path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(path, COMPUTE)
    assert str(caught.value) == (
        f"{path}: [DEFAULT] osapi_compute_listen = $my_ip: and metadata_listen are of several APIs;"
        " write in [wsgisrv] servers = osapi_compute, metadata, osapi_share, or bind"
    )
    found = loaded(path, COMPUTE, "--bind", "a:1")
    assert found.settings.bind == ("a:1",)


def test_a_certificate_is_not_used_where_the_service_did_not(path: Path) -> None:
    text = "[DEFAULT]\nosapi_volume_listen = a\nosapi_volume_use_ssl = {}\n[ssl]\ncert_file = /c\n"
    assert loaded(path, text.format("true")).settings.tls_certificate == ("/c",)
    found = loaded(path, text.format("false"))
    assert found.settings.tls_certificate == ()
    assert any("without effect, since osapi_volume_use_ssl is false" in w for w in found.warnings)


@pytest.mark.parametrize(
    ("keys", "what"),
    [
        ("wsgi_default_pool_size = many", "allowed is a whole number from 1 on to 1e+06, as"),
        ("backlog = 0", "allowed is a whole number from 1 on to 65535, as of [wsgisrv] backlog"),
        ("client_socket_timeout = -1", "allowed is a whole number of seconds, 0 for no limit"),
        ("wsgi_keep_alive = maybe", "allowed is true or false"),
        ("max_header_line = 1", "allowed is a whole number from 1024 on to 1.04858e+06"),
        ("bind_port = 70000", "allowed is a port of 0 to 65535"),
        ("bind_host = a", "needs bind_port, too"),
        ("osapi_other_listen = a", "needs osapi_other_listen_port, too"),
        ("osapi_compute_listen_port = x", "allowed is a port of 0 to 65535"),
        ("enabled_apis = A!", "allowed are names of APIs, as osapi_compute,metadata"),
        ("backlog = $other", "$other has no value in the files"),
    ],
)  # fmt: skip
def test_a_wrong_value_by_an_old_name_names_file_section_and_key(
    keys: str, what: str, path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(path, f"[DEFAULT]\n{keys}\n")
    assert str(caught.value).startswith(f"{path}: [DEFAULT] {keys}: {what}")


def test_an_old_name_in_the_new_section_is_told_its_new_one(path: Path) -> None:
    found = loaded(path, "[wsgisrv]\nwsgi_default_pool_size = 5\n")
    assert found.warnings == (
        f"{path}: [wsgisrv] wsgi_default_pool_size: no such option; it is now pool_size",
    )


def test_what_is_an_option_of_the_callers_is_no_old_name(path: Path) -> None:
    path.write_text(COMPUTE + "[ssl]\ncert_file = /c\n")
    own = {("DEFAULT", f"{api}_{end}") for api in ("osapi_compute", "metadata", "osapi_share")
           for end in ("listen", "listen_port", "workers")}  # fmt: skip
    found = load(["--config-file", str(path)], prog="t", foreign={*own, ("DEFAULT", "my_ip")})
    assert changed(found) == {
        "paste_config": "/etc/compute/api-paste.ini", "tls_certificate": ("/c",),
    }  # fmt: skip


def test_no_old_name_is_of_an_option_that_changes_live() -> None:
    live = {opt.dest for opt in options() if opt.mutable}
    assert not live & {option for _, _, option in old_names()}


def test_every_old_name_is_in_the_readmes_table() -> None:
    readme = (Path(__file__).parents[2] / "README.rst").read_text()
    told = readme[readme.index("Names of before") : readme.index("Signals to the master")]
    apis = re.compile("^(ec2|metadata|osapi_[a-z]+)_(?=listen|workers)")
    for _, key, option in old_names():
        assert apis.sub("NAME_", key) in told
        assert option in told
