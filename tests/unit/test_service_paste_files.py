"""Paste files in the shape of real services' load as they are, and our filters stand in them for others'."""

from __future__ import annotations

import base64
import importlib
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import webob

from wsgisrv.deploy import load_app
from wsgisrv.errors import ConfigError

pytestmark = [
    # What the libraries of such services import or do at their own import.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ImportWarning"),
]

SERVICE = "tests.apps.service"

COMPUTE = """
[DEFAULT]
user = somebody

[composite:main]
use = call:paste.urlmap:urlmap_factory
/: versions
/v2: api
/v2.1: api

[composite:api]
use = call:@:pipeline_factory
keystone = cors http_proxy_to_wsgi request_id catch sizelimit authtoken service
noauth2 = cors http_proxy_to_wsgi request_id catch sizelimit noauth2 service

[filter:request_id]
paste.filter_factory = oslo_middleware:RequestId.factory

[filter:catch]
paste.filter_factory = oslo_middleware:CatchErrors.factory

[filter:noauth2]
paste.filter_factory = @:NoAuth.factory

[filter:sizelimit]
paste.filter_factory = oslo_middleware:RequestBodySizeLimiter.factory

[filter:http_proxy_to_wsgi]
paste.filter_factory = oslo_middleware.http_proxy_to_wsgi:HTTPProxyToWSGI.factory

[filter:cors]
paste.filter_factory = oslo_middleware.cors:filter_factory
oslo_config_project = service
allowed_origin = http://ui.example.com

[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
delay_auth_decision = true

[app:service]
paste.app_factory = @:app_factory

[pipeline:versions]
pipeline = cors request_id versions_app

[app:versions_app]
paste.app_factory = @:app_factory
"""

IMAGE = """
[pipeline:image-api]
pipeline = cors request_id authtoken rootapp

[pipeline:image-api-bare]
pipeline = request_id rootapp

[composite:rootapp]
paste.composite_factory = @:root_app_factory
/: config:apps.ini#versions
/v2: service
enabled = yes

[app:service]
paste.app_factory = @:app_factory
set user = imager

[filter:authtoken]
paste.filter_factory = keystonemiddleware.auth_token:filter_factory
delay_auth_decision = true

[filter:request_id]
use = egg:oslo.middleware#request_id

[filter:cors]
use = egg:oslo.middleware#cors
oslo_config_project = image
allowed_origin = http://ui.example.com
"""

ORCHESTRATION = """
[composite:main]
use = egg:Paste#urlmap
/v1 = stacks

[pipeline:stacks]
pipeline = request_id faultwrap sizelimit service

[filter:request_id]
use = egg:wsgisrv#request_id

[filter:faultwrap]
use = egg:wsgisrv#catch_errors

[filter:sizelimit]
use = egg:wsgisrv#size_limit
max_request_body_size = 20

[app:service]
paste.app_factory = @:app_factory
"""


def call(
    app: Any,
    path: str,
    method: str = "GET",
    *,
    body: bytes = b"",
    environ: Any = None,
    **headers: str,
) -> webob.Response:
    """Returns the answer. Without wsgiref.validate, whose input cannot seek, as WebOb wants it to."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = webob.Request.blank(path, environ, method=method, headers=named, body=body)
    return request.get_response(app)


def load(directory: Path, text: str, name: str = "main") -> Any:
    file = directory / "api-paste.ini"
    file.write_text(text.replace("@", SERVICE))
    return load_app(f"{file}#{name}", {})


def test_a_file_in_the_shape_of_a_compute_services(tmp_path: Path) -> None:
    app = load(tmp_path, COMPUTE)
    answer = call(app, "/v2.1/servers", Origin="http://ui.example.com")
    seen = answer.json["environ"]
    assert seen["HTTP_X_USER_ID"] == "somebody"
    assert (seen["SCRIPT_NAME"], seen["PATH_INFO"]) == ("/v2.1", "/servers")
    assert answer.headers["x-openstack-request-id"] == seen["openstack.request_id"]
    assert answer.headers["Access-Control-Allow-Origin"] == "http://ui.example.com"
    assert call(app, "/").json["environ"]["SCRIPT_NAME"] == ""


def test_the_same_with_keystone_loads_without_one_and_delays_its_decision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.apps.service.AUTH_STRATEGY", "keystone")
    seen = call(load(tmp_path, COMPUTE), "/v2/servers", X_User_Id="forged").json["environ"]
    assert seen["HTTP_X_IDENTITY_STATUS"] == "Invalid"
    assert "HTTP_X_USER_ID" not in seen


@pytest.mark.parametrize("name", ["image-api", "image-api-bare"])
def test_a_file_in_the_shape_of_an_image_services_with_another_one_included(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / "apps.ini").write_text(
        f"[app:versions]\nuse = egg:wsgisrv#app\nobject = {SERVICE}:application\n"
    )
    app = load(tmp_path, IMAGE, name)
    assert call(app, "/v2/images").json["environ"]["SCRIPT_NAME"] == "/v2"
    assert call(app, "/").json["app"] == "service"


def test_a_file_in_the_shape_of_an_orchestration_services_with_our_filters(tmp_path: Path) -> None:
    app = load(tmp_path, ORCHESTRATION)
    answer = call(app, "/v1/stacks")
    assert answer.headers["X-Openstack-Request-Id"].startswith("req-")
    assert call(app, "/v1/fail").json["errors"][0]["status"] == 500
    assert call(app, "/v1/read", "POST", body=b"x" * 21).status_code == 413


KINDS = {
    "request_id": ("request_id", "request_id"),
    "catch_errors": ("catch_errors", "catch_errors"),
    "size_limit": ("size_limit", "sizelimit"),
}


@pytest.mark.parametrize("of_oslo", list(itertools.product([False, True], repeat=3)))
@pytest.mark.parametrize("order", [tuple(KINDS), tuple(reversed(KINDS))])
def test_each_filter_stands_in_for_its_counterpart_in_either_order(
    order: tuple[str, ...], of_oslo: tuple[bool, ...], tmp_path: Path
) -> None:
    chosen = dict(zip(KINDS, of_oslo, strict=True))
    sections = [f"[pipeline:main]\npipeline = {' '.join(order)} service\n"]
    for name, (ours, theirs) in KINDS.items():
        egg = f"egg:oslo.middleware#{theirs}" if chosen[name] else f"egg:wsgisrv#{ours}"
        sections.append(f"[filter:{name}]\nuse = {egg}\n")
        if name == "size_limit":
            sections.append("max_request_body_size = 20\n")
    sections.append("[app:service]\npaste.app_factory = @:app_factory\n")
    app = load(tmp_path, "".join(sections))
    sent = "req-3f0c6a9e-5b1d-4c58-9a37-d0a4f1c2b7e6"
    answer = call(app, "/read", "POST", body=b"x" * 20, X_Openstack_Request_Id=sent)
    seen = answer.json["environ"]
    assert seen["openstack.global_request_id"] == sent
    assert answer.headers["X-Openstack-Request-Id"] == seen["openstack.request_id"]
    assert call(app, "/read", "POST", body=b"x" * 21).status_code == 413
    failed = call(app, "/fail")
    assert failed.status_code == 500
    assert b"broken" not in failed.body


def test_proxy_headers_stands_in_for_its_counterpart(tmp_path: Path) -> None:
    ours = "use = egg:wsgisrv#proxy_headers\nnetworks = 10.0.0.0/8\n"
    theirs = "use = egg:oslo.middleware#http_proxy_to_wsgi\n"
    seen = []
    for section in (ours, theirs):
        text = (
            f"[app:main]\npaste.app_factory = @:app_factory\nfilter-with = p\n[filter:p]\n{section}"
        )
        app = load(tmp_path, text + "enable_proxy_headers_parsing = True\n")
        fields: dict[str, Any] = {"X_Forwarded_For": "203.0.113.7", "X_Forwarded_Proto": "https"}
        seen.append(call(app, "/", environ={"REMOTE_ADDR": "10.0.0.1"}, **fields).json["environ"])
    for key in ("REMOTE_ADDR", "wsgi.url_scheme"):
        assert seen[0][key] == seen[1][key]


def test_cors_and_basic_auth_are_oslos(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    import bcrypt
    from oslo_config import cfg

    users = tmp_path / "users"
    users.write_bytes(b"ann:" + bcrypt.hashpw(b"secret", bcrypt.gensalt(4)))
    importlib.import_module("oslo_middleware")  # declares the option
    cfg.CONF.set_override("http_basic_auth_user_file", str(users), group="oslo_middleware")
    request.addfinalizer(
        lambda: cfg.CONF.clear_override("http_basic_auth_user_file", "oslo_middleware")
    )
    app = load(
        tmp_path,
        "[pipeline:main]\npipeline = cors basic_auth service\n"
        "[filter:cors]\nuse = egg:oslo.middleware#cors\nallowed_origin = http://ui.example.com\n"
        "[filter:basic_auth]\nuse = egg:oslo.middleware#basic_auth\n"
        "[app:service]\npaste.app_factory = @:app_factory\n",
    )
    preflight: dict[str, Any] = {
        "Origin": "http://ui.example.com",
        "Access_Control_Request_Method": "GET",
    }
    answer = call(app, "/", "OPTIONS", **preflight)
    assert answer.headers["Access-Control-Allow-Origin"] == "http://ui.example.com"
    assert call(app, "/").status_code == 401
    login = base64.b64encode(b"ann:secret").decode()
    assert call(app, "/", Authorization=f"Basic {login}").status_code == 200


def test_a_flavor_chooses_the_pipeline(tmp_path: Path) -> None:
    text = (
        "[composite:main]\nuse = egg:wsgisrv#pipeline\n"
        "noauth2 = noauth service\nopen = service\n{0}"
        "[filter:noauth]\npaste.filter_factory = @:NoAuth.factory\nuser = u\n"
        "[app:service]\npaste.app_factory = @:app_factory\n"
    )
    for chosen in ("[DEFAULT]\nauth_strategy = noauth2\n", "flavor = noauth2\n"):
        seen = call(load(tmp_path, text.format(chosen)), "/").json["environ"]
        assert seen["HTTP_X_USER_ID"] == "u"
    for chosen in ("flavor = open\n", "set auth_strategy = open\n"):
        both = f"{chosen}[DEFAULT]\nauth_strategy = noauth2\n"
        assert "HTTP_X_USER_ID" not in call(load(tmp_path, text.format(both)), "/").json["environ"]
    for wrong, message in (
        (
            "flavor = x\n",
            r"api-paste.ini: \[composite:main\] flavor = x: allowed are .*noauth2, open",
        ),
        ("", "nothing chooses a pipeline"),
        ("flavor = e\ne =\n", "allowed are names of filters"),
        ("flavor = e\ne = nofilter service\n", "no section .filter:nofilter."),
    ):
        with pytest.raises(ConfigError, match=message):
            load(tmp_path, text.format(wrong))


@pytest.mark.parametrize(
    ("keys", "body"),
    [
        (f"object = {SERVICE}:application", b"service"),
        (f"object = {SERVICE}:Holder.app", b"service"),
        (f"factory = {SERVICE}:make_app", b"hello []"),
        (f"factory = {SERVICE}:make_app\ngreeting = hi\ncolour = red", b"hi ['colour']"),
    ],
)
def test_an_app_needs_no_paste_factory(keys: str, body: bytes, tmp_path: Path) -> None:
    assert body in call(load(tmp_path, f"[app:main]\nuse = egg:wsgisrv#app\n{keys}\n"), "/").body


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("", "object is missing: allowed is object = module:name or factory = module:name"),
        ("object = nosuch:app", "object = nosuch:app: there is no module nosuch"),
        (f"object = {SERVICE}.deeper:app", f"there is no module {SERVICE}.deeper"),
        (f"object = {SERVICE}:nosuch", f"{SERVICE} has no nosuch"),
        (f"object = {SERVICE}:Holder.number", "it is int, which cannot be called"),
        ("object = app", "object = app: allowed is module:name"),
        ("object = os:system()", "allowed is module:name"),
        ("object = a:b\nfactory = a:b", "allowed is one of them"),
        (f"factory = {SERVICE}:application", "TypeError"),
        ("factory = builtins:dict", "it is dict, which is not a WSGI callable"),
        ("object = tests.apps.fails_to_import:app", r"fails_to_import\.py:\d+"),
    ],
)
def test_an_app_that_is_not_there_is_named_with_file_and_section(
    keys: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        load(tmp_path, f"[app:main]\nuse = egg:wsgisrv#app\n{keys}\n")
    assert str(caught.value).startswith(f"{tmp_path}/api-paste.ini: [app:main] ")
    assert "\n" not in str(caught.value)


def test_every_filter_names_file_section_and_key_of_a_wrong_value(tmp_path: Path) -> None:
    for name, key in (
        ("size_limit", "max_request_body_size"), ("gzip", "level"), ("rate_limit", "limits"),
        ("proxy_headers", "networks"),
    ):  # fmt: skip
        text = (
            f"[app:main]\npaste.app_factory = @:app_factory\nfilter-with = it\n"
            f"[filter:it]\nuse = egg:wsgisrv#{name}\n{key} = wrong\n"
        )
        with pytest.raises(ConfigError) as caught:
            load(tmp_path, text)
        assert str(caught.value).startswith(
            f"{tmp_path}/api-paste.ini: [filter:it] {key} = wrong: "
        )
        assert json.dumps("allowed is")[1:-1] in str(caught.value)
