"""``wsgisrv new``: which names it takes, and what it writes."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.support.server import ROOT
from wsgisrv.cli import main

PROJECT = ROOT / "wsgisrv" / "new" / "project"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("My-API", "a name has lower-case letters, digits and _, a letter first; my_api would do"),
        ("3things", "a name has lower-case letters, digits and _, a letter first"),
        ("../up", "a name has lower-case letters, digits and _, a letter first; up would do"),
        ("class", "is a word of Python's own"),
        ("json", "is a module of Python's own, which the service would hide"),
        ("wsgisrv", "is taken, by wsgisrv or by the project's own files"),
        ("tests", "is taken, by wsgisrv or by the project's own files"),
    ],
)
def test_a_wrong_name_is_a_line(
    name: str, reason: str, capfd: pytest.CaptureFixture[str], elsewhere: Path
) -> None:
    assert main(["new", name]) == 2
    assert capfd.readouterr().err == f"wsgisrv: {name!r}: {reason}\n"
    assert not list(elsewhere.iterdir())


def test_a_directory_that_is_there_is_left_alone(
    capfd: pytest.CaptureFixture[str], elsewhere: Path
) -> None:
    (elsewhere / "stock").mkdir()
    assert main(["new", "stock"]) == 2
    assert capfd.readouterr().err == "wsgisrv: stock: is there already; nothing is overwritten\n"
    assert main(["new", "stock", "--directory", "/proc/stock"]) == 71
    assert capfd.readouterr().err.startswith("wsgisrv: /proc/stock: ")


def test_every_file_has_the_services_name_and_no_placeholder(elsewhere: Path) -> None:
    assert main(["new", "stock"]) == 0
    written = {
        str(path.relative_to("stock")) for path in Path("stock").rglob("*") if path.is_file()
    }
    there = {
        str(path.relative_to(PROJECT)).removesuffix(".in").replace("NAME", "stock")
        for path in PROJECT.rglob("*.in")
    }
    assert written == there
    assert {"pyproject.toml", "Dockerfile", "stock/api.py", "etc/stock.service"} <= written
    for path in Path("stock").rglob("*"):
        if path.is_file():
            assert "NAME" not in path.read_text()
    script = tomllib.loads(Path("stock/pyproject.toml").read_text())["project"]["scripts"]
    assert f'CMD ["{next(iter(script))}", ' in Path("stock/Dockerfile").read_text()
    assert tomllib.loads(Path("stock/pyproject.toml").read_text())["project"]["name"] == "stock"
