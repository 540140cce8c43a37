"""Paste files: what loads, and what global_conf means."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest

from wsgisrv.deploy import load_app
from wsgisrv.errors import ConfigError


def show_factory(global_conf: dict[str, str], **local_conf: str) -> Any:
    """Makes an app that answers with its configuration."""

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        shown = {**global_conf, **local_conf, "script": environ["SCRIPT_NAME"]}
        return [repr(sorted(shown.items())).encode()]

    return app


def wrap_factory(global_conf: dict[str, str], name: str) -> Any:
    """Makes a filter that puts its name in front."""

    def wrap(app: Any) -> Any:
        return lambda environ, start: [name.encode(), *app(environ, start)]

    return wrap


def raising_factory(global_conf: dict[str, str]) -> Any:
    raise ConfigError("the key colour is missing")


HERE = "tests.unit.test_deploy"


def answer(directory: Path, text: str, name: str = "", path: str = "/", **conf: str) -> str:
    file = directory / "api-paste.ini"
    file.write_text(text.replace("@", HERE))
    app = load_app(f"{file}#{name}" if name else str(file), conf)
    environ: dict[str, Any] = {"PATH_INFO": path}
    setup_testing_defaults(environ)
    environ["SCRIPT_NAME"] = ""
    return b"".join(app(environ, lambda *_: bytes)).decode()


APP = "[app:main]\npaste.app_factory = @:show_factory\n"


def test_an_app_gets_default_here_and_its_own_keys(tmp_path: Path) -> None:
    said = answer(tmp_path, "[DEFAULT]\na = 1\n" + APP + "b = %(here)s/x\n")
    assert "('a', '1')" in said
    assert f"('b', '{tmp_path}/x')" in said


def test_what_the_command_adds_takes_the_place_of_default(tmp_path: Path) -> None:
    said = answer(tmp_path, "[DEFAULT]\ndb = file\n" + APP + "b = to %(db)s\n", db="command")
    assert "('b', 'to command')" in said
    assert "('db', 'command')" in said


def test_what_the_command_adds_is_no_template(tmp_path: Path) -> None:
    said = answer(tmp_path, APP + "b = to %(db)s\n", db="mysql://u:p%40%s@%(here)s/d")
    assert "('b', 'to mysql://u:p%40%s@%(here)s/d')" in said
    assert "('db', 'mysql://u:p%40%s@%(here)s/d')" in said


def test_a_pipeline_a_filter_with_and_a_call(tmp_path: Path) -> None:
    said = answer(
        tmp_path,
        "[pipeline:main]\npipeline = one two app\n"
        "[filter:one]\npaste.filter_factory = @:wrap_factory\nname = 1\n"
        "[filter:two]\nuse = call:@:wrap_factory\nname = 2\n"
        "[app:app]\nuse = call:@:show_factory\nfilter-with = three\n"
        "[filter:three]\npaste.filter_factory = @:wrap_factory\nname = 3\n",
    )
    assert said.startswith("123[")


def test_a_section_by_name_and_one_in_another_file(tmp_path: Path) -> None:
    (tmp_path / "other.ini").write_text(APP.replace("@", HERE) + "b = other\n")
    text = APP + "[app:second]\nuse = config:other.ini\nc = more\n"
    said = answer(tmp_path, text, "second")
    assert "('b', 'other')" in said
    assert "('c', 'more')" in said


@pytest.mark.parametrize(
    ("path", "script"), [("/v1", "/v1"), ("/v1/books", "/v1"), ("/v10", ""), ("/", "")]
)
def test_a_composite_by_the_longest_prefix_of_whole_segments(
    path: str, script: str, tmp_path: Path
) -> None:
    text = "[composite:main]\nuse = egg:wsgisrv#urlmap\n/ = app\n/v1 = app\n" + APP.replace(
        "main", "app"
    )
    assert f"('script', '{script}')" in answer(tmp_path, text, path=path)


def test_a_factorys_own_complaint_is_told_with_file_and_section(tmp_path: Path) -> None:
    text = "[app:main]\npaste.app_factory = @:raising_factory\n"
    with pytest.raises(ConfigError) as caught:
        answer(tmp_path, text)
    assert str(caught.value) == f"{tmp_path}/api-paste.ini: [app:main] the key colour is missing"


def test_a_percent_sign_alone_is_told_without_the_value_that_has_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as failed:
        answer(tmp_path, APP + "database = mysql+wsgisrv://service:p%40ssword@db/shelf\n")
    place = f"{tmp_path}/api-paste.ini: [app:main]"
    assert str(failed.value) == f"{place} database: a % in a value is written %%"


def test_an_error_in_an_included_file_names_that_file(tmp_path: Path) -> None:
    (tmp_path / "other.ini").write_text("[app:main]\npaste.app_factory = nosuch:factory\n")
    with pytest.raises(
        ConfigError, match=rf"^{tmp_path}/other\.ini: \[app:main\] paste\.app_factory"
    ):
        answer(tmp_path, "[app:main]\nuse = config:other.ini\n")


def directory_of(path: Path, **files: str) -> Path:
    directory = path / "paste.d"
    directory.mkdir()
    for name, text in files.items():
        (directory / f"{name}.ini").write_text(text.replace("@", HERE))
    return directory


def asked(app: Any) -> str:
    environ: dict[str, Any] = {}
    setup_testing_defaults(environ)
    environ["SCRIPT_NAME"] = ""
    return b"".join(app(environ, lambda *_: bytes)).decode()


def test_a_directory_is_one_paste_file_in_which_later_files_change_earlier_ones(
    tmp_path: Path,
) -> None:
    directory = directory_of(
        tmp_path,
        a="[DEFAULT]\nx = a\n[pipeline:main]\npipeline = app\n",
        b="[app:app]\npaste.app_factory = @:show_factory\nKey = %(here)s/%(x)s\n",
        c="[DEFAULT]\nx = c\n[pipeline:main]\npipeline = one app\n"
        "[filter:one]\npaste.filter_factory = @:wrap_factory\nname = 1\n",
    )
    (directory / ".hidden.ini").write_text("junk")
    (directory / "a.ini.orig").write_text("junk")
    said = asked(load_app(str(directory), {}))
    assert said.startswith("1[")
    assert f"('Key', '{directory}/c')" in said
    assert f"('__file__', '{directory}')" in said
    assert "('Key'" in asked(load_app(f"{directory}#app", {}))


def test_a_directory_may_be_included_and_include(tmp_path: Path) -> None:
    directory_of(tmp_path, a="[app:main]\nuse = config:../other.ini\n", b="[DEFAULT]\nx = 1\n")
    (tmp_path / "other.ini").write_text(APP.replace("@", HERE) + "b = other\n")
    said = answer(tmp_path, "[app:main]\nuse = config:paste.d\nc = more\n")
    assert "('b', 'other')" in said
    assert "('c', 'more')" in said
    assert "('x', '1')" in said


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "{0}: there is no *.ini in the directory"),
        ({"a": APP, "b": "junk\n"}, "{0}/b.ini: line 1 is no section, no key = value"),
        ({"a": APP, "b": APP + APP}, "{0}/b.ini: "),
        (
            {"a": APP, "b": "[app:main]\npaste.app_factory = nosuch:f\n"},
            "{0}/b.ini: [app:main] paste.app_factory = nosuch:f: ModuleNotFoundError",
        ),
        (
            {"a": APP.replace("@:show", "nosuch:show"), "b": "[app:main]\nc = 1\n"},
            "{0}/a.ini: [app:main] paste.app_factory = nosuch:show_factory: ModuleNotFoundError",
        ),
        (
            {"a": "[pipeline:main]\npipeline = f app\n", "b": APP.replace("main", "app")},
            "{0}: no section [filter:f] or the like; it has [pipeline:main], [app:app]",
        ),
    ],
)
def test_what_is_wrong_in_a_directory_is_told_with_its_file(
    files: dict[str, str], said: str, tmp_path: Path
) -> None:
    directory = directory_of(tmp_path, **files)
    with pytest.raises(ConfigError) as caught:
        load_app(str(directory), {})
    assert str(caught.value).startswith(said.format(directory))
