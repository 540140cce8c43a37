"""egg:wsgisrv#static: files, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from tests.support.wsgi import call
from wsgisrv.errors import ConfigError
from wsgisrv.middleware.static import app_factory


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "sub").mkdir(parents=True)
    (root / "a.txt").write_text("hello")
    (root / "sub" / "index.html").write_text("<p>")
    (root / ".secret").write_text("no")
    (tmp_path / "outside.txt").write_text("no")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "index.html").write_text("no")
    (root / "link.txt").symlink_to(tmp_path / "outside.txt")
    (root / "way").symlink_to(tmp_path)
    os.mkfifo(root / "fifo")
    return root


def made(root: Path, **conf: str) -> Any:
    return app_factory({}, root=str(root), index="index.html", **conf)


def test_a_file_is_answered_with_type_length_and_what_conditions_need(root: Path) -> None:
    answer = call(made(root, max_age="60"), "/a.txt")
    assert answer.body == b"hello"
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Content-Length"] == "5"
    assert answer.headers["Cache-Control"] == "max-age=60"
    assert call(made(root), "/sub/").body == b"<p>"
    head = call(made(root), "/a.txt", "HEAD")
    assert (head.body, head.headers["Content-Length"]) == (b"", "5")


def test_who_has_it_already_gets_304(root: Path) -> None:
    first = call(made(root), "/a.txt").headers
    etag, modified = first["ETag"], first["Last-Modified"]
    since: dict[str, Any] = {"If_Modified_Since": modified}
    said: list[dict[str, Any]] = [
        {"If_None_Match": etag}, {"If_None_Match": f'"x", W/{etag}'}, {"If_None_Match": "*"}, since,
    ]  # fmt: skip
    for fields in said:
        answer = call(made(root), "/a.txt", **fields)
        assert (answer.status_code, answer.headers["ETag"]) == (304, etag)
    for fields in ({"If_None_Match": '"x"', **since}, {"If_Modified_Since": "yesterday"},
                   {"If_Modified_Since": "Sat, 99 Foo 99999 99:99:99 GMT"}):  # fmt: skip
        assert call(made(root), "/a.txt", **fields).status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "/../outside.txt", "/sub/../../outside.txt", "/%2e%2e/outside.txt", "/../other/", "/link.txt",
        "/way/outside.txt", "/way/", "/.secret", "/fifo", "/sub", "//etc/passwd", "/a.txt/", "/a%00.txt",
        "/sub//index.html", "/%ff", "/nothing", "/" + "x" * 5000, "/",
    ],
)  # fmt: skip
def test_nothing_else_is_found(path: str, root: Path) -> None:
    answer = call(made(root), path)
    assert answer.status_code == 404
    assert answer.json["errors"][0]["detail"] == "no such file"


def test_other_methods_are_refused(root: Path) -> None:
    answer = call(made(root), "/a.txt", "DELETE")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_no_descriptor_is_left_open(root: Path) -> None:
    app = made(root)
    before = os.listdir("/proc/self/fd")
    for path in ("/a.txt", "/link.txt", "/fifo", "/sub/", "/sub", "/nothing"):
        call(app, path)
        call(app, path, "HEAD")
    assert len(os.listdir("/proc/self/fd")) == len(before)


@pytest.mark.parametrize(
    ("conf", "message"),
    [
        ({"root": ""}, "root is missing: allowed is a directory"),
        ({"root": "/nonexistent"}, "root = /nonexistent: allowed is a directory"),
        ({"root": "/", "index": "../x"}, r"index = \.\./x: allowed is the name of a file"),
        ({"root": "/", "max_age": "-1"}, "max_age = -1: allowed is a whole number"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(conf: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        app_factory({}, **conf)
