"""Where the value of an option comes from: command line, environment, a line of a file, or its default.

Rules: looks up, converts nothing. Must not import eventlet, webob, paste or routes.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from wsgisrv.config_files import Assignment, ConfigFiles
from wsgisrv.declared_options import FIELDS, group_of, variable_of

COMMAND_LINE, ENVIRONMENT, FILE, DEFAULT = "command line", "environment", "file", "default"

_SAID = re.compile(
    r"(?P<label>\w+: )?"
    r"(?:\[wsgisrv\] (?P<name>\w+)(?: = (?P<value>.*?))?|bind (?P<address>\S+)): (?P<what>.*)"
)


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """One place.

    Args:
        kind: COMMAND_LINE, ENVIRONMENT, FILE or DEFAULT.
        name: the flag, the variable, the file's path, or empty.
        line: of the file, from 1; else 0.
        section: of the file; else empty.
        key: by a deprecated name, that name; else empty.
    """

    kind: str
    name: str = ""
    line: int = 0
    section: str = ""
    key: str = ""

    def __str__(self) -> str:
        if self.kind != FILE:
            return f"{self.kind} {self.name}".rstrip()
        former = f" [{self.section}] {self.key} (deprecated name)" if self.key else ""
        return f"{self.name}:{self.line}{former}"

    def as_dict(self) -> dict[str, Any]:
        """Returns what is known of it, for JSON."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value}


@dataclasses.dataclass(frozen=True, slots=True)
class Places:
    """Where values were found.

    Args:
        files: that were read.
        on_line: options on the command line, with the words that gave them.
        former: by section and option, where one stands by its deprecated name.
    """

    files: ConfigFiles
    on_line: Mapping[str, str]
    former: Mapping[tuple[str, str], Assignment]

    def renamed(self, path: str, name: str) -> Places:
        """Returns the same places, one of the files by another name."""
        return dataclasses.replace(self, files=self.files.renamed(path, name))

    def of(self, name: str, server: str = "") -> tuple[Place, ...]:
        """Returns the places of an option's value, more than one where values add up.

        Args:
            server: whose section is looked at first; what it does not say is as in [wsgisrv].
        """
        found = self._given(name, server)
        if not found and server and name != "bind":
            found = self._given(name, "")
        return found or (Place(DEFAULT),)

    def _given(self, name: str, server: str) -> tuple[Place, ...]:
        group = group_of(server)
        if not server and name in self.on_line:
            return (Place(COMMAND_LINE, self.on_line[name]),)
        if (variable := variable_of(name, group)) in os.environ:
            return (Place(ENVIRONMENT, variable),)
        found = self.files.all(group, name)
        if found:
            adds_up = (
                FIELDS[name].type == "tuple[str, ...]" and not FIELDS[name].metadata["is_list"]
            )
            counting = found if adds_up else found[-1:]
            return tuple(Place(FILE, each.path, each.line, group) for each in counting)
        origin = self.former.get((server, name))
        if origin is not None:
            return (Place(FILE, origin.path, origin.line, origin.section, origin.key),)
        return ()

    def where(self, name: str, server: str = "") -> str:
        """Returns where the bad value of an option stands, with the value."""
        group = group_of(server)
        if (variable := variable_of(name, group)) in os.environ:
            return f"{ENVIRONMENT}: {variable}={os.environ[variable]}"
        found = self.files.last(group, name) or self.former.get((server, name))
        return str(found) if found else f"[{group}] {name}"

    def located(self, text: str, servers: tuple[str, ...] = ()) -> str:
        """Returns what was found to be wrong with an option's value once it was used, with its place.

        Args:
            text: as ``[wsgisrv] NAME = VALUE: what`` or ``bind ADDRESS: what``; other text stays.
        """
        said = _SAID.fullmatch(text)
        name = (said["name"] or "bind") if said else ""
        if said is None or name not in FIELDS or name in self.on_line:
            return text
        value, label = said["value"] or said["address"] or "", said["label"] or ""
        named = label.removesuffix(": ")
        standing = [
            each
            for server in ([named] if named in servers else ["", *servers])
            for each in self._standing(name, server)
        ]
        # 127.0.0.1:80 is a part of 127.0.0.1:8080, which may stand nearer.
        for fits in (_is_one_of, _is_part_of):
            for place, given in standing:
                if fits(value, given):
                    return f"{label}{place}: {said['what']}"
        return text

    def _standing(self, name: str, server: str) -> Iterator[tuple[str, str | None]]:
        """Yields each place of an option with the value there; by a deprecated name None."""
        if (variable := variable_of(name, group_of(server))) in os.environ:
            given = os.environ[variable]
            yield f"{ENVIRONMENT}: {variable}={given}", given
            return
        if (former := self.former.get((server, name))) is not None:
            yield str(former), None
        for found in reversed(self.files.all(group_of(server), name)):
            yield str(found), found.value


def _is_one_of(value: str, given: str | None) -> bool:
    return given is not None and value in (given, *(each.strip() for each in given.split(",")))


def _is_part_of(value: str, given: str | None) -> bool:
    return given is None or value in given
