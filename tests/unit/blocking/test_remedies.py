"""The table of what blocks: by module, by stack, and what the sources of a stack tell."""

from __future__ import annotations

import pytest

from wsgisrv.blocking.remedies import REMEDIES, UNKNOWN, hint, hint_for_text, remedy_for


def test_a_module_has_the_remedy_of_what_it_is_below() -> None:
    assert remedy_for("MySQLdb.cursors") is remedy_for("MySQLdb")
    assert remedy_for("MySQLdbs") is None
    assert remedy_for("") is None


def test_no_module_has_two_remedies() -> None:
    modules = [module for remedy in REMEDIES for module in remedy.modules]
    assert len(set(modules)) == len(modules)


def test_the_innermost_module_that_is_known_counts() -> None:
    assert hint(["app", "psycopg2.extensions", "MySQLdb"]).startswith("remedy for psycopg2")
    assert hint(["app"]) == f"remedy: {UNKNOWN}"


@pytest.mark.parametrize(
    ("path", "module"),
    [
        ("/venv/lib/python3.11/site-packages/MySQLdb/connections.py", "MySQLdb.connections"),
        ("/usr/lib/python3.12/json/__init__.py", "json"),
        ("/usr/lib/python3/dist-packages/grpc/_channel.py", "grpc._channel"),
    ],
)
def test_a_file_is_known_by_its_place(path: str, module: str) -> None:
    text = f'Current thread 0x1 (most recent call first):\n  File "{path}", line 3 in f\n'
    assert hint_for_text(text).startswith(f"remedy for {module}: ")
