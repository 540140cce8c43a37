"""What the README says that there is of oslo.service's names."""

from __future__ import annotations

import importlib
import re

from tests.support.readme import README

PACKAGE = "wsgisrv.compat.oslo_service"
NAME = re.compile(r"``(\w+)``")


def rows() -> dict[str, tuple[set[str], set[str]]]:
    """Returns for each module the names that are said to be there, and not to be."""
    text = README.read_text().partition("These of oslo.service 4.8's names are there")[2]
    (rule, _), (_, body) = re.findall(r"^(=[= ]+)\n(.*?)(?=^=)", text, re.MULTILINE | re.DOTALL)[:2]
    first, second, third = (match.start() for match in re.finditer("=+", rule))
    found: dict[str, tuple[set[str], set[str]]] = {}
    module = ""
    for line in body.strip("\n").split("\n"):
        module = next(iter(NAME.findall(line[first:second])), module)
        there, missing = found.setdefault(module, (set(), set()))
        there.update(NAME.findall(line[second:third]))
        missing.update(NAME.findall(line[third:]))
    return found


def test_the_names_of_the_readme_are_there_and_no_others() -> None:
    assert rows().keys() == {"service", "wsgi", "sslutils"}
    for name, (there, missing) in rows().items():
        module = importlib.import_module(f"{PACKAGE}.{name}")
        own = {
            each
            for each, value in vars(module).items()
            if getattr(value, "__module__", "").startswith(PACKAGE) and not each.startswith("_")
        }
        assert there <= own
        assert not missing & own
        # What load_app returns has no name of oslo.service's, and one module imports another's.
        assert own - there <= {"NamedApp", "Server", "ServiceBase"}
